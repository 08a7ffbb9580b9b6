-- Ends the tasks of a queue that were not started in time, and drops those whose retention is over.
--
-- KEYS[1] backbeat:{q}:expires
-- KEYS[2] asynq:{q}:pending
-- KEYS[3] asynq:{q}:completed
-- ARGV[3] how many of each at most
-- ARGV[4] how far the pending list has been looked through, from its tail, for what has expired; 0 at first
--
-- Returns {in how many ms the next one is due: 0 if more are due, -1 if there is none, the new ARGV[4], heads of the messages
-- of those that have expired, id, error, …: what could not be dealt with}.
local most, place = tonumber(ARGV[3]), tonumber(ARGV[4])
local expired, broken, pending = {}, {}, {}

-- FEW tasks are looked for in the pending list one by one; more in parts of so many ids.
local FEW, PART = 4, 1000

-- finish ends a task.
local function finish(id)
  local retention, waiters, schedule, callback, msg =
    unpack(redis.call("HMGET", asynq .. "t:" .. id, "bb:retention", "bb:waiters", "bb:schedule", "bb:callback", "msg"))
  expire(id, retention, waiters, schedule, callback)
  expired[#expired + 1] = head(msg)
end

-- finishPending ends a task that has been taken off the pending list, to which it returns if that cannot be done.
local function finishPending(id)
  local ok, answer = try(finish, id)
  if ok then return end
  if redis.call("TYPE", asynq .. "t:" .. id).ok == "hash" then redis.call("RPUSH", KEYS[2], id) end
  error(answer, 0)
end

local function look(id)
  local state, kind = unpack(redis.call("HMGET", asynq .. "t:" .. id, "state", "bb:parked"))
  if state == "pending" then
    pending[#pending + 1] = id
  elseif state == "scheduled" and redis.call("ZSCORE", asynq .. "scheduled", id) then
    unpark(id, kind)
    finish(id)
    unlist(id, state)
  else
    redis.call("ZREM", KEYS[1], id)
  end
end

-- endOne is for a task that is, or was, in the pending list.
local function endOne(id)
  if unlist(id, "pending") then return finishPending(id) end
  redis.call("ZREM", KEYS[1], id) -- should it come back to the list, fetch.lua ends it
end

-- areDue tells of ids whether they have expired.
local function areDue(ids)
  local scores = redis.call("ZMSCORE", KEYS[1], unpack(ids))
  for i, score in ipairs(scores) do scores[i] = score and tonumber(score) <= now end
  return scores
end

local function endPending()
  if #pending <= FEW then
    place = 0
    for _, id in ipairs(pending) do guarded(broken, KEYS[1], 1, endOne, id) end
    return
  end
  local taken, rest = takeFrom(KEYS[2], place, PART, most, areDue)
  for _, id in ipairs(taken) do guarded(broken, KEYS[1], 1, finishPending, id) end
  if not rest then
    -- Those that are in no list must not be looked for again and again. If there was more than this part, they may have moved.
    for i = 1, place == 0 and #pending or 1 do
      if redis.call("ZSCORE", KEYS[1], pending[i]) then guarded(broken, KEYS[1], 1, endOne, pending[i]) end
    end
  end
  place = rest or 0
end

-- dropArchived drops a task whose retention is over. asynqmon may have deleted it or put it back into the queue since.
local function dropArchived(id, set)
  local key = asynq .. "t:" .. id
  local ok, state = try(redis.call, "HGET", key, "state")
  if not ok or state == "archived" then redis.call("ZREM", asynq .. "archived", id) end
  if not ok then error(state, 0) end
  if state == "archived" then redis.call("DEL", key) end
  redis.call("ZREM", set, id)
end

-- dropCompleted does what asynq's janitor does.
local function dropCompleted(id, set)
  redis.call("DEL", asynq .. "t:" .. id)
  redis.call("ZREM", set, id)
end

local wait = -1
local function soonest(ms)
  if ms >= 0 and (wait < 0 or ms < wait) then wait = ms end
end

if drain(broken, KEYS[1], 1, most, look) >= 0 then
  local ok, answer = try(endPending)
  if not ok then broken[#broken + 1], broken[#broken + 2] = KEYS[2], answer end
  soonest(ok and untilFirst(KEYS[1], 1) or LATER)
end
for _, outcome in ipairs({"failed", "canceled", "expired"}) do
  soonest(drain(broken, backbeat .. outcome, 1, most, dropArchived))
end
soonest(drain(broken, KEYS[3], 1000, most, dropCompleted))
return {wait, place, expired, unpack(broken)}
