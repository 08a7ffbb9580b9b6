-- Moves a task that waits for its time into the queue now.
--
-- KEYS[1] asynq:{q}:t:{id}
-- ARGV[4] id
-- ARGV[5] the current time in ns
--
-- Returns "ok"; else the state that does not allow it, "" for no task.
local key, id = KEYS[1], ARGV[4]
local state = redis.call("HGET", key, "state")
if state ~= "scheduled" and state ~= "retry" then return state or "" end
unlist(id, state)
redis.call("HSET", key, "state", "pending", "pending_since", ARGV[5], "bb:run_at", ARGV[3])
redis.call("LPUSH", asynq .. "pending", id)
return "ok"
