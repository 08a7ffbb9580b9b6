-- Strikes ticks off that have become tasks, and tells them in the history.
--
-- KEYS[1] term
-- KEYS[2] owed
-- KEYS[3] states
-- ARGV[1] the leader's term
-- ARGV[2] prefix of the keys of runs
-- ARGV[3] how many runs to keep
-- ARGV[4] how long to keep them, in s
-- and for each tick three more: its task's id, the schedule, the run
--
-- Returns 1, or false if another leads by now.
if redis.call("GET", KEYS[1]) ~= ARGV[1] then return false end
local tasks, ids = {}, {}
for i = 5, #ARGV, 3 do
  tasks[#tasks + 1], ids[#ids + 1] = ARGV[i], ARGV[i + 1]
end
local owed = redis.call("HMGET", KEYS[2], unpack(tasks))
local states = redis.call("HMGET", KEYS[3], unpack(ids))
for n, id in ipairs(ids) do
  -- A schedule that was deleted meanwhile leaves no history, and what was struck off already is told already.
  if owed[n] and states[n] then
    local key = ARGV[2] .. id
    if redis.call("LPUSH", key, ARGV[4 + 3 * n]) > tonumber(ARGV[3]) then redis.call("LTRIM", key, 0, ARGV[3] - 1) end
    redis.call("EXPIRE", key, ARGV[4])
  end
end
redis.call("HDEL", KEYS[2], unpack(tasks))
return 1
