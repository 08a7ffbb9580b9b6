-- Looks at tasks of asynq's archive, from the oldest on, each once. A task that a stock server or asynqmon has put there has
-- no end of its retention, at which sweep.lua drops it. The caller reads the retention of such a task in its message, and
-- passes it in the next call. Tasks of stock clients beyond asynq's cap are dropped.
--
-- KEYS[1] asynq:{q}:archived
-- KEYS[2] backbeat:{q}:adopted
-- ARGV[3] how many s ago a task must have been archived: entries of the archive come out of order where clocks differ
-- ARGV[4] how many tasks to look at, at most
-- ARGV[5] the place up to which all is done: score and id of an entry; "" for the place of the last time
-- and for each task to adopt three more: id, score, retention in ms, negative for a task of a stock client
--
-- Returns {the new place, "" at the end; id, score, message, …}. Few messages come at once if they are large.
local ENOUGH = 2 * 1024 * 1024
local newest = math.floor(now / 1000) - ARGV[3]

local function adopt(id, score, retention)
  if redis.call("ZSCORE", KEYS[1], id) ~= score then return end
  local key = asynq .. "t:" .. id
  if redis.call("HGET", key, "state") ~= "archived" then return end
  local at = int(score * 1000)
  forget(id)
  retain(id, "failed", at, tonumber(retention))
  redis.call("HSET", key, "bb:outcome", "failed", "bb:finished_at", at)
  redis.call("HDEL", key, "bb:cancel")
end

-- look returns the message of a task that is to be adopted. A script of this package ended all others in that very second.
local function look(id, score)
  local key = asynq .. "t:" .. id
  local state, finished = unpack(redis.call("HMGET", key, "state", "bb:finished_at"))
  if state == "archived" and finished and math.floor(finished / 1000) == tonumber(score) then return nil end
  local msg = redis.call("HGET", key, "msg")
  if not msg then redis.call("ZREM", KEYS[1], id) end -- asynqmon trims the archive, and keeps the tasks' hashes
  return state == "archived" and msg
end

-- rank returns the rank of the first entry after a place. An entry that has gone leaves its second to be looked at again.
local function rank(place)
  local score, id = string.match(place, "^(%S+) (.*)$")
  if not score or tonumber(score) > newest then return 0 end -- also after Redis' clock was set back
  if redis.call("ZSCORE", KEYS[1], id) == score then return redis.call("ZRANK", KEYS[1], id) + 1 end
  return redis.call("ZCOUNT", KEYS[1], "-inf", "(" .. score)
end

for i = 6, #ARGV, 3 do try(adopt, ARGV[i], ARGV[i + 1], ARGV[i + 2]) end
trimStock(tonumber(ARGV[4]))

local place = ARGV[5]
if place ~= "" then redis.call("HSET", KEYS[2], ARGV[3], place) end
local first = rank(place ~= "" and place or redis.call("HGET", KEYS[2], ARGV[3]) or "")
local entries = redis.call("ZRANGE", KEYS[1], first, first + ARGV[4] - 1, "WITHSCORES")
local answer, size = {""}, 0
for i = 1, #entries, 2 do
  local id, score = entries[i], entries[i + 1]
  if tonumber(score) > newest or size > ENOUGH then break end
  answer[1] = score .. " " .. id
  local ok, msg = try(look, id, score)
  if ok and msg then
    local n = #answer
    answer[n + 1], answer[n + 2], answer[n + 3] = id, score, msg
    size = size + #msg
  end
end
return answer
