-- Ends the tasks of a queue that were not started in time, and drops those whose retention is over. asynq's own
-- janitor drops the succeeded ones.
--
-- KEYS[1] backbeat:{q}:expires
-- ARGV[3] how many of each at most
--
-- Returns the number of entries that it dealt with, and the heads of the messages of those that have expired. If the
-- number is not 0, there may be more.
local swept, expired = 0, {}
for _, id in ipairs(redis.call("ZRANGEBYSCORE", KEYS[1], "-inf", now, "LIMIT", 0, ARGV[3])) do
  local state, retention, waiters, schedule, callback, msg =
    unpack(redis.call("HMGET", asynq .. "t:" .. id, "state", "bb:retention", "bb:waiters", "bb:schedule", "bb:callback", "msg"))
  if (state == "pending" or state == "scheduled") and unlist(id, state) then
    expire(id, retention, waiters, schedule, callback)
    expired[#expired + 1] = head(msg)
  else
    redis.call("ZREM", KEYS[1], id)
  end
  swept = swept + 1
end
for _, outcome in ipairs({"failed", "canceled", "expired"}) do
  for _, id in ipairs(redis.call("ZRANGEBYSCORE", backbeat .. outcome, "-inf", now, "LIMIT", 0, ARGV[3])) do
    -- asynqmon may have deleted the task or put it back into the queue since.
    local key = asynq .. "t:" .. id
    if redis.call("HGET", key, "state") == "archived" then
      redis.call("ZREM", asynq .. "archived", id)
      redis.call("DEL", key)
    end
    redis.call("ZREM", backbeat .. outcome, id)
    swept = swept + 1
  end
end
return {swept, expired}
