-- Counts the ticks that a deleted schedule still owes: their leader is about to make tasks of them. Where none leads, it
-- drops them, and begins a new term so that a leader that was merely stopped can do nothing about them when it wakes up.
--
-- KEYS[1] owed
-- KEYS[2] leader
-- KEYS[3] term
-- ARGV[1] what the ids of the tasks begin with
--
-- Returns {how many a leader still owes, the new term or 0}.
local ids = {}
for _, id in ipairs(redis.call("HKEYS", KEYS[1])) do
  if string.sub(id, 1, #ARGV[1]) == ARGV[1] then ids[#ids + 1] = id end
end
if #ids == 0 then return {0, 0} end
if redis.call("EXISTS", KEYS[2]) == 1 then return {#ids, 0} end
for _, id in ipairs(ids) do redis.call("HDEL", KEYS[1], id) end
return {0, redis.call("INCR", KEYS[3])}
