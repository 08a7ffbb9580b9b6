-- Gives the lease to a candidate, renews it, or refuses it and records the candidate as a standby. See doc.go for the cases.
--
-- KEYS[1] backbeat:schedules:{beat}:leader
-- KEYS[2] backbeat:schedules:{beat}:term
-- KEYS[3] backbeat:schedules:{beat}:beats
-- ARGV[1] the candidate's id
-- ARGV[2] its record as a standby, JSON
-- ARGV[3] how long the lease is to last, ms
-- ARGV[4] the term that it leads, 0 for a standby
-- ARGV[5] the highest term that it has seen
--
-- Returns {1, its term, 0} if the candidate leads, else {0, the newest term, ms until the lease ends}.
local id, record, ttl, held, seen = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])

-- int writes a number without an exponent, in which Lua would write milliseconds.
local function int(n) return string.format("%.0f", n) end

local time = redis.call("TIME")
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local newest = tonumber(redis.call("GET", KEYS[2]) or 0)
local leader = redis.call("GET", KEYS[1])
leader = leader and cjson.decode(leader)
local vacant = leader and leader.id == ""
local own = leader and leader.id == id

local function lead(term)
  local holder = cjson.decode(record)
  holder.term, holder.since = term, now
  redis.call("SET", KEYS[1], cjson.encode(holder), "PX", ttl)
  redis.call("SET", KEYS[2], int(term))
  redis.call("ZREM", KEYS[3], record)
  return {1, term, 0}
end

local function stand_by()
  redis.call("ZREMRANGEBYSCORE", KEYS[3], "-inf", int(now))
  redis.call("ZADD", KEYS[3], int(now + tonumber(ttl)), record)
  -- Never sooner than before: another standby may have a longer lease.
  if redis.call("PTTL", KEYS[3]) < tonumber(ttl) then redis.call("PEXPIRE", KEYS[3], ttl) end
  return {0, newest, math.max(redis.call("PTTL", KEYS[1]), 0)}
end

if own and (leader.term == held or leader.term > seen) then
  redis.call("PEXPIRE", KEYS[1], ttl)
  redis.call("ZREM", KEYS[3], record)
  return {1, leader.term, 0}
end
if held > 0 then
  if (not leader or vacant) and held >= newest then return lead(held) end
  return stand_by()
end
if leader and not own and not vacant then return stand_by() end
if newest < seen then -- Redis has lost its data
  redis.call("SET", KEYS[2], int(seen))
  newest = seen
  if not leader then redis.call("SET", KEYS[1], '{"id":""}', "PX", ttl) end
  return stand_by()
end
if vacant then return stand_by() end
return lead(newest + 1)
