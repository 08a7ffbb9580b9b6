-- Makes a term of the beat the newest of a queue: leaders of earlier terms can no longer put ticks into it.
--
-- KEYS[1] backbeat:{q}:term
-- ARGV[3] term
--
-- Returns 1, or 0 if a later term is known already.
if tonumber(redis.call("GET", KEYS[1]) or 0) > tonumber(ARGV[3]) then return 0 end
redis.call("SET", KEYS[1], ARGV[3])
return 1
