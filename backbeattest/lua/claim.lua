-- Claims a database for a test, if it is empty but for what a test that was killed has left.
--
-- KEYS[1] who has claimed it, with a TTL
-- KEYS[2] is there if a test has used it since it was empty
-- ARGV[1] who claims it
-- ARGV[2] for how long, in ms
--
-- Returns 1 if it is claimed.
if redis.call("EXISTS", KEYS[1]) == 1 then return 0 end
if redis.call("EXISTS", KEYS[2]) == 1 then clear() end
if redis.call("DBSIZE") > 0 then return 0 end
redis.call("SET", KEYS[1], ARGV[1], "PX", ARGV[2])
redis.call("SET", KEYS[2], ARGV[1])
return 1
