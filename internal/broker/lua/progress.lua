-- Stores how far the newest attempt has come, while it runs.
--
-- KEYS[1] asynq:{q}:t:{id}
-- ARGV[4] attempt
-- ARGV[5] progress
-- ARGV[6] id
--
-- Returns 1.
local state, attempt, waiters = unpack(redis.call("HMGET", KEYS[1], "state", "bb:attempt", "bb:waiters"))
if state == "active" and attempt == ARGV[4] then
  redis.call("HSET", KEYS[1], "bb:progress", ARGV[5])
  changed(ARGV[6], waiters)
end
return 1
