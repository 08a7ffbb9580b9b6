-- Claims an idempotency key.
--
-- KEYS[1] backbeat:idempotency:{hash}
-- ARGV[1] the claim, JSON
-- ARGV[2] how long it holds, in ms
--
-- Returns the claim that is there: this one, or one that was there before.
if redis.call("SET", KEYS[1], ARGV[1], "NX", "PX", ARGV[2]) then return ARGV[1] end
return redis.call("GET", KEYS[1])
