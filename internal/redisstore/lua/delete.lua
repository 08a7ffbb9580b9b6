-- Drops a schedule.
--
-- KEYS[1] specs
-- KEYS[2] states
-- KEYS[3] ids
-- KEYS[4] due
-- KEYS[5] the schedule's runs
-- ARGV[1] id
-- ARGV[2] channel for changes
--
-- Returns 1, or 0 if there is none.
local id = ARGV[1]
local known = redis.call("HDEL", KEYS[1], id) + redis.call("HDEL", KEYS[2], id) > 0
redis.call("ZREM", KEYS[3], id)
redis.call("ZREM", KEYS[4], id)
redis.call("DEL", KEYS[5])
if not known then return 0 end
redis.call("PUBLISH", ARGV[2], id)
return 1
