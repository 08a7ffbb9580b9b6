-- Drops the oldest ends of tasks of schedules, which the beat has noted, and returns the next.
--
-- KEYS[1] backbeat:{q}:term
-- KEYS[2] backbeat:{q}:outbox:history
-- ARGV[3] term of the leader
-- ARGV[4] how many to drop
-- ARGV[5] how many to return at most
--
-- Returns the entries as XRANGE does, or false if another leads by now.
if tonumber(redis.call("GET", KEYS[1]) or 0) > tonumber(ARGV[3]) then return false end
if ARGV[4] ~= "0" then
  for _, entry in ipairs(redis.call("XRANGE", KEYS[2], "-", "+", "COUNT", ARGV[4])) do redis.call("XDEL", KEYS[2], entry[1]) end
end
return redis.call("XRANGE", KEYS[2], "-", "+", "COUNT", ARGV[5])
