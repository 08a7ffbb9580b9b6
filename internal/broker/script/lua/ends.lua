-- Drops the ends of tasks that the beat has noted, and returns the next.
--
-- KEYS[1] backbeat:{q}:term
-- KEYS[2] backbeat:{q}:ends
-- ARGV[3] term of the leader
-- ARGV[4] how many to drop
-- ARGV[5] how many to return at most
--
-- Returns the ends, or false if another leads by now.
if tonumber(redis.call("GET", KEYS[1]) or 0) > tonumber(ARGV[3]) then return false end
if ARGV[4] ~= "0" then redis.call("LTRIM", KEYS[2], ARGV[4], -1) end
return redis.call("LRANGE", KEYS[2], 0, ARGV[5] - 1)
