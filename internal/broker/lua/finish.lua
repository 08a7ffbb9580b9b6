-- Ends an attempt: everything that asynq's done, complete, retry, archive and requeue do, and the result, the
-- error kind and the times in the same step. So a result cannot arrive late, after the task is gone.
--
-- KEYS[1] asynq:{q}:t:{id}
-- KEYS[2] asynq:{q}:active
-- KEYS[3] asynq:{q}:lease
-- ARGV[4] id
-- ARGV[5] attempt, which fences: an attempt that is not the newest changes nothing
-- ARGV[6] outcome: succeeded | failed | canceled | retrying | pending (handed back)
-- ARGV[7] message to store
-- ARGV[8] result, "" for none
-- ARGV[9] error kind, "" for none
-- ARGV[10] error message
-- ARGV[11] progress, "" for none
-- ARGV[12] retention in ms
-- ARGV[13] time of the next try in ms, for retrying
-- ARGV[14] today, as 2026-11-21
--
-- Returns what the task ended as, or nil if the attempt was fenced off.
local key, id, outcome = KEYS[1], ARGV[4], ARGV[6]
local attempt, canceled, waiters = unpack(redis.call("HMGET", key, "bb:attempt", "bb:cancel", "bb:waiters"))
if attempt ~= ARGV[5] or redis.call("LREM", KEYS[2], 1, id) == 0 then
  return nil
end
redis.call("ZREM", KEYS[3], id)
if canceled then
  outcome = "canceled" -- whoever asked for it was promised this, however the attempt ended
  redis.call("SREM", backbeat .. "canceling", id)
end

if outcome == "pending" then
  redis.call("RPUSH", asynq .. "pending", id)
  redis.call("HSET", key, "state", "pending", "pending_since", int(now * 1e6))
  return outcome
end

count("processed", ARGV[14])
if outcome == "failed" or outcome == "retrying" then count("failed", ARGV[14]) end

local fields = {"msg", ARGV[7]}
if ARGV[9] ~= "" then table.insert(fields, "bb:error_kind"); table.insert(fields, ARGV[9]) end
if ARGV[11] ~= "" then table.insert(fields, "bb:progress"); table.insert(fields, ARGV[11]) end

if outcome == "retrying" then
  redis.call("ZADD", asynq .. "retry", int(math.ceil(tonumber(ARGV[13]) / 1000)), id)
  redis.call("HSET", key, "state", "retry", "bb:run_at", ARGV[13], unpack(fields))
  return outcome
end

local retention = tonumber(ARGV[12])
if outcome ~= "succeeded" then
  archive(id, outcome, retention, fields)
elseif retention <= 0 then
  redis.call("DEL", key)
else
  redis.call("ZADD", asynq .. "completed", int(math.ceil((now + retention) / 1000)), id)
  redis.call("HSET", key, "state", "completed", "bb:finished_at", ARGV[3], unpack(fields))
  if ARGV[8] ~= "" then redis.call("HSET", key, "result", ARGV[8]) end
end
notify(id, waiters, outcome, outcome == "succeeded" and ARGV[8], ARGV[9], ARGV[10])
return outcome
