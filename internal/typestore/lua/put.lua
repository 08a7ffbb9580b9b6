-- Stores documents. They are dropped again if no worker runs them.
--
-- KEYS and ARGV[1] to ARGV[2]: see prelude.lua
-- ARGV[3] hash, document, hash, …
--
-- Returns 1.
for i = 3, #ARGV, 2 do
  redis.call("HSET", DOCS, ARGV[i], ARGV[i + 1])
  redis.call("ZADD", SEEN, int(now), ARGV[i])
end
return 1
