-- Ends reservations.
--
-- KEYS backbeat:{q}:reserved:ID for each id
-- ARGV[3] token, without which nothing happens
--
-- Returns nothing.
for _, key in ipairs(KEYS) do
  if redis.call("GET", key) == ARGV[3] then redis.call("DEL", key) end
end
