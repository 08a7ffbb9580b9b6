-- Writes what somebody made of a schedule, unless it has been changed since it was read.
--
-- KEYS[1] specs
-- KEYS[2] states
-- KEYS[3] ids
-- KEYS[4] due
-- KEYS[5] the schedule's runs
-- ARGV[1] id
-- ARGV[2] the state that was read, "" for no schedule
-- ARGV[3] the spec, JSON
-- ARGV[4] the new state
-- ARGV[5] when it is due in ms, "" = never
-- ARGV[6] channel for changes
-- ARGV[7] how many runs to keep
-- ARGV[8] how long to keep them, in s
-- and then runs to tell
--
-- Returns 1, or 0 if it has been changed.
local id = ARGV[1]
if (redis.call("HGET", KEYS[2], id) or "") ~= ARGV[2] then return 0 end
redis.call("HSET", KEYS[1], id, ARGV[3])
redis.call("HSET", KEYS[2], id, ARGV[4])
redis.call("ZADD", KEYS[3], 0, id)
if ARGV[5] ~= "" then
  redis.call("ZADD", KEYS[4], ARGV[5], id)
else
  redis.call("ZREM", KEYS[4], id)
end
if #ARGV > 8 then
  for i = 9, #ARGV do redis.call("LPUSH", KEYS[5], ARGV[i]) end
  redis.call("LTRIM", KEYS[5], 0, ARGV[7] - 1)
  redis.call("EXPIRE", KEYS[5], ARGV[8])
end
redis.pcall("PUBLISH", ARGV[6], id)
return 1
