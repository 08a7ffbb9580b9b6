-- Stores how far the newest attempt has come, while it runs.
--
-- KEYS[1] asynq:{q}:t:{id}
-- ARGV[3] attempt
-- ARGV[4] progress
-- ARGV[5] id
--
-- Returns 1.
local state, attempt, waiters = unpack(redis.call("HMGET", KEYS[1], "state", "bb:attempt", "bb:waiters"))
if state == "active" and attempt == ARGV[3] then
  redis.call("HSET", KEYS[1], "bb:progress", ARGV[4])
  changed(ARGV[5], waiters)
end
return 1
