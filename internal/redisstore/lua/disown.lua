-- Counts the batches in which a deleted schedule still owes ticks: their leader is about to make tasks of them. Where none
-- leads, it takes those ticks out, and begins a new term so that a leader that was merely stopped can do nothing about
-- them when it wakes up.
--
-- KEYS[1] owed
-- KEYS[2] leader
-- KEYS[3] term
-- ARGV[1] the schedule
-- and then the ids of batches that it was in when it was deleted: it has come into no other since
--
-- Returns {in how many a leader still owes them, the new term or 0}.
local owing = {}
for i = 2, #ARGV do
  if redis.call("HEXISTS", KEYS[1], ARGV[i]) == 1 then owing[#owing + 1] = ARGV[i] end
end
if #owing == 0 then return {0, 0} end
if redis.call("EXISTS", KEYS[2]) == 1 then return {#owing, 0} end

-- others returns the rows of other schedules. See encodeRows.
local function others(rows)
  local kept, at = {}, 1
  while at <= #rows do
    local _, head, schedule, size = string.find(rows, "^([^\n]*)\n[^\n]*\n%-?%d+ %-?%d+ %-?%d+ (%d+)\n", at)
    local last = head + tonumber(size)
    if schedule ~= ARGV[1] then kept[#kept + 1] = string.sub(rows, at, last) end
    at = last + 1
  end
  return table.concat(kept)
end

for _, batch in ipairs(owing) do
  local rows = others(redis.call("HGET", KEYS[1], batch))
  if rows ~= "" then
    redis.call("HSET", KEYS[1], batch, rows)
  else
    redis.call("HDEL", KEYS[1], batch)
  end
end
return {0, redis.call("INCR", KEYS[3])}
