-- Counts the batches in the outbox that have ticks of a deleted schedule: the leader is about to enqueue them. If there is
-- no leader, it drops those ticks and begins a new term, so that a leader that was only stopped cannot enqueue them when it
-- wakes up.
--
-- KEYS[1] outbox
-- KEYS[2] leader
-- KEYS[3] term
-- ARGV[1] the schedule
-- and then the ids of batches that it was in when it was deleted: it has come into no other since
--
-- Returns {number of batches that wait for the leader, the new term or 0}.
local batches = {}
for i = 2, #ARGV do
  if redis.call("HEXISTS", KEYS[1], ARGV[i]) == 1 then batches[#batches + 1] = ARGV[i] end
end
if #batches == 0 then return {0, 0} end
if redis.call("EXISTS", KEYS[2]) == 1 then return {#batches, 0} end

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

for _, batch in ipairs(batches) do
  local rows = others(redis.call("HGET", KEYS[1], batch))
  if rows ~= "" then
    redis.call("HSET", KEYS[1], batch, rows)
  else
    redis.call("HDEL", KEYS[1], batch)
  end
end
return {0, redis.call("INCR", KEYS[3])}
