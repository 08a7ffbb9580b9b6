-- Says who leads and who stands by.
--
-- KEYS[1] backbeat:schedules:{beat}:leader
-- KEYS[2] backbeat:schedules:{beat}:beats
--
-- Output: {the leader's record or "", {the records of the standbys}}, JSON
local time = redis.call("TIME")
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
return {
  redis.call("GET", KEYS[1]) or "",
  redis.call("ZRANGEBYSCORE", KEYS[2], string.format("(%.0f", now), "+inf"),
}
