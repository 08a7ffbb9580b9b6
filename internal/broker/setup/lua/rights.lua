-- Tries the commands that the programs need, on a key that it removes again, and returns those that the user may not use.
--
-- KEYS[1] backbeat:{backbeat}:rights
-- KEYS[2] asynq:{backbeat}:rights, so that Redis checks the right to such keys too
-- ARGV    channels
--
-- Returns names of commands, and those of channels with a & in front.
local refused = {}

-- try returns false if the user has no right. Any other error is none of its concern. Redis 6.2, 7.0 and 7.2 have different words.
local function try(...)
  local reply = redis.pcall(...)
  local text = type(reply) == "table" and reply.err or ""
  for _, words in ipairs({"NOPERM", "ACL failure", "The user executing the script"}) do
    if string.find(text, words, 1, true) then return false end
  end
  return true
end

local key = KEYS[1]
for _, command in ipairs({
  {"TIME"}, {"DEL", key}, {"TYPE", key}, {"EXPIRE", key, 1}, {"PEXPIRE", key, 1}, {"PTTL", key},
  {"SET", key, 1}, {"GET", key}, {"INCR", key}, {"INCRBY", key, 1}, {"DEL", key},
  {"HSET", key, "a", 1}, {"HSETNX", key, "a", 1}, {"HGET", key, "a"}, {"HMGET", key, "a"}, {"HEXISTS", key, "a"},
  {"HINCRBY", key, "a", 1}, {"HGETALL", key}, {"HSCAN", key, 0}, {"HDEL", key, "a"}, {"DEL", key},
  {"LPUSH", key, 1}, {"RPUSH", key, 1}, {"LRANGE", key, 0, 0}, {"LINDEX", key, 0}, {"LLEN", key}, {"LSET", key, 0, 1},
  {"LPOS", key, 1}, {"LTRIM", key, 0, 1}, {"LREM", key, 1, 1}, {"LPOP", key}, {"RPOP", key}, {"DEL", key},
  {"SADD", key, 1}, {"SISMEMBER", key, 1}, {"SMEMBERS", key}, {"SCARD", key}, {"SSCAN", key, 0}, {"SREM", key, 1}, {"DEL", key},
  {"ZADD", key, 1, 1}, {"ZRANGE", key, 0, 0}, {"ZRANGEBYSCORE", key, 0, 0}, {"ZSCORE", key, 1}, {"ZMSCORE", key, 1},
  {"ZCARD", key}, {"ZCOUNT", key, 0, 0}, {"ZRANK", key, 1}, {"ZREVRANK", key, 1}, {"ZREM", key, 1}, {"ZREMRANGEBYSCORE", key, 0, 0},
  {"ZREMRANGEBYRANK", key, 0, 0}, {"DEL", key},
  {"XADD", key, "1-1", "a", 1}, {"XLEN", key}, {"XRANGE", key, "-", "+"}, {"XREVRANGE", key, "-", "+"}, {"XDEL", key, "1-1"}, {"XTRIM", key, "MAXLEN", 1},
  {"DEL", key},
}) do
  if not try(unpack(command)) then refused[#refused + 1] = string.lower(command[1]) end
end
for _, channel in ipairs(ARGV) do
  if not try("PUBLISH", channel, "") then refused[#refused + 1] = "&" .. channel end
end
return refused
