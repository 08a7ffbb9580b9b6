-- Puts a failed, canceled or expired task back into its queue.
--
-- KEYS[1] asynq:{q}:t:{id}
-- ARGV[3] id
-- ARGV[4] the message that the caller saw
-- ARGV[5] the message to store: no retries spent, no error
-- ARGV[6] how many attempts there have been, which a stock server does not note
--
-- Returns "ok"; "changed" if the message is another by now; else the state that does not allow it, "" for
-- no task.
local key, id = KEYS[1], ARGV[3]
local state, msg, waiters = unpack(redis.call("HMGET", key, "state", "msg", "bb:waiters"))
if state ~= "archived" then return state or "" end
if msg ~= ARGV[4] then return "changed" end
unlist(id, state)
forget(id)
redis.call("HDEL", key, "result", "bb:outcome", "bb:error_kind", "bb:finished_at", "bb:cancel", "bb:progress",
  "bb:run_at", "bb:expires_at", "bb:crashes")
redis.call("HSET", key, "msg", ARGV[5], "bb:attempt", ARGV[6])
push(id)
changed(id, waiters)
return "ok"
