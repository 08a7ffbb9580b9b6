-- Cancels a task: at once if it does not run, else by a flag that its worker obeys and that outlives the worker.
--
-- KEYS[1] asynq:{q}:t:{id}
-- ARGV[3] id
-- ARGV[4] retention in ms; negative for a task of a stock client
--
-- Returns "ok"; "requested" if the task runs; "already" if it is canceled; else the state that does not allow it, ""
-- for no task.
local key, id = KEYS[1], ARGV[3]
local state, waiters, schedule, callback, kind =
  unpack(redis.call("HMGET", key, "state", "bb:waiters", "bb:schedule", "bb:callback", "bb:parked"))
if state == "active" then
  redis.call("HSET", key, "bb:cancel", NOW_MS, "bb:retention", ARGV[4])
  redis.call("SADD", backbeat .. "canceling", id)
  changed(id, waiters)
  return "requested"
end
if state == "archived" and redis.call("HGET", key, "bb:outcome") == "canceled" then
  return "already"
end
if state ~= "pending" and state ~= "scheduled" and state ~= "retry" and state ~= "aggregating" then
  return state or ""
end
if not unlist(id, state) and state == "aggregating" then return state end
forget(id)
unpark(id, kind)
ended(id, "canceled", waiters, schedule, callback)
archive(id, "canceled", tonumber(ARGV[4]))
return "ok"
