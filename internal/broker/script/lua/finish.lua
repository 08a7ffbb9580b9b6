-- Ends attempts of one queue: everything that asynq's done, complete, retry, archive and requeue do, and the result,
-- the error kind and the times in the same step. So a result cannot arrive late, after the task is gone.
--
-- KEYS[1] asynq:{q}:active
-- KEYS[2] asynq:{q}:lease
-- ARGV for each attempt that succeeded and leaves nothing behind three: "", id, attempt;
-- for each other twelve:
--   1 id
--   2 attempt, which fences: an attempt that is not the newest changes nothing
--   3 outcome: succeeded | failed | canceled | retrying | pending (requeued) | unstarted (requeued, and the attempt does not count) |
--     parked (unstarted, to wait for a worker that knows its type)
--   4 message to store
--   5 result, "" for none
--   6 error kind, "" for none
--   7 error message; for parked the type
--   8 progress, "" for none
--   9 retention in ms; negative for a task of a stock client
--   10 in how many ms the next try comes, for retrying, and for unstarted if the task is put off, and for parked if it
--     cannot be; 0 = at once
--   11 expires_at in ms, for unstarted and parked; 0 = never
--   12 the lock of a stock client's Unique option, "" for none
--
-- Returns for each attempt what the task ended as; "" if the attempt was fenced off; "error:…" if the task's own keys are
-- damaged, which affects no other.
local processed, failed = 0, 0
local released, dropped = {}, {} -- ids and keys that go, all at once

-- requeue puts a task at the head of its queue, or puts it off, or parks it.
local function requeue(id, key, outcome, attempt, kind, delay_ms, expires_at)
  if outcome ~= "pending" then
    redis.call("HSET", key, "bb:attempt", attempt - 1)
    -- One that has begun before was in time.
    if attempt == "1" and expires_at ~= "0" then
      redis.call("HSET", key, "bb:expires_at", expires_at)
      redis.call("ZADD", backbeat .. "expires", expires_at, id)
    end
    if outcome == "parked" and park(id, kind) then return end
    if delay_ms ~= "0" then return delay(id, "scheduled", int(now + delay_ms)) end
  end
  stamp(id)
  admit({id}, true)
end

-- release takes a task from its worker, and returns what its hash says; nil if the attempt is fenced off.
local function release(id, attempt)
  local f = redis.call("HMGET", asynq .. "t:" .. id, "bb:attempt", "bb:cancel", "bb:waiters", "bb:schedule", "bb:callback")
  -- From the tail, where the oldest are.
  if f[1] ~= attempt or redis.call("LREM", KEYS[1], -1, id) == 0 then return nil end
  released[#released + 1] = id
  return f
end

-- unlock releases the lock of a stock client's Unique option, as a stock worker does when a task has succeeded.
-- One that is another client's, or no lock at all, stays.
local function unlock(id, lock)
  if lock ~= "" and redis.pcall("GET", lock) == id then redis.call("DEL", lock) end
end

-- done ends an attempt that succeeded and leaves nothing behind.
local function done(i)
  local id, attempt = ARGV[i + 1], ARGV[i + 2]
  local f = release(id, attempt)
  if not f then return "" end
  processed = processed + 1
  local outcome = "succeeded"
  if f[2] then
    outcome = "canceled"
    redis.call("SREM", backbeat .. "canceling", id)
  end
  ended(id, outcome, f[3], f[4], f[5])
  if f[3] then
    drop(id, outcome)
  else
    dropped[#dropped + 1] = asynq .. "t:" .. id
  end
  return outcome
end

local function finish(i)
  local id, attempt, outcome, msg = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  local key = asynq .. "t:" .. id
  local f = release(id, attempt)
  if not f then return "" end
  if f[2] then
    outcome = "canceled" -- as the one who canceled it was answered, however the attempt ended
    redis.call("SREM", backbeat .. "canceling", id)
  end
  if outcome == "pending" or outcome == "unstarted" or outcome == "parked" then
    requeue(id, key, outcome, attempt, ARGV[i + 6], ARGV[i + 9], ARGV[i + 10])
    changed(id, f[3])
    return "pending"
  end

  processed = processed + 1
  local retention = tonumber(ARGV[i + 8])
  local fields = {}
  -- Canceled while it was requeued, it keeps the message that it has.
  if msg ~= "" then fields = {"msg", msg} end
  if ARGV[i + 5] ~= "" then table.insert(fields, "bb:error_kind"); table.insert(fields, ARGV[i + 5]) end
  if ARGV[i + 7] ~= "" then table.insert(fields, "bb:progress"); table.insert(fields, ARGV[i + 7]) end
  if outcome == "failed" or outcome == "retrying" then failed = failed + 1 end
  if outcome == "retrying" then
    redis.call("HSET", key, unpack(fields))
    delay(id, "retry", int(now + ARGV[i + 9]))
    changed(id, f[3])
    return outcome
  end
  if outcome == "succeeded" then
    unlock(id, ARGV[i + 11])
    if ARGV[i + 4] ~= "" then table.insert(fields, "result"); table.insert(fields, ARGV[i + 4]) end
  end
  ended(id, outcome, f[3], f[4], f[5], fields)
  if outcome == "succeeded" and retention <= 0 then
    drop(id, outcome, fields)
  elseif outcome == "succeeded" then
    redis.call("ZADD", asynq .. "completed", int(math.ceil((now + retention) / 1000)), id)
    redis.call("HSET", key, "state", "completed", "bb:finished_at", NOW_MS, unpack(fields))
  else
    archive(id, outcome, retention, fields)
  end
  return outcome
end

-- damaged deals with a task whose end raised an error of its own keys. One whose hash is no hash any more goes from the
-- list of what runs; any other goes back there, and is recovered like the task of a dead worker. When that list is none,
-- it is not this task that is damaged, and the script fails: nothing has been ended, and all is written again.
local function damaged(id)
  redis.call("LLEN", KEYS[1])
  if redis.call("TYPE", asynq .. "t:" .. id).ok ~= "hash" then
    redis.call("LREM", KEYS[1], -1, id)
    released[#released + 1] = id
  elseif released[#released] == id then
    released[#released] = nil
    redis.call("LPUSH", KEYS[1], id)
  end
end

local outcomes = {}
local i = 3
while i <= #ARGV do
  local simple = ARGV[i] == ""
  local ok, answer = try(simple and done or finish, i)
  if not ok then damaged(simple and ARGV[i + 1] or ARGV[i]) end
  outcomes[#outcomes + 1] = ok and answer or ("error:" .. answer)
  i = i + (simple and 3 or 12)
end
if #released > 0 then redis.call("ZREM", KEYS[2], unpack(released)) end
if #dropped > 0 then redis.call("DEL", unpack(dropped)) end
count("processed", processed)
count("failed", failed)
return outcomes
