-- Moves schedules on, each unless it has been changed since it was read, and adds their ticks to the outbox.
--
-- A schedule that only fires ticks keeps its place in the index of due times until they are acknowledged: moving it takes
-- as long as the rest of this script, and would make the ticks late.
--
-- KEYS[1] term
-- KEYS[2] states
-- KEYS[3] due
-- KEYS[4] outbox
-- ARGV[1] the leader's term
-- ARGV[2] prefix of the keys of runs
-- ARGV[3] how many runs to keep
-- ARGV[4] how long to keep them, in s
-- ARGV[5] id of the batch of their ticks
-- ARGV[6] how many schedules there are
-- and then the ids; the states that were read; the new ones; the rows of their ticks, as one string; how many bytes of it
-- belong to each, as another, such as "17 0 21 ";
-- and then for each schedule of which there is more to say:
--   its place among them, from 1,
--   when it is due in ms, "" = never,
--   how many runs there are to tell, and the runs,
--   how many tasks have ended, and for each its id and state
--
-- Returns the places of those that were not moved on; false if another leads by now.
if redis.call("GET", KEYS[1]) ~= ARGV[1] then return false end
local first, n = 7, tonumber(ARGV[6])
local current = redis.call("HMGET", KEYS[2], unpack(ARGV, first, first + n - 1))

local states, refused, moved = {}, {}, {}
for i = 1, n do
  local at = first + i - 1
  if current[i] == ARGV[at + n] then
    moved[i] = true
    states[#states + 1], states[#states + 2] = ARGV[at], ARGV[at + 2 * n]
  else
    refused[#refused + 1] = i
  end
end
if #states > 0 then redis.call("HSET", KEYS[2], unpack(states)) end

-- of_those_moved returns their rows.
local function of_those_moved(rows, sizes)
  local some, i, at = {}, 0, 1
  for size in string.gmatch(sizes, "%d+") do
    i = i + 1
    if moved[i] then some[#some + 1] = string.sub(rows, at, at + size - 1) end
    at = at + size
  end
  return table.concat(some)
end

local rows = ARGV[first + 3 * n]
if #refused > 0 then rows = of_those_moved(rows, ARGV[first + 3 * n + 1]) end
if rows ~= "" then redis.call("HSET", KEYS[4], ARGV[5], rows) end

-- history returns the key of a schedule's runs. Should it be of another type it is begun anew: one schedule's history must
-- not keep the others from being moved on.
local function history(id)
  local key = ARGV[2] .. id
  local type = redis.call("TYPE", key).ok
  if type ~= "list" and type ~= "none" then redis.call("DEL", key) end
  return key
end

local function tell(id, runs)
  local key = history(id)
  redis.call("LPUSH", key, unpack(runs))
  redis.call("LTRIM", key, 0, ARGV[3] - 1)
  redis.call("EXPIRE", key, ARGV[4])
end

-- ended writes into the history how a task ended. Most ends are of the newest runs.
local function ended(id, task, state)
  local key, name = history(id), '"task":"' .. task .. '"'
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

local at = first + 3 * n + 1 -- the last argument that has been read
local function read()
  at = at + 1
  return ARGV[at]
end

while at < #ARGV do
  local i = tonumber(read())
  local id, ok, when = ARGV[first + i - 1], moved[i], read()
  if ok and when ~= "" then redis.call("ZADD", KEYS[3], when, id) end
  if ok and when == "" then redis.call("ZREM", KEYS[3], id) end
  local runs = {}
  for r = 1, tonumber(read()) do runs[r] = read() end
  if ok and #runs > 0 then tell(id, runs) end
  for _ = 1, tonumber(read()) do
    local task, state = read(), read()
    if ok then ended(id, task, state) end
  end
end
return refused
