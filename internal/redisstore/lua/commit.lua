-- Moves schedules on, each unless it has been changed since it was read, and writes down what this owes.
--
-- KEYS[1] term
-- KEYS[2] states
-- KEYS[3] due
-- KEYS[4] owed
-- ARGV[1] the leader's term
-- ARGV[2] prefix of the keys of runs
-- ARGV[3] how many runs to keep
-- ARGV[4] how long to keep them, in s
-- ARGV[5] how many schedules there are
-- and then the ids; then the states that were read; then for each schedule:
--   the new state, when it is due in ms ("" = never),
--   and either "-" and the id and row of the one tick that it owes; or
--   how many ticks it owes, and for each its task's id and the row,
--   how many runs there are to tell, and the runs,
--   how many tasks have ended, and for each its id and state
--
-- Returns for each schedule 1 if it was moved on, else 0; false if another leads by now.
if redis.call("GET", KEYS[1]) ~= ARGV[1] then return false end
local n = tonumber(ARGV[5])
local ids = {}
for i = 1, n do ids[i] = ARGV[5 + i] end
local current = redis.call("HMGET", KEYS[2], unpack(ids))

local at = 5 + 2 * n -- the last argument that has been read
local function read()
  at = at + 1
  return ARGV[at]
end

local function tell(id, runs)
  local key = ARGV[2] .. id
  redis.call("LPUSH", key, unpack(runs))
  redis.call("LTRIM", key, 0, ARGV[3] - 1)
  redis.call("EXPIRE", key, ARGV[4])
end

-- ended writes into the history how a task ended. Most ends are of the newest runs.
local function ended(id, task, state)
  local key, name = ARGV[2] .. id, '"task":"' .. task .. '"'
  for _, range in ipairs({{0, 9}, {10, -1}}) do
    for i, run in ipairs(redis.call("LRANGE", key, range[1], range[2])) do
      if string.find(run, name, 1, true) then
        if not string.find(run, '"state":', 1, true) then
          redis.call("LSET", key, range[1] + i - 1, string.sub(run, 1, -2) .. ',"state":"' .. state .. '"}')
        end
        return
      end
    end
  end
end

local written, states, due, idle, owed = {}, {}, {}, {}, {}
for i, id in ipairs(ids) do
  local ok = current[i] == ARGV[5 + n + i]
  written[i] = ok and 1 or 0
  local state, when = read(), read()
  if ok then
    states[#states + 1], states[#states + 2] = id, state
    if when ~= "" then
      due[#due + 1], due[#due + 2] = when, id
    else
      idle[#idle + 1] = id
    end
  end
  local shape = read()
  for _ = 1, tonumber(shape) or 1 do
    local task, row = read(), read()
    if ok then owed[#owed + 1], owed[#owed + 2] = task, row end
  end
  if shape ~= "-" then
    local runs = {}
    for r = 1, tonumber(read()) do runs[r] = read() end
    if ok and #runs > 0 then tell(id, runs) end
    for _ = 1, tonumber(read()) do
      local task, state = read(), read()
      if ok then ended(id, task, state) end
    end
  end
end
if #states > 0 then redis.call("HSET", KEYS[2], unpack(states)) end
if #due > 0 then redis.call("ZADD", KEYS[3], unpack(due)) end
if #idle > 0 then redis.call("ZREM", KEYS[3], unpack(idle)) end
for i = 1, #owed, 4000 do redis.call("HSET", KEYS[4], unpack(owed, i, math.min(i + 3999, #owed))) end
return written
