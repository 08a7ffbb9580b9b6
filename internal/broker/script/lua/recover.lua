-- Puts the tasks of workers that have died back at the head of their queue, at no cost of a retry. The caller has seen
-- that their leases were not extended; should one have been since, its task is left alone. An active id without a
-- lease belongs to nobody.
--
-- KEYS[1] asynq:{q}:active
-- KEYS[2] asynq:{q}:lease
-- ARGV[3] how often a worker may die with a task
-- ARGV[4] how far the active list has been looked through, from its tail, for ids without a lease; 0 at first
-- and for each task two more: its id, and the lease that was not extended
--
-- Returns {the new ARGV[4], 0 at the end of the list; heads of the messages of those put back; {id, error, …} of those that
-- could not be; id, message, attempt, id, …}: the tasks that have had their last crash stay active for the caller to end.
local PART = 1000
local lost, broken, back, over = {}, {}, {}, {}

-- lose notes a task, once if the list has it twice.
local function lose(id)
  if not lost[id] then lost[id], lost[#lost + 1] = true, id end
end

-- takeLost takes ids off the active list whose leases were not extended. Their places are anywhere.
local function takeLost()
  local wanted, left = {}, 0
  for i = 5, #ARGV, 2 do
    local lease = redis.call("ZSCORE", KEYS[2], ARGV[i])
    if lease and tonumber(lease) == tonumber(ARGV[i + 1]) then
      wanted[ARGV[i]], left = true, left + 1
    end
  end
  local function pick(ids)
    local picked = {}
    for i, id in ipairs(ids) do picked[i] = wanted[id] end
    return picked
  end
  local place = 0
  while left > 0 and place do
    local taken
    taken, place = takeFrom(KEYS[1], place, PART, left, pick)
    for _, id in ipairs(taken) do
      lose(id)
      if wanted[id] then wanted[id], left = nil, left - 1 end
    end
  end
  for id in pairs(wanted) do redis.call("ZREM", KEYS[2], id) end -- nobody runs it
end

-- takeOrphans takes ids off a part of the active list that have no lease. It returns the place where to go on.
local function takeOrphans(place)
  if redis.call("LLEN", KEYS[1]) <= redis.call("ZCARD", KEYS[2]) then return 0 end
  local taken, rest = takeFrom(KEYS[1], place, PART, PART, function(ids)
    local leases = redis.call("ZMSCORE", KEYS[2], unpack(ids))
    for i, lease in ipairs(leases) do leases[i] = not lease end
    return leases
  end)
  for _, id in ipairs(taken) do lose(id) end
  return rest or 0
end

-- restore puts a task back that is in no list.
local function restore(id)
  local key = asynq .. "t:" .. id
  local msg, attempt, waiters, crashes = unpack(redis.call("HMGET", key, "msg", "bb:attempt", "bb:waiters", "bb:crashes"))
  redis.call("ZREM", KEYS[2], id)
  if not msg then return end -- there is nothing to run
  crashes = (tonumber(crashes) or 0) + 1
  redis.call("HSET", key, "bb:crashes", crashes)
  if crashes >= tonumber(ARGV[3]) then
    redis.call("LPUSH", KEYS[1], id)
    redis.call("ZADD", KEYS[2], LEASE_END, id)
    redis.call("HSETNX", key, "bb:attempt", 0) -- a stock server counts none
    over[#over + 1], over[#over + 2], over[#over + 3] = id, msg, attempt or "0"
    return
  end
  stamp(id)
  admit({id}, true)
  changed(id, waiters)
  back[#back + 1] = head(msg)
end

takeLost()
local place = takeOrphans(tonumber(ARGV[4]))
for _, id in ipairs(lost) do
  local ok, answer = try(restore, id)
  if not ok then
    broken[#broken + 1], broken[#broken + 2] = id, answer
    if redis.call("TYPE", asynq .. "t:" .. id).ok == "hash" then
      redis.call("LPUSH", KEYS[1], id) -- for another time, when its lease has ended
      redis.call("ZADD", KEYS[2], LEASE_END, id)
    else
      redis.call("ZREM", KEYS[2], id)
    end
  end
end
return {place, back, broken, unpack(over)}
