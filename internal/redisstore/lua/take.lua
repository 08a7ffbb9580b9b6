-- Takes tokens out of a bucket that fills at a steady rate. A bucket that is not there is full.
--
-- KEYS[1] backbeat:ratelimit:{hash}
-- ARGV[1] how many tokens the bucket holds at most
-- ARGV[2] how many it gains in a second
-- ARGV[3] how many to take
-- ARGV[4] how many it must hold for that
--
-- Returns {1 if they were taken else 0, the tokens that the bucket holds now}. The tokens are a string, since they are a
-- fraction. They may be below 0.
local burst, rate, cost, need = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])

local time = redis.call("TIME")
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local held, at = unpack(redis.call("HMGET", KEYS[1], "tokens", "at"))
held, at = tonumber(held), tonumber(at)
local tokens = burst
if held and at then
  -- A clock that was set back gains nothing, and costs nothing either: time counts from here on.
  tokens = math.min(burst, held + math.max(0, now - at) * rate / 1000000)
end

local taken = tokens >= need
if taken then tokens = tokens - cost end
local text = string.format("%.17g", tokens)
redis.call("HSET", KEYS[1], "tokens", text, "at", string.format("%.0f", now))
redis.call("PEXPIRE", KEYS[1], string.format("%.0f", math.ceil((burst - tokens) / rate * 1000)))
return {taken and 1 or 0, text}
