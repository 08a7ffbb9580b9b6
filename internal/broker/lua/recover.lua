-- Puts the tasks of workers that have died back at the head of their queue, at no cost of a retry. A live worker
-- extends its leases every 5 s to 30 s from then; one whose lease has less than 18 s left has been silent for 12.
-- An active id without a lease belongs to nobody.
--
-- KEYS[1] asynq:{q}:active
-- KEYS[2] asynq:{q}:lease
-- ARGV[4] leases that end before this have been given up, unix seconds
-- ARGV[5] a new lease for those that go no further, unix seconds
-- ARGV[6] how often a worker may die with a task
--
-- Returns {put back, id, message, attempt, id, …}: the tasks that have had their last crash stay active for the
-- caller to end.
local lost = redis.call("ZRANGEBYSCORE", KEYS[2], "-inf", "(" .. ARGV[4], "LIMIT", 0, 1000)
local active = redis.call("LRANGE", KEYS[1], -1000, -1)
if #active > 0 then
  local leases = redis.call("ZMSCORE", KEYS[2], unpack(active))
  for i, id in ipairs(active) do
    if not leases[i] then table.insert(lost, id) end
  end
end
local back, over = 0, {}
for _, id in ipairs(lost) do
  local key = asynq .. "t:" .. id
  local msg, attempt = unpack(redis.call("HMGET", key, "msg", "bb:attempt"))
  if not msg then
    redis.call("LREM", KEYS[1], 0, id)
    redis.call("ZREM", KEYS[2], id)
  elseif redis.call("HINCRBY", key, "bb:crashes", 1) >= tonumber(ARGV[6]) then
    redis.call("ZADD", KEYS[2], ARGV[5], id)
    redis.call("HSETNX", key, "bb:attempt", 0) -- a stock server counts none
    table.insert(over, id)
    table.insert(over, msg)
    table.insert(over, attempt or "0")
  elseif redis.call("LREM", KEYS[1], 0, id) > 0 then
    redis.call("ZREM", KEYS[2], id)
    redis.call("HSET", key, "state", "pending", "pending_since", int(now * 1e6))
    wake(redis.call("RPUSH", asynq .. "pending", id))
    back = back + 1
  else
    redis.call("ZREM", KEYS[2], id) -- a lease of nothing
    redis.call("HINCRBY", key, "bb:crashes", -1)
  end
end
return {back, unpack(over)}
