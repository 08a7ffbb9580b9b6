-- Marks a task as waited for, so that its end is announced.
--
-- KEYS[1] asynq:{q}:t:{id}
--
-- Returns asynq's state of the task, or "" if there is no task. One that is over already announces nothing any more.
local state = redis.call("HGET", KEYS[1], "state")
if not state or redis.call("HEXISTS", KEYS[1], "msg") == 0 then return "" end
redis.call("HSET", KEYS[1], "bb:waiters", 1)
return state
