-- Records that a worker is live and what it runs.
--
-- KEYS and ARGV[1] to ARGV[2]: see prelude.lua
-- ARGV[3] worker
-- ARGV[4] hash of the set that it runs
-- and, where the set may be unknown, the hashes of its documents
--
-- Returns 1, or 0 if nothing was done: the set is unknown, and its documents are not given or not all of them are stored.
removeDead()
removeOld()
local worker, set = ARGV[3], ARGV[4]
if redis.call("HGET", RUNS, worker) ~= set or redis.call("HEXISTS", SETS, set) == 0 then
  if #ARGV == 4 then return 0 end
  for i = 5, #ARGV do
    if redis.call("HEXISTS", DOCS, ARGV[i]) == 0 then return 0 end
  end
  change()
  redis.call("HSET", SETS, set, table.concat(ARGV, " ", 5))
  redis.call("HSET", RUNS, worker, set)
end
redis.call("ZADD", WORKERS, int(now), worker)
return 1
