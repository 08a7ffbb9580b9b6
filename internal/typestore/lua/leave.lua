-- Removes a worker that stops.
--
-- KEYS and ARGV[1] to ARGV[2]: see prelude.lua
-- ARGV[3] worker
--
-- Returns 1.
if redis.call("HEXISTS", RUNS, ARGV[3]) == 1 then
  change()
  remove({ARGV[3], now})
end
return 1
