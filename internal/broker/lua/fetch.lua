-- Takes the oldest pending task of a queue for a worker: asynq's dequeue, which also counts the attempt and
-- never hands out a task that has expired or was canceled.
--
-- KEYS[1] asynq:{q}:pending
-- KEYS[2] asynq:{q}:paused
-- KEYS[3] asynq:{q}:active
-- KEYS[4] asynq:{q}:lease
-- ARGV[4] when the lease ends, unix seconds
-- ARGV[5] worker id
--
-- Returns {id, message, attempt}, or nil if there is nothing to do.
if redis.call("EXISTS", KEYS[2]) == 1 then return nil end
-- Bounded, so that a queue full of expired tasks does not hold up Redis.
for _ = 1, 100 do
  local id = redis.call("RPOPLPUSH", KEYS[1], KEYS[3])
  if not id then return nil end
  local key = asynq .. "t:" .. id
  local msg, attempt, expires_at, canceled, retention, waiters =
    unpack(redis.call("HMGET", key, "msg", "bb:attempt", "bb:expires_at", "bb:cancel", "bb:retention", "bb:waiters"))
  if not msg then
    redis.call("LREM", KEYS[3], 1, id)
  elseif expires_at and tonumber(expires_at) <= now then
    redis.call("LREM", KEYS[3], 1, id)
    expire(id, retention, waiters)
  elseif canceled then
    -- Its worker died before it could say so.
    redis.call("LREM", KEYS[3], 1, id)
    forget(id)
    archive(id, "canceled", tonumber(retention) or DEFAULT_RETENTION)
    notify(id, waiters, "canceled")
  else
    attempt = (tonumber(attempt) or 0) + 1
    redis.call("HSET", key, "state", "active", "bb:attempt", attempt, "bb:started_at", ARGV[3], "bb:worker", ARGV[5])
    redis.call("HDEL", key, "pending_since", "bb:expires_at", "bb:progress", "bb:run_at")
    if expires_at then redis.call("ZREM", backbeat .. "expires", id) end
    redis.call("ZADD", KEYS[4], ARGV[4], id)
    return {id, msg, attempt}
  end
end
return nil
