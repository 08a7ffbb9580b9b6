-- Tells what can be seen of tasks without reading much: how large they are, and small messages whole. It stops when it has
-- gone through enough bytes, so that Redis is not held up.
--
-- KEYS[1] asynq:{q}:pending
-- ARGV[3] and on: ids
--
-- Returns for each of the first ids, one at least, what it says of the task: the size of the message; the size of the result;
-- the message, or the beginning of one that is large; then the values of state, bb:outcome, bb:finished_at, bb:attempt,
-- bb:cancel, bb:parked and bb:run_at, as text, "" for none. A task that is gone or whose key is of a wrong type has the size -1.
local WHOLE = 4096
local ENOUGH = 2 * 1024 * 1024
local GONE = {-1, 0, "", "", "", "", "", "", "", ""}

local function glance(id)
  local key = asynq .. "t:" .. id
  local f = redis.call("HMGET", key, "msg", "state", "bb:outcome", "bb:finished_at", "bb:attempt", "bb:cancel", "bb:parked", "bb:run_at")
  if not f[1] then return GONE end
  local size = #f[1]
  local result = f[2] == "completed" and redis.call("HSTRLEN", key, "result") or 0
  local msg = size <= WHOLE and f[1] or head(f[1])
  return {size, result, msg, f[2] or "", f[3] or "", f[4] or "", f[5] or "", f[6] or "", f[7] or "", f[8] or ""}
end

local seen, answers = 0, {}
for i = 3, #ARGV do
  local ok, answer = try(glance, ARGV[i])
  answers[#answers + 1] = ok and answer or GONE
  seen = seen + math.max(0, answers[#answers][1])
  if seen > ENOUGH then break end
end
return answers
