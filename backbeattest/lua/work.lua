-- Tells what a deployment has to do now.
--
-- ARGV the names of its queues
--
-- Returns {the time in ms, when something is due next in ms or "" for never, what there is to do, …}. Each of the latter is
-- {kind, queue or "", how many, the ids of some of them, …}; work.go lists the kinds.
local TIME = redis.call("TIME")
local now = tonumber(TIME[1]) * 1000 + math.floor(tonumber(TIME[2]) / 1000)

local SOME = 20 -- ids of each
local PARKED = 250246627200 -- scores, in s, from which on tasks wait for a worker that knows their type

local function int(n) return string.format("%.0f", n) end

local work, soonest = {}, nil

local function add(kind, queue, count, ids)
  if count > 0 then work[#work + 1] = {kind, queue, int(count), unpack(ids or {})} end
end

-- addDue adds the members of a set whose scores, in units of so many ms, have been reached.
local function addDue(kind, queue, set, unit)
  local upTo = int(math.floor(now / unit))
  add(kind, queue, redis.call("ZCOUNT", set, "-inf", upTo), redis.call("ZRANGEBYSCORE", set, "-inf", upTo, "LIMIT", 0, SOME))
end

-- awaitNext notes when the next member of a set is due.
local function awaitNext(set, unit)
  local first = redis.call("ZRANGEBYSCORE", set, "(" .. int(math.floor(now / unit)), "(" .. int(PARKED * 1000 / unit), "WITHSCORES", "LIMIT", 0, 1)[2]
  if first then soonest = math.min(soonest or math.huge, tonumber(first) * unit) end
end

local function addParked(queue, own)
  for _, kind in ipairs(redis.call("SMEMBERS", own .. "parked")) do
    local set = own .. "parked:" .. kind
    add("parked", queue, redis.call("ZCARD", set), redis.call("ZRANGE", set, 0, SOME - 1))
  end
end

for _, queue in ipairs(ARGV) do
  local asynq, own = "asynq:{" .. queue .. "}:", "backbeat:{" .. queue .. "}:"
  local pending = redis.call("EXISTS", asynq .. "paused") == 1 and "paused" or "pending"
  add("running", queue, redis.call("LLEN", asynq .. "active"), redis.call("LRANGE", asynq .. "active", 0, -1))
  add(pending, queue, redis.call("LLEN", asynq .. "pending"), redis.call("LRANGE", asynq .. "pending", -SOME, -1))
  addParked(queue, own)
  for set, unit in pairs({[own .. "due"] = 1, [asynq .. "scheduled"] = 1000, [asynq .. "retry"] = 1000}) do
    addDue("due", queue, set, unit)
    awaitNext(set, unit)
  end
  addDue("expired", queue, own .. "expires", 1)
  addDue("over", queue, asynq .. "completed", 1000)
  for _, state in ipairs({"failed", "canceled", "expired"}) do addDue("over", queue, own .. state, 1) end
  add("callbacks", queue, redis.call("XLEN", own .. "outbox:callbacks"))
  add("ends", queue, redis.call("XLEN", own .. "outbox:history"))
end

local schedules = "backbeat:schedules:{beat}:"
addDue("schedule", "", schedules .. "due", 1)
awaitNext(schedules .. "due", 1)
add("ticks", "", redis.call("HLEN", schedules .. "outbox"))

return {int(now), soonest and int(soonest) or "", unpack(work)}
