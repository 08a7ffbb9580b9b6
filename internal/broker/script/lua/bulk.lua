-- Does to many tasks of a queue what another script does to one. The body of that script stands below as a function, so
-- that there is one way to cancel, retry and delete a task.
--
-- KEYS[1] asynq:{q}:pending
-- ARGV[3] the state, in asynq's words, that a task must have; "" for any that allows it
-- ARGV[4] for archived: canceled or expired, if it must have ended so; "" if it must have failed
-- ARGV[5] how many tasks of the list the pending ones were chosen from, one after the other
-- ARGV[6] how many arguments a task has
-- and for each task what that script takes, from ARGV[3], its id, on
--
-- Returns for each task what that script answers; "changed" if it is in another state; "error" if Redis refused it.
local size = tonumber(ARGV[6])
local unlisted, unlistOne = {}, unlist

-- unlist knows what unlistPending has done.
local function unlist(id, state)
  return unlisted[id] or unlistOne(id, state)
end

-- ACT

-- stands says whether a task is in the state that it must have, and returns its state in asynq's words.
local function stands(id)
  local state, outcome = unpack(redis.call("HMGET", asynq .. "t:" .. id, "state", "bb:outcome"))
  if outcome ~= "canceled" and outcome ~= "expired" then outcome = "" end
  local ok = ARGV[3] == "" or state == ARGV[3] and (state ~= "archived" or outcome == ARGV[4])
  return ok, state
end

-- unlistPending takes tasks, in the order of the list, off it in one go. One by one, each would be looked for from an end
-- of what may be a long list. They stand close together, for that is how they were chosen. What has moved since is left
-- to unlistOne.
local function unlistPending(ids)
  local first
  for i = 1, math.min(3, #ids) do
    first = first or redis.call("LPOS", KEYS[1], ids[i])
  end
  if not first then return end
  local places = {}
  for i, id in ipairs(redis.call("LRANGE", KEYS[1], first, first + tonumber(ARGV[5]) - 1)) do
    places[id] = first + i - 1
  end
  local found = 0
  for _, id in ipairs(ids) do
    if places[id] then
      redis.call("LSET", KEYS[1], places[id], "") -- no task has this for its id
      unlisted[id], places[id] = true, nil
      found = found + 1
    end
  end
  if found > 0 then redis.call("LREM", KEYS[1], found, "") end
end

-- actOn acts on a task. A key of a wrong type spoils its own task, not those that came with it; and that stays in its queue.
local function actOn(id, argv)
  local ok, answer = try(act, {asynq .. "t:" .. id}, argv)
  if ok then return answer end
  if unlisted[id] and redis.call("HGET", asynq .. "t:" .. id, "state") == "pending" then
    redis.call("RPUSH", KEYS[1], id)
  end
  return "error"
end

local answers, chosen, pending = {}, {}, {}
for i = 7, #ARGV, size do
  local id = ARGV[i]
  local ok, state = stands(id)
  chosen[#chosen + 1] = ok
  if ok and state == "pending" then pending[#pending + 1] = id end
end
unlistPending(pending)
for n, ok in ipairs(chosen) do
  local i = 7 + (n - 1) * size
  answers[n] = ok and actOn(ARGV[i], {ARGV[1], ARGV[2], unpack(ARGV, i, i + size - 1)}) or "changed"
end
return answers
