-- Puts tasks of ticks into their queue, each once: what a leader of the beat has enqueued before is known by its id until
-- it is struck off the leader's list, however short a time the task itself was kept.
--
-- KEYS[1] backbeat:{q}:term
-- KEYS[2] backbeat:{q}:ticks
-- KEYS[3] asynq:{q}:pending
-- ARGV[4] term of the leader
-- ARGV[5] the current time in ns, for asynq's pending_since
-- and for each task four more: id, schedule, message, the states that its callback is for ("" for none)
--
-- Returns 1, or 0 if another leads by now and nothing was done.
local newest = tonumber(redis.call("GET", KEYS[1]) or 0)
if newest > tonumber(ARGV[4]) then return 0 end
if newest < tonumber(ARGV[4]) then redis.call("SET", KEYS[1], ARGV[4]) end -- a queue that was not known before
local ids = {}
for i = 6, #ARGV, 4 do ids[#ids + 1] = ARGV[i] end
local known = redis.call("SMISMEMBER", KEYS[2], unpack(ids))
local new, keys = {}, {} -- places of the new ones, and their keys
for n, id in ipairs(ids) do
  if known[n] == 0 then
    new[#new + 1], keys[#keys + 1] = n, asynq .. "t:" .. id
  end
end
if #new == 0 then return 1 end

-- A task that somebody else made under the id of a tick stands in its place. Nobody does: one question for all will do.
local some = redis.call("EXISTS", unpack(keys)) > 0
local ready, told = {}, {}
for i, n in ipairs(new) do
  told[i] = ids[n]
  if not some or redis.call("EXISTS", keys[i]) == 0 then
    local at = 2 + 4 * n
    redis.call("HSET", keys[i], "msg", ARGV[at + 2], "state", "pending", "pending_since", ARGV[5], "bb:schedule", ARGV[at + 1])
    if ARGV[at + 3] ~= "" then redis.call("HSET", keys[i], "bb:callback", ARGV[at + 3]) end
    ready[#ready + 1] = ids[n]
  end
end
redis.call("SADD", KEYS[2], unpack(told))
if #ready > 0 then wake(redis.call("LPUSH", KEYS[3], unpack(ready)), #ready) end
return 1
