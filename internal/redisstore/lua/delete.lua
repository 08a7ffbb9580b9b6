-- Drops a schedule, unless it has been changed since it was read.
--
-- KEYS[1] specs
-- KEYS[2] states
-- KEYS[3] ids
-- KEYS[4] due
-- KEYS[5] the schedule's runs
-- ARGV[1] id
-- ARGV[2] channel for changes
-- ARGV[3] the state that was read, "" for no schedule or none that has one
--
-- Returns 1, or 0 if it has been changed.
local id = ARGV[1]
if (redis.call("HGET", KEYS[2], id) or "") ~= ARGV[3] then return 0 end
local known = redis.call("HDEL", KEYS[1], id) + redis.call("HDEL", KEYS[2], id) > 0
redis.call("ZREM", KEYS[3], id)
redis.call("ZREM", KEYS[4], id)
redis.call("DEL", KEYS[5])
if known then redis.pcall("PUBLISH", ARGV[2], id) end
return 1
