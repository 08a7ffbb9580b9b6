-- prelude.lua is what the scripts of this package share; see package luascript. They have the same KEYS:
--
--   1 backbeat:{types}:docs     HASH hash of a document -> the document of a type, JSON
--   2 backbeat:{types}:sets     HASH hash of a set -> the hashes of its documents, with spaces between them
--   3 backbeat:{types}:runs     HASH worker -> hash of the set that it runs
--   4 backbeat:{types}:workers  ZSET worker -> when it was last seen, ms
--   5 backbeat:{types}:seen     ZSET hash of a document -> when a worker that ran it was last seen, ms, once no worker does
--   6 backbeat:{types}:version  STRING changes whenever anything changes except the times of live workers
--
-- ARGV[1] is how long a type stays known after its last worker, in ms; ARGV[2] how long a worker counts as live after it was
-- last seen, in ms.
local DOCS, SETS, RUNS, WORKERS, SEEN, VERSION = unpack(KEYS)
local TIME = redis.call("TIME")
local now = tonumber(TIME[1]) * 1000 + math.floor(tonumber(TIME[2]) / 1000)
local TTL, LIVE = tonumber(ARGV[1]), tonumber(ARGV[2])
local MOST = 100 -- bounds how many workers or documents one call removes

local function int(n) return string.format("%.0f", n) end

-- change changes the version. The first begins with the time, so that it is new even after Redis has lost its data.
local function change()
  if redis.call("EXISTS", VERSION) == 0 then
    redis.call("SET", VERSION, TIME[1] .. string.format("%06d", tonumber(TIME[2])))
  else
    redis.call("INCR", VERSION)
  end
end

local function documentsOf(set)
  local list = {}
  for hash in string.gmatch(redis.call("HGET", SETS, set) or "", "%S+") do list[#list + 1] = hash end
  return list
end

-- running returns the sets that workers run: set -> {count, when the last was seen}.
local function running()
  local sets = {}
  local runs = redis.call("HGETALL", RUNS)
  for i = 1, #runs, 2 do
    local seen = tonumber(redis.call("ZSCORE", WORKERS, runs[i]) or 0)
    local set = sets[runs[i + 1]] or {0, 0}
    sets[runs[i + 1]] = {set[1] + 1, math.max(set[2], seen)}
  end
  return sets
end

-- remove removes workers: {worker, when it was last seen, worker, …}. Their documents stay known for the TTL.
local function remove(list)
  local touched = {}
  for i = 1, #list, 2 do
    local set = redis.call("HGET", RUNS, list[i])
    redis.call("HDEL", RUNS, list[i])
    redis.call("ZREM", WORKERS, list[i])
    if set then touched[set] = math.max(touched[set] or 0, tonumber(list[i + 1])) end
  end
  local needed = running()
  for set, seen in pairs(touched) do
    for _, hash in ipairs(documentsOf(set)) do
      local before = tonumber(redis.call("ZSCORE", SEEN, hash) or 0)
      redis.call("ZADD", SEEN, int(math.max(before, seen)), hash)
    end
    if not needed[set] then redis.call("HDEL", SETS, set) end
  end
end

-- removeDead removes workers that send no heartbeats any more.
local function removeDead()
  local dead = redis.call("ZRANGEBYSCORE", WORKERS, "-inf", int(now - LIVE), "WITHSCORES", "LIMIT", 0, MOST)
  if #dead == 0 then return end
  change() -- first: a Redis without memory refuses it, before anything has changed
  remove(dead)
end

-- removeOld drops documents that no worker has run for long enough.
local function removeOld()
  local old = redis.call("ZRANGEBYSCORE", SEEN, "-inf", int(now - TTL), "LIMIT", 0, MOST)
  if #old == 0 then return end
  local needed = {}
  for set in pairs(running()) do
    for _, hash in ipairs(documentsOf(set)) do needed[hash] = true end
  end
  change()
  for _, hash in ipairs(old) do
    redis.call("ZREM", SEEN, hash)
    if not needed[hash] then redis.call("HDEL", DOCS, hash) end
  end
end
