-- Puts the tasks of a batch of ticks into their queue, once: what a leader of the beat has enqueued is known by the batch
-- until the leader acknowledges it, however short a time the tasks themselves were kept.
--
-- KEYS[1] backbeat:{q}:term
-- KEYS[2] backbeat:{q}:ticks
-- KEYS[3] asynq:{q}:pending
-- ARGV[3] term of the leader
-- ARGV[4] id of the batch
-- ARGV[5] how many arguments a task has: 4 if one of them has a callback, else 3
-- and for each task: id, schedule, message, and if there are four the states that its callback is for, "" for none
--
-- Returns 1, or 0 if another leads by now and nothing was done.
local newest = tonumber(redis.call("GET", KEYS[1]) or 0)
if newest > tonumber(ARGV[3]) then return 0 end
if newest < tonumber(ARGV[3]) then redis.call("SET", KEYS[1], ARGV[3]) end -- a queue that was not known before
if redis.call("SISMEMBER", KEYS[2], ARGV[4]) == 1 then return 1 end

local ids, keys = {}, {}
local size = tonumber(ARGV[5])
for at = 6, #ARGV, size do
  ids[#ids + 1], keys[#keys + 1] = ARGV[at], asynq .. "t:" .. ARGV[at]
end
-- A task that somebody else made under the id of a tick stands in its place. Nobody does: one question for all will do.
local some = redis.call("EXISTS", unpack(keys)) > 0
local ready, places = {}, {}
for n, key in ipairs(keys) do
  if not some or redis.call("EXISTS", key) == 0 then
    ready[#ready + 1], places[#places + 1] = ids[n], n
  end
end
-- The list first: should it be of a wrong type, nothing has been done.
if #ready > 0 then admit(ready) end
for _, n in ipairs(places) do
  local at = 6 + (n - 1) * size
  stamp(ids[n], "msg", ARGV[at + 2], "bb:schedule", ARGV[at + 1])
  if size == 4 and ARGV[at + 3] ~= "" then redis.call("HSET", keys[n], "bb:callback", ARGV[at + 3]) end
end
redis.call("SADD", KEYS[2], ARGV[4])
return 1
