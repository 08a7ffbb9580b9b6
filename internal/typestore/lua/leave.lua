-- Takes a worker off that stops.
--
-- ARGV[3] worker
if redis.call("HEXISTS", RUNS, ARGV[3]) == 1 then
  change()
  remove({ARGV[3], now})
end
return 1
