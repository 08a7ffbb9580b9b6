-- Marks a task as waited for, so that its end is announced.
--
-- KEYS[1] asynq:{q}:t:{id}
--
-- Returns 1, or 0 if there is no task.
if redis.call("HEXISTS", KEYS[1], "msg") == 0 then return 0 end
redis.call("HSET", KEYS[1], "bb:waiters", 1)
return 1
