-- Reads who leads and who stands by.
--
-- KEYS[1] backbeat:schedules:{beat}:leader
-- KEYS[2] backbeat:schedules:{beat}:beats
--
-- Returns the record of the leader, "" if there is none, and then the records of the standbys, as JSON.
local time = redis.call("TIME")
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local records = redis.call("ZRANGEBYSCORE", KEYS[2], string.format("(%.0f", now), "+inf")
table.insert(records, 1, redis.call("GET", KEYS[1]) or "")
return records
