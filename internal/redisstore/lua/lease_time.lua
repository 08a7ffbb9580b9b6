-- Reads the time of the server that keeps the schedules, which in a cluster is only one of several.
--
-- KEYS[1] backbeat:schedules:{beat}:leader, which selects that server
--
-- Returns {seconds, microseconds} since the Unix epoch, as strings.
return redis.call("TIME")
