-- Deletes a task that does not run, with its unique lock.
--
-- KEYS[1] asynq:{q}:t:{id}
-- ARGV[3] id
--
-- Returns "ok"; else the state that does not allow it, "" for no task.
local key, id = KEYS[1], ARGV[3]
local state, lock, waiters, schedule, kind =
  unpack(redis.call("HMGET", key, "state", "unique_key", "bb:waiters", "bb:schedule", "bb:parked"))
if not state or state == "active" then return state or "" end
if not unlist(id, state) and state == "aggregating" then return state end
forget(id)
unpark(id, kind)
if lock and lock ~= "" and redis.call("GET", lock) == id then
  redis.call("DEL", lock)
end
redis.call("DEL", key)
if state == "completed" or state == "archived" then schedule = false end -- its end is in the outbox already
ended(id, "deleted", waiters, schedule)
return "ok"
