-- Takes the oldest pending tasks of a queue for a worker: asynq's dequeue for many at once, which also counts the
-- attempts and never hands out a task that has expired or was canceled.
--
-- KEYS[1] asynq:{q}:pending
-- KEYS[2] asynq:{q}:paused
-- KEYS[3] asynq:{q}:active
-- KEYS[4] asynq:{q}:lease
-- ARGV[3] worker id
-- ARGV[4] how many tasks at most
-- ARGV[5] how many bytes of messages, after which no more are taken
-- ARGV[6] "1" if the worker has a task already that must run apart from its like
-- and types that the worker knows and that tasks wait for: those tasks come first
--
-- Returns {heads of the messages of those that it has ended as canceled, of those as expired, ids that it has dropped
-- because their keys hold no task, the newest error because of which a task stays or "", 1 if there may be more, 0 if not, and
-- -1 if the queue is paused, the types that tasks wait for a worker of, id, message, attempt, crashes, id, …}.
if redis.call("EXISTS", KEYS[2]) == 1 then return {{}, {}, {}, "", -1, {}} end

local APART = 2 -- so many crashes make a task suspect: it runs apart from others that are
local most, room, apart = tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6] == "1"
local active, leases, rotated = {}, {}, {}
local canceled, expired, broken = {}, {}, {}
local taken = {canceled, expired, broken, "", 0, {}}

-- accept takes a task, or ends it if it is not to run. It returns false for one that has to stay for now.
local function accept(id)
  local key = asynq .. "t:" .. id
  local f = redis.call("HMGET", key, "msg", "bb:attempt", "bb:expires_at", "bb:cancel", "bb:crashes", "bb:waiters")
  local msg, crashes = f[1], tonumber(f[5]) or 0
  if not msg then return true end
  if f[4] or (f[3] and tonumber(f[3]) <= now) then
    local retention, schedule, callback = unpack(redis.call("HMGET", key, "bb:retention", "bb:schedule", "bb:callback"))
    if f[4] then
      -- Its worker died before it could say so.
      forget(id)
      ended(id, "canceled", f[6], schedule, callback)
      archive(id, "canceled", tonumber(retention) or DEFAULT_RETENTION)
      canceled[#canceled + 1] = head(msg)
    else
      expire(id, retention, f[6], schedule, callback)
      expired[#expired + 1] = head(msg)
    end
    return true
  end
  if crashes >= APART and apart then return false end
  apart = apart or crashes >= APART
  local attempt = (tonumber(f[2]) or 0) + 1
  redis.call("HSET", key, "state", "active", "bb:attempt", attempt, "bb:started_at", NOW_MS, "bb:worker", ARGV[3])
  -- A first attempt has nothing to clear; asynq's pending_since means nothing while the task is not pending.
  if attempt > 1 or f[3] then
    redis.call("HDEL", key, "bb:expires_at", "bb:progress", "bb:run_at")
    redis.call("ZREM", backbeat .. "expires", id)
  end
  changed(id, f[6])
  room = room - #msg
  local n = #taken
  taken[n + 1], taken[n + 2], taken[n + 3], taken[n + 4] = id, msg, attempt, crashes
  n = #leases
  leases[n + 1], leases[n + 2] = LEASE_END, id
  active[#active + 1] = id
  return true
end

-- drop gives up a task whose key holds something else. It returns false for any other error of a task.
local function drop(id)
  if redis.call("TYPE", asynq .. "t:" .. id).ok == "hash" then return false end
  broken[#broken + 1] = id
  return true
end

local held -- a task that is in no list at the moment

-- takeParked takes tasks of a type that wait for a worker. Those that are not parked any more are passed over.
local function takeParked(kind)
  local set = backbeat .. "parked:" .. kind
  for _, id in ipairs(redis.call("ZRANGE", set, 0, most - #active - 1)) do
    if room <= 0 then return end
    redis.call("ZREM", set, id)
    local score = redis.call("ZSCORE", asynq .. "scheduled", id)
    if score and tonumber(score) > PARKED then
      held = id
      redis.call("ZREM", asynq .. "scheduled", id)
      local ok, answer = try(accept, id)
      if ok and answer then
        redis.call("HDEL", asynq .. "t:" .. id, "bb:parked")
      elseif ok or not drop(id) then
        -- It has to stay, and goes the way of others that have to.
        if not ok then taken[4] = answer end
        try(stamp, id)
        rotated[#rotated + 1] = id
      end
      held = nil
    end
  end
  emptied(kind)
end

local function takeAllParked()
  for i = 7, #ARGV do
    if #active >= most or room <= 0 then return end
    local ok, answer = try(takeParked, ARGV[i])
    if not ok then -- somebody has replaced the key
      taken[4] = answer
      redis.call("SREM", backbeat .. "parked", ARGV[i])
    end
  end
end

local ok, fault = pcall(takeAllParked)

-- Popping first is a write that Redis allows when its memory is full; the commands after it may then need more. Tasks must
-- go on in that state, for their ends free memory.
local left = ok and most - #active or 0
local ids = left > 0 and redis.call("RPOP", KEYS[1], left) or {}
local seen = 0 -- how many of the ids have been dealt with

local function takeAll()
  for i, id in ipairs(ids) do
    if room <= 0 then return end
    local ok, answer = try(accept, id)
    if not ok and not drop(id) then taken[4], answer = answer, false end
    if answer == false then rotated[#rotated + 1] = id end
    seen = i
  end
end

-- lease gives the tasks taken to the worker.
local function lease()
  if #active == 0 then return end
  redis.call("ZADD", KEYS[4], unpack(leases))
  redis.call("LPUSH", KEYS[3], unpack(active))
end

-- putBack returns ids to the head of the queue, in order: the newest goes first.
local function putBack(list, first)
  for i = #list, first, -1 do redis.call("RPUSH", KEYS[1], list[i]) end
end

if ok then ok, fault = pcall(takeAll) end
if ok then ok, fault = pcall(lease) end
putBack(ids, seen + 1)
if not ok then putBack(active, 1) end -- no id is lost
if held then redis.call("RPUSH", KEYS[1], held) end
for _, id in ipairs(rotated) do redis.call("LPUSH", KEYS[1], id) end
if not ok then error(fault, 0) end
-- What had to stay is no reason to ask again at once.
taken[5] = ((#ids == left or seen < #ids) and not (#active == 0 and #rotated > 0)) and 1 or 0
local types = redis.pcall("SMEMBERS", backbeat .. "parked")
if not types.err then taken[6] = types end
return taken
