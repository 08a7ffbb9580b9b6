-- Moves the time of a deployment, which has the database for itself.
--
-- KEYS[1] by how many ms that time is ahead
-- ARGV[1] by how many ms to move it
--
-- Returns the new value of KEYS[1].
local by, TIME = tonumber(ARGV[1]), redis.call("TIME")
local before = tonumber(redis.call("GET", KEYS[1]) or "0")
local now = tonumber(TIME[1]) * 1000 + math.floor(tonumber(TIME[2]) / 1000) + before
local seconds = math.floor((now + by) / 1000) - math.floor(now / 1000)

-- These tell that a process lives, or have a TTL for the sake of a process that waits: the time of processes is not moved. Those of
-- the test itself are no part of the deployment.
local PROCESSES = {
  "^backbeattest:", "^asynq:servers", "^asynq:workers", "^asynq:schedulers", "^asynq:{.*}:maintainer:",
  "^backbeat:schedules:{beat}:leader$", "^backbeat:schedules:{beat}:beats$", "^backbeat:{types}:",
  "^backbeat:{.*}:outbox:callbacks:worker$", "^backbeat:{.*}:reserved:", "^backbeat:{.*}:ended:",
}

local function ofProcesses(key)
  for _, pattern in ipairs(PROCESSES) do
    if string.find(key, pattern) then return true end
  end
  return false
end

local function shortenTTL(key)
  local ttl = redis.call("PTTL", key)
  if ttl < 0 or ofProcesses(key) then return end
  if ttl > by then redis.call("PEXPIRE", key, string.format("%.0f", ttl - by)) else redis.call("DEL", key) end
end

-- shift moves scores, in units of which so many have passed.
local function shift(key, units)
  local members = redis.call("ZRANGE", key, 0, -1, "WITHSCORES")
  for i = 1, #members, 2 do
    redis.call("ZADD", key, string.format("%.0f", tonumber(members[i + 1]) + units), members[i])
  end
end

for _, key in ipairs(redis.call("KEYS", "*")) do
  shortenTTL(key)
  if string.find(key, "^asynq:{.*}:lease$") then shift(key, seconds) end
end
for _, key in ipairs({"asynq:servers", "asynq:workers", "asynq:schedulers"}) do shift(key, seconds) end
for _, key in ipairs({"backbeat:{types}:workers", "backbeat:schedules:{beat}:beats"}) do shift(key, by) end

redis.call("SET", KEYS[1], string.format("%.0f", before + by))
return before + by
