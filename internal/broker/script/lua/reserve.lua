-- Reserves ids, and prolongs the reservations of the same token.
--
-- KEYS backbeat:{q}:reserved:ID for each id
-- ARGV[3] token
-- ARGV[4] how long the reservations hold, in ms
--
-- Returns for each 1, or 0 if it is reserved under another token.
local held = {}
for i, key in ipairs(KEYS) do
  local holder = redis.call("GET", key)
  held[i] = (not holder or holder == ARGV[3]) and 1 or 0
  if held[i] == 1 then redis.call("SET", key, ARGV[3], "PX", ARGV[4]) end
end
return held
