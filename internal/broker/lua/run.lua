-- Moves a task that waits for its time into the queue now.
--
-- KEYS[1] asynq:{q}:t:{id}
-- ARGV[3] id
--
-- Returns "ok"; else the state that does not allow it, "" for no task.
local key, id = KEYS[1], ARGV[3]
local state, waiters = unpack(redis.call("HMGET", key, "state", "bb:waiters"))
if state ~= "scheduled" and state ~= "retry" then return state or "" end
unlist(id, state)
redis.call("ZREM", backbeat .. "due", id)
redis.call("HSET", key, "bb:run_at", NOW_MS)
push(id)
changed(id, waiters)
return "ok"
