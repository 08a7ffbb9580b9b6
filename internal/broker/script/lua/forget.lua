-- Forgets which batches were enqueued and not acknowledged, if no later leader of the beat uses the queue.
--
-- KEYS[1] backbeat:{q}:term
-- KEYS[2] backbeat:{q}:ticks
-- ARGV[3] term of the leader
--
-- Returns 1, or 0 if another leads by now and nothing was done.
if tonumber(redis.call("GET", KEYS[1]) or 0) > tonumber(ARGV[3]) then return 0 end
redis.call("DEL", KEYS[2])
return 1
