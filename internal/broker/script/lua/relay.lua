-- Puts the tasks that make callbacks into the queue in place of their entries in the outbox, and returns further entries. One
-- worker at a time does so, which spares the others the reading; if two do, each entry becomes one task all the same.
--
-- KEYS[1] backbeat:{q}:outbox:callbacks
-- KEYS[2] backbeat:{q}:outbox:callbacks:worker
-- KEYS[3] asynq:{q}:pending
-- ARGV[3] worker
-- ARGV[4] for how many ms it is the worker's turn, unless it comes back for more
-- ARGV[5] how many entries to return at most
-- and for each task three more: entry, id, message; "" for id and message drops the entry
--
-- Returns {the entries as XRANGE does, none if it is another worker's turn; id, error, …: tasks that could not be made}.
local broken = {}
redis.call("LLEN", KEYS[3]) -- which raises an error, before anything is changed, if it is no list

local function enqueue(id, msg)
  stamp(id, "msg", msg)
  admit({id}, true)
end

-- To the head of the queue, where the oldest is to stand: they end what was begun.
for i = #ARGV - 2, 6, -3 do
  local entry, id, msg = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  if redis.call("XDEL", KEYS[1], entry) == 1 and id ~= "" then
    local ok, answer = try(enqueue, id, msg)
    if not ok then broken[#broken + 1], broken[#broken + 2] = id, answer end
  end
end

local worker = redis.call("GET", KEYS[2])
if worker and worker ~= ARGV[3] then return {{}, unpack(broken)} end
local entries = redis.call("XRANGE", KEYS[1], "-", "+", "COUNT", ARGV[5])
if #entries > 0 then
  redis.call("SET", KEYS[2], ARGV[3], "PX", ARGV[4])
elseif worker then
  redis.call("DEL", KEYS[2])
end
return {entries, unpack(broken)}
