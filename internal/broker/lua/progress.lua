-- Stores how far the newest attempt has come, while it runs.
--
-- KEYS[1] asynq:{q}:t:{id}
-- ARGV[4] attempt
-- ARGV[5] progress
local state, attempt = unpack(redis.call("HMGET", KEYS[1], "state", "bb:attempt"))
if state == "active" and attempt == ARGV[4] then
  redis.call("HSET", KEYS[1], "bb:progress", ARGV[5])
end
return 1
