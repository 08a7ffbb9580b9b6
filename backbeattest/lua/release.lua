-- Gives a database back.
--
-- KEYS[1] who has claimed it
-- KEYS[2] is there if a test has used it since it was empty
-- ARGV[1] who claimed it
--
-- Returns 0, and does nothing, if the claim has ended.
if redis.call("GET", KEYS[1]) ~= ARGV[1] then return 0 end
clear()
return 1
