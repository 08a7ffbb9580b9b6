-- Stores documents. They are dropped again if no worker says that it runs them.
--
-- ARGV[3] hash, document, hash, …
for i = 3, #ARGV, 2 do
  redis.call("HSET", DOCS, ARGV[i], ARGV[i + 1])
  redis.call("ZADD", SEEN, int(now), ARGV[i])
end
return 1
