-- Moves tasks whose time has come into the queue, to the millisecond. asynq's forwarder does so for those of stock
-- clients, to the second.
--
-- KEYS[1] backbeat:{q}:due
-- ARGV[3] how many at most
--
-- Returns when the next one is due, in ms; 0 if none waits; 1 if there are more that are due.
local ids = redis.call("ZRANGEBYSCORE", KEYS[1], "-inf", NOW_MS, "LIMIT", 0, ARGV[3])
for _, id in ipairs(ids) do
  redis.call("ZREM", KEYS[1], id)
  local state, waiters = unpack(redis.call("HMGET", asynq .. "t:" .. id, "state", "bb:waiters"))
  -- A stock server may have been first.
  if (state == "scheduled" or state == "retry") and unlist(id, state) then
    push(id)
    changed(id, waiters)
  end
end
if #ids == tonumber(ARGV[3]) then return 1 end
local first = redis.call("ZRANGE", KEYS[1], 0, 0, "WITHSCORES")
return first[2] and tonumber(first[2]) or 0
