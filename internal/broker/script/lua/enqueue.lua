-- Puts tasks into their queue, each unless its id or its unique lock is taken.
--
-- KEYS[1] asynq:{q}:pending
-- ARGV    from 3 on: for each task that may start now, as it is, three: "-", id, message;
-- for each other "+" and nine:
--   1 id
--   2 message
--   3 run_at in ms; 0 = now
--   4 expires_at in ms; 0 = never
--   5 retention in ms
--   6 unique lock key, "" for none
--   7 how long the lock holds, in ms
--   8 the schedule that made it, "" for none
--   9 the states that its callback is for, with commas between them, "" for none
-- for each that is to be put in once, however often it is sent: "once", for how long that is to be known, in ms, and the
-- same nine;
-- in front of one whose id is reserved, two: "=", the token of the reservation, which ends here;
-- and behind one whose end somebody waits for already, two: "!", id.
--
-- Returns for each task "" when it is in; "before" when it was to be put in once, and has been; "id" when the id is
-- taken; "unreserved" when the reservation has ended and the task is not in; "unique:ID" when task ID holds the lock; "error:…" when Redis refused it.
local ready = {} -- ids that go to the queue, all at once
local token -- of the reservation of the task at hand, nil if it needs none

-- isTaken says whether the id is not to be had, and why. A task that has it and the same message is our own, sent twice
-- because the first answer got lost on the way.
local function isTaken(id, key, msg)
  if redis.call("EXISTS", key) == 1 then
    local present = redis.call("HGET", key, "msg")
    if present then return true, present == msg and "" or "id" end
    -- A hash without a message is what a late writer left behind; nobody can run it.
    redis.call("DEL", key)
  end
  if token and redis.call("GET", backbeat .. "reserved:" .. id) ~= token then return true, "unreserved" end
  return false
end

local function ripe(id, key, msg)
  stamp(id, "msg", msg)
  ready[#ready + 1] = id
  return ""
end

local function simple(i)
  local id, msg = ARGV[i + 1], ARGV[i + 2]
  local key = asynq .. "t:" .. id
  local taken, answer = isTaken(id, key, msg)
  if taken then return answer end
  return ripe(id, key, msg)
end

local function full(i)
  local id, msg, run_at, expires_at = ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4]
  local lock = ARGV[i + 6]
  local key = asynq .. "t:" .. id
  local taken, answer = isTaken(id, key, msg)
  if taken then return answer end
  if lock ~= "" then
    if not redis.call("SET", lock, id, "NX", "PX", ARGV[i + 7]) then
      return "unique:" .. (redis.call("GET", lock) or "")
    end
    redis.call("HSET", key, "unique_key", lock)
  end
  if expires_at ~= "0" then
    redis.call("HSET", key, "bb:expires_at", expires_at, "bb:retention", ARGV[i + 5])
    redis.call("ZADD", backbeat .. "expires", expires_at, id)
  end
  if ARGV[i + 8] ~= "" then redis.call("HSET", key, "bb:schedule", ARGV[i + 8]) end
  if ARGV[i + 9] ~= "" then redis.call("HSET", key, "bb:callback", ARGV[i + 9]) end
  if run_at == "0" then return ripe(id, key, msg) end
  redis.call("HSET", key, "msg", msg)
  delay(id, "scheduled", run_at)
  return ""
end

-- A task that is refused may come again: only one that is in counts.
local function once(i)
  local mark = backbeat .. "once:" .. ARGV[i + 2]
  if redis.call("EXISTS", mark) == 1 then return "before" end
  local answer = full(i + 1)
  if answer == "" then redis.call("SET", mark, "", "PX", ARGV[i + 1]) end
  return answer
end

-- unreserve ends the reservation of an id, of which the answer is known.
local function unreserve(id)
  local key = backbeat .. "reserved:" .. id
  if redis.call("GET", key) == token then redis.call("DEL", key) end
  token = nil
end

local answers = {}
local i = 3
while i <= #ARGV do
  if ARGV[i] == "=" then
    token = ARGV[i + 1]
    i = i + 2
  elseif ARGV[i] == "!" then
    if answers[#answers] == "" then redis.call("HSET", asynq .. "t:" .. ARGV[i + 1], "bb:waiters", 1) end
    i = i + 2
  else
    local add, size = full, 10
    if ARGV[i] == "-" then
      add, size = simple, 3
    elseif ARGV[i] == "once" then
      add, size = once, 11
    end
    -- A key of a wrong type spoils its own task, not those that came with it.
    local ok, answer = try(add, i)
    answers[#answers + 1] = ok and answer or ("error:" .. answer)
    if token then unreserve(ARGV[add == once and i + 2 or i + 1]) end
    i = i + size
  end
end
if #ready > 0 then admit(ready) end
return answers
