-- Removes an enqueued batch from the outbox, adds its ticks to the history, and updates the due times of their schedules
-- in the index from their states.
--
-- KEYS[1] term
-- KEYS[2] outbox
-- KEYS[3] states
-- KEYS[4] due
-- ARGV[1] the leader's term
-- ARGV[2] prefix of the keys of runs
-- ARGV[3] how many runs to keep
-- ARGV[4] how long to keep them, in s
-- ARGV[5] id of the batch
-- and for each tick two more: the schedule, the run
--
-- Returns 1, or false if another leads by now.
if redis.call("GET", KEYS[1]) ~= ARGV[1] then return false end
if redis.call("HDEL", KEYS[2], ARGV[5]) == 0 then return 1 end -- it was acknowledged before
local ids = {}
for i = 6, #ARGV, 2 do ids[#ids + 1] = ARGV[i] end
local states = redis.call("HMGET", KEYS[3], unpack(ids))
local kept, due = tonumber(ARGV[3]), {}
for n, id in ipairs(ids) do
  if states[n] then -- a schedule that was deleted meanwhile leaves no history
    local key, run = ARGV[2] .. id, ARGV[5 + 2 * n]
    local length = redis.pcall("LPUSH", key, run)
    if type(length) == "table" then
      -- A key of another type is begun anew: it must not keep the other schedules from being told.
      if string.find(length.err, "WRONGTYPE", 1, true) then redis.call("DEL", key) end
      length = redis.call("LPUSH", key, run)
    end
    if length > kept then redis.call("LTRIM", key, 0, kept - 1) end
    redis.call("EXPIRE", key, ARGV[4])
    -- A write of a state without a due time has removed it from the index.
    local when = string.match(states[n], '"due":(%d+)')
    if when then due[#due + 1], due[#due + 2] = when, id end
  end
end
if #due > 0 then redis.call("ZADD", KEYS[4], unpack(due)) end
return 1
