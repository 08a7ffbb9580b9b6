-- Marks a task as watched, so that its end is announced, or all that becomes of it.
--
-- KEYS[1] asynq:{q}:t:{id}
-- ARGV[3] "1" for the end, "2" for everything, which includes the end
--
-- Returns asynq's state of the task, or "" if there is no task. One that is over already announces nothing any more.
local state, waiters = unpack(redis.call("HMGET", KEYS[1], "state", "bb:waiters"))
if not state or redis.call("HEXISTS", KEYS[1], "msg") == 0 then return "" end
if waiters ~= FOLLOWED then redis.call("HSET", KEYS[1], "bb:waiters", ARGV[3]) end
return state
