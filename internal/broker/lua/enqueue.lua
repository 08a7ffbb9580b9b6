-- Puts a task into its queue, unless its id or its unique lock is taken.
--
-- KEYS[1] asynq:{q}:t:{id}
-- ARGV[4] id
-- ARGV[5] message
-- ARGV[6] the current time in ns, for asynq's pending_since
-- ARGV[7] run_at in ms; 0 = now
-- ARGV[8] expires_at in ms; 0 = never
-- ARGV[9] retention in ms
-- ARGV[10] unique lock key, "" for none
-- ARGV[11] how long the lock holds, in ms
--
-- Returns "" when it is done; "id" when the id is taken; "unique:ID" when task ID holds the lock.
local key, id = KEYS[1], ARGV[4]
local present = redis.call("HGET", key, "msg")
if present then
  -- The same message is our own, sent twice because the first answer got lost on the way.
  if present == ARGV[5] then return "" end
  return "id"
end
if ARGV[10] ~= "" then
  if not redis.call("SET", ARGV[10], id, "NX", "PX", ARGV[11]) then
    return "unique:" .. (redis.call("GET", ARGV[10]) or "")
  end
end
-- A hash without a message is what a late writer left behind; nobody can run it.
redis.call("DEL", key)
local run_at, expires_at = tonumber(ARGV[7]), tonumber(ARGV[8])
redis.call("HSET", key, "msg", ARGV[5])
if ARGV[10] ~= "" then
  redis.call("HSET", key, "unique_key", ARGV[10])
end
if expires_at > 0 then
  redis.call("HSET", key, "bb:expires_at", ARGV[8], "bb:retention", ARGV[9])
  redis.call("ZADD", backbeat .. "expires", ARGV[8], id)
end
if run_at > 0 then
  delay(id, "scheduled", ARGV[7])
else
  push(id, ARGV[6])
end
return ""
