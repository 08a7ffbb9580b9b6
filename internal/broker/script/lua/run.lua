-- Moves a task that waits for its time, or in a group, into the queue now.
--
-- KEYS[1] asynq:{q}:t:{id}
-- ARGV[3] id
--
-- Returns "ok"; else the state that does not allow it, "" for no task.
local key, id = KEYS[1], ARGV[3]
local state, waiters, kind, at = unpack(redis.call("HMGET", key, "state", "bb:waiters", "bb:parked", "bb:run_at"))
if state == "scheduled" and kind and not at then return "pending" end -- it waits for a worker, not for a time
if state ~= "scheduled" and state ~= "retry" and state ~= "aggregating" then return state or "" end
if not unlist(id, state) and state == "aggregating" then return state end
redis.call("ZREM", backbeat .. "due", id)
redis.call("HSET", key, "bb:run_at", NOW_MS)
push(id)
changed(id, waiters)
return "ok"
