-- Puts the tasks of workers that have died back at the head of their queue, at no cost of a retry. The caller has seen
-- that their leases were not extended; should one have been since, its task is left alone. An active id without a
-- lease belongs to nobody.
--
-- KEYS[1] asynq:{q}:active
-- KEYS[2] asynq:{q}:lease
-- ARGV[3] how often a worker may die with a task
-- and for each task two more: its id, and the lease that was not extended
--
-- Returns {heads of the messages of those put back, id, message, attempt, id, …}: the tasks that have had their last
-- crash stay active for the caller to end.
local lost = {}
for i = 4, #ARGV, 2 do
  local lease = redis.call("ZSCORE", KEYS[2], ARGV[i])
  if lease and tonumber(lease) == tonumber(ARGV[i + 1]) then lost[#lost + 1] = ARGV[i] end
end
local active = redis.call("LRANGE", KEYS[1], -1000, -1)
if #active > 0 then
  local leases = redis.call("ZMSCORE", KEYS[2], unpack(active))
  for i, id in ipairs(active) do
    if not leases[i] then lost[#lost + 1] = id end
  end
end

local back, over = {}, {}
for _, id in ipairs(lost) do
  local key = asynq .. "t:" .. id
  local msg, attempt, waiters = unpack(redis.call("HMGET", key, "msg", "bb:attempt", "bb:waiters"))
  if redis.call("LREM", KEYS[1], 0, id) == 0 or not msg then
    redis.call("ZREM", KEYS[2], id) -- nobody runs it, or there is nothing to run
  elseif redis.call("HINCRBY", key, "bb:crashes", 1) >= tonumber(ARGV[3]) then
    redis.call("LPUSH", KEYS[1], id)
    redis.call("ZADD", KEYS[2], LEASE_END, id)
    redis.call("HSETNX", key, "bb:attempt", 0) -- a stock server counts none
    over[#over + 1], over[#over + 2], over[#over + 3] = id, msg, attempt or "0"
  else
    redis.call("ZREM", KEYS[2], id)
    redis.call("HSET", key, "state", "pending", "pending_since", pending_since())
    wake(redis.call("RPUSH", asynq .. "pending", id))
    changed(id, waiters)
    back[#back + 1] = head(msg)
  end
end
return {back, unpack(over)}
