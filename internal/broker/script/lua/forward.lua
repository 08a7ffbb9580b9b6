-- Moves tasks whose time has come into the queue: those with an entry in due to the millisecond, and those of stock
-- clients, which have none, to the second, as asynq's own forwarder does.
--
-- KEYS[1] backbeat:{q}:due
-- KEYS[2] asynq:{q}:scheduled
-- KEYS[3] asynq:{q}:retry
-- ARGV[3] how many of each at most
--
-- Returns {in how many ms the next one is due: 0 if more are due, -1 if none waits; id, error, …: what could not be moved}.
local broken = {}

local function moveDue(id)
  local state, waiters = unpack(redis.call("HMGET", asynq .. "t:" .. id, "state", "bb:waiters"))
  -- A stock server may have been first.
  if (state == "scheduled" or state == "retry") and unlist(id, state) then
    push(id)
    changed(id, waiters)
  end
  redis.call("ZREM", KEYS[1], id)
end

local function moveStock(id, set)
  local key = asynq .. "t:" .. id
  local group, waiters, msg = unpack(redis.call("HMGET", key, "group", "bb:waiters", "msg"))
  if msg and group and group ~= "" then
    redis.call("ZADD", asynq .. "g:" .. group, TIME[1], id)
    redis.call("HSET", key, "state", "aggregating")
  elseif msg then
    push(id)
    changed(id, waiters)
  end
  redis.call("ZREM", set, id)
  redis.call("ZREM", KEYS[1], id)
end

local wait = -1
for i, set in ipairs(KEYS) do
  local unit = i == 1 and 1 or 1000
  local next_due = drain(broken, set, unit, ARGV[3], i == 1 and moveDue or moveStock)
  if next_due >= 0 and (wait < 0 or next_due < wait) then wait = next_due end
end
return {wait, unpack(broken)}
