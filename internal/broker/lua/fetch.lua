-- Takes the oldest pending tasks of a queue for a worker: asynq's dequeue for many at once, which also counts the
-- attempts and never hands out a task that has expired or was canceled.
--
-- KEYS[1] asynq:{q}:pending
-- KEYS[2] asynq:{q}:paused
-- KEYS[3] asynq:{q}:active
-- KEYS[4] asynq:{q}:lease
-- ARGV[4] when the leases end, unix seconds
-- ARGV[5] worker id
-- ARGV[6] how many tasks at most
-- ARGV[7] how many bytes of messages, after which no more are taken
-- ARGV[8] "1" if the worker has a task already that must run apart from its like
--
-- Returns {id, message, attempt, crashes, id, …}, and as the last element 1 if there may be more, 0 if not.
if redis.call("EXISTS", KEYS[2]) == 1 then return {0} end

local APART = 2 -- so many crashes make a task suspect: it runs apart from others that are
local most, room, apart = tonumber(ARGV[6]), tonumber(ARGV[7]), ARGV[8] == "1"
local taken, leases, rotated, more = {}, {}, {}, 1

-- Bounded, so that a queue full of expired tasks does not hold up Redis.
for _ = 1, most + 100 do
  if #leases >= 2 * most or room <= 0 then break end
  local id = redis.call("RPOPLPUSH", KEYS[1], KEYS[3])
  if not id then more = 0 break end
  local key = asynq .. "t:" .. id
  local f = redis.call("HMGET", key, "msg", "bb:attempt", "bb:expires_at", "bb:cancel", "bb:crashes")
  local msg, crashes = f[1], tonumber(f[5]) or 0
  if not msg then
    redis.call("LREM", KEYS[3], 1, id)
  elseif f[4] or (f[3] and tonumber(f[3]) <= now) then
    redis.call("LREM", KEYS[3], 1, id)
    local retention, waiters = unpack(redis.call("HMGET", key, "bb:retention", "bb:waiters"))
    if f[4] then
      -- Its worker died before it could say so.
      forget(id)
      archive(id, "canceled", tonumber(retention) or DEFAULT_RETENTION)
      notify(id, waiters, "canceled")
    else
      expire(id, retention, waiters)
    end
  elseif crashes >= APART and apart then
    redis.call("LREM", KEYS[3], 1, id)
    table.insert(rotated, id)
  else
    apart = apart or crashes >= APART
    local attempt = (tonumber(f[2]) or 0) + 1
    redis.call("HSET", key, "state", "active", "bb:attempt", attempt, "bb:started_at", ARGV[3], "bb:worker", ARGV[5])
    redis.call("HDEL", key, "pending_since", "bb:expires_at", "bb:progress", "bb:run_at")
    if f[3] then redis.call("ZREM", backbeat .. "expires", id) end
    room = room - #msg
    table.insert(leases, ARGV[4])
    table.insert(leases, id)
    table.insert(taken, id)
    table.insert(taken, msg)
    table.insert(taken, attempt)
    table.insert(taken, crashes)
  end
end
if #leases > 0 then redis.call("ZADD", KEYS[4], unpack(leases)) end
for _, id in ipairs(rotated) do redis.call("LPUSH", KEYS[1], id) end
-- What had to be left for later is no reason to ask again at once.
if #leases == 0 and #rotated > 0 then more = 0 end
table.insert(taken, more)
return taken
