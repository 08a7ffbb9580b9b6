-- Puts the tasks that make callbacks into the queue in place of the promises of them, and returns further promises. One
-- worker at a time does so, which spares the others the reading; were it two, each promise would become one task all the
-- same.
--
-- KEYS[1] backbeat:{q}:promises
-- KEYS[2] backbeat:{q}:promises:worker
-- KEYS[3] asynq:{q}:pending
-- ARGV[3] worker
-- ARGV[4] for how many ms it is the worker's turn, unless it comes back for more
-- ARGV[5] how many promises to return at most
-- and for each task three more: promise, id, message; "" for id and message drops the promise
--
-- Returns the promises as XRANGE does; none if it is another worker's turn.

-- To the head of the queue, where the oldest is to stand: they end what was begun.
for i = #ARGV - 2, 6, -3 do
  local entry, id, msg = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  if redis.call("XDEL", KEYS[1], entry) == 1 and id ~= "" then
    redis.call("HSET", asynq .. "t:" .. id, "msg", msg, "state", "pending", "pending_since", pending_since())
    wake(redis.call("RPUSH", KEYS[3], id))
  end
end

local worker = redis.call("GET", KEYS[2])
if worker and worker ~= ARGV[3] then return {} end
local entries = redis.call("XRANGE", KEYS[1], "-", "+", "COUNT", ARGV[5])
if #entries > 0 then
  redis.call("SET", KEYS[2], ARGV[3], "PX", ARGV[4])
elseif worker then
  redis.call("DEL", KEYS[2])
end
return entries
