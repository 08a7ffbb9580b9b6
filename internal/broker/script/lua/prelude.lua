-- prelude.lua is what the scripts of this package share. In front of each stand those of the paragraphs below, parted by blank
-- lines, that it uses (see package luascript). The scripts work on asynq's own keys, so that
-- stock asynq servers, inspectors and asynqmon see nothing but asynq tasks. What asynq has no place for is in
-- further fields of the task's hash, whose names begin with "bb:", and in a few keys beside the queue, in the
-- same hash slot:
--
--   backbeat:{q}:failed | canceled | expired   ZSET id -> end of retention, ms: what asynq calls archived
--   backbeat:{q}:stock                         ZSET id -> when it was archived, ms: those of stock clients among them
--   backbeat:{q}:adopted                       HASH up to which place of asynq's archive all tasks have an end of retention
--   backbeat:{q}:expires                       ZSET id -> expires_at, ms: what must have started by then
--   backbeat:{q}:canceling                     SET of running ids that are to be canceled
--   backbeat:{q}:due                           ZSET id -> the exact time to start or try again, ms
--   backbeat:{q}:parked                        SET of types that tasks wait for a worker of
--   backbeat:{q}:parked:TYPE                   ZSET id -> when it was parked, µs: tasks that wait for a worker that knows their type.
--                                              To asynq they are scheduled, for a time after PARKED
--   backbeat:{q}:outbox:callbacks              STREAM ends of tasks with callbacks: the fields of the task's hash as it ended
--   backbeat:{q}:outbox:callbacks:worker       the worker that is making tasks of those
--   backbeat:{q}:outbox:history                STREAM ends of tasks of schedules, for the beat: schedule, id, state
--   asynq:{q}:maintainer:HASH                  STRING with a short TTL: the worker that maintains the queues that the hash is of
--   backbeat:{q}:ticks                         SET of ids of batches that the beat has enqueued and not yet acknowledged
--   backbeat:{q}:once:ID                       STRING with a TTL: the task, of a request with an idempotency key, has been in
--                                              the queue
--   backbeat:{q}:reserved:ID                   STRING with a short TTL: the token of a request that is about to enqueue a task
--                                              with this id, which other queues must not get meanwhile
--   backbeat:{q}:ended:ID                      HASH with a TTL: a watched task that was dropped at its end
--   backbeat:{q}:term                          the newest leader of the beat, whose predecessors may enqueue no more
--
-- Every script begins its ARGV with: asynq:{q}: , backbeat:{q}: . The time is that of Redis: those who call have clocks of
-- their own, which may be wrong.
local asynq, backbeat = ARGV[1], ARGV[2]

local TIME = redis.call("TIME")

local now = tonumber(TIME[1]) * 1000 + math.floor(tonumber(TIME[2]) / 1000)

local NOW_MS = string.format("%.0f", now)

-- pending_since is the time as asynq writes it, in ns.
local function pending_since() return TIME[1] .. string.format("%06d000", tonumber(TIME[2])) end

local LEASE_END = tonumber(TIME[1]) + 30 -- of asynq's leases

local DEFAULT_RETENTION = 24 * 3600 * 1000

-- int writes a number without an exponent, in which Lua would write milliseconds.
local function int(n) return string.format("%.0f", n) end

-- SERVER_ERRORS begin replies that say something of the whole server, or of the user's rights, and nothing of a key. A table
-- would be built at each call of a script.
local SERVER_ERRORS = " READONLY OOM MISCONF NOREPLICAS LOADING MASTERDOWN CLUSTERDOWN NOPERM "

-- try calls a function that works on one task of several. An error of the task's own keys, such as a wrong type, is
-- returned: false, and its text. An error of the server is raised again: the caller must see it as the answer of the
-- script, for go-redis leaves a server that has become a replica only when it reads READONLY there.
local function try(f, ...)
  local ok, answer = pcall(f, ...)
  if ok then return true, answer end
  local text = type(answer) == "table" and answer.err or tostring(answer)
  -- Before Redis 7 an error is a string that says first where it was raised.
  local code = string.match(text, "^(%u+) ") or string.match(text, "%-(%u+) ")
  if string.find(SERVER_ERRORS, " " .. (code or "-") .. " ", 1, true) or string.find(text, "The user executing the script", 1, true) then error(answer, 0) end
  return false, text
end

-- publish sends a message to whoever listens. A message is a hint, which pollers do without: a user without the right to
-- publish, or a channel that fails, undoes nothing.
local function publish(channel, message) redis.pcall("PUBLISH", channel, message) end

-- today names a day as asynq's daily counters do, in UTC (days to dates: H. Hinnant, chrono-compatible date algorithms).
local function today()
  local z = math.floor(now / 86400000) + 719468
  local era = math.floor(z / 146097)
  local doe = z - era * 146097
  local yoe = math.floor((doe - math.floor(doe / 1460) + math.floor(doe / 36524) - math.floor(doe / 146096)) / 365)
  local doy = doe - (365 * yoe + math.floor(yoe / 4) - math.floor(yoe / 100))
  local mp = math.floor((5 * doy + 2) / 153)
  local month = mp < 10 and mp + 3 or mp - 9
  local year = yoe + era * 400 + (month <= 2 and 1 or 0)
  return string.format("%04d-%02d-%02d", year, month, doy - math.floor((153 * mp + 2) / 5) + 1)
end

-- wake notifies workers that the queue, now of that length, has something to do, if it had nothing before the new tasks: a
-- worker that finds work comes back for more.
local function wake(length, new)
  if length == new then publish("backbeat:wake", backbeat) end
end

-- stamp makes a task pending, and sets further fields of its hash: names and values. admit puts it into its queue.
local function stamp(id, ...)
  redis.call("HSET", asynq .. "t:" .. id, "state", "pending", "pending_since", pending_since(), ...)
end

-- admit puts tasks into their queue: at its tail, or at its head, where those go that have been in it before. It is the one
-- way by which a task becomes pending.
local function admit(ids, at_head)
  wake(redis.call(at_head and "RPUSH" or "LPUSH", asynq .. "pending", unpack(ids)), #ids)
end

-- push puts one task at the tail of its queue.
local function push(id)
  stamp(id)
  admit({id})
end

-- delay puts a task on the list of a state that ends at a time, in ms. asynq's scores are whole seconds: rounded up, a
-- stock server never starts the task early. The exact time is beside it.
local function delay(id, state, at)
  redis.call("ZADD", asynq .. state, int(math.ceil(tonumber(at) / 1000)), id)
  redis.call("ZADD", backbeat .. "due", at, id)
  redis.call("HSET", asynq .. "t:" .. id, "state", state, "bb:run_at", at)
  if redis.call("ZRANGE", backbeat .. "due", 0, 0)[1] == id then
    publish("backbeat:due", backbeat)
  end
end

-- PARKED is a time, in s, after which no task can be scheduled: the year 9900. In asynq's scheduled set, tasks that wait for a
-- worker have PARKED and the time when they were parked for their scores: asynq's tools see them, and no forwarder moves them.
local PARKED = 250246627200

-- PARKED_TYPES and PARKED_NAME bound for how many types, and with how long names in bytes, tasks of a queue can be parked:
-- every fetch answers with them.
local PARKED_TYPES, PARKED_NAME = 1000, 255

local parked = 0 -- how many this call has parked

-- park puts a task, which is in no list, aside until a worker fetches tasks of its type. It returns false if these are too many
-- types.
local function park(id, kind)
  local types, set = backbeat .. "parked", backbeat .. "parked:" .. kind
  if #kind > PARKED_NAME then return false end
  if redis.call("SISMEMBER", types, kind) == 0 and redis.call("SCARD", types) >= PARKED_TYPES then return false end
  redis.call("ZADD", asynq .. "scheduled", int(PARKED + TIME[1]), id)
  redis.call("ZADD", set, int(now * 1000 + parked), id)
  redis.call("HSET", asynq .. "t:" .. id, "state", "scheduled", "bb:parked", kind)
  redis.call("HDEL", asynq .. "t:" .. id, "bb:run_at")
  parked = parked + 1
  if redis.call("SADD", types, kind) == 1 then publish("backbeat:wake", backbeat) end
  return true
end

-- emptied forgets a type that no task waits for any more.
local function emptied(kind)
  if redis.call("EXISTS", backbeat .. "parked:" .. kind) == 0 then redis.call("SREM", backbeat .. "parked", kind) end
end

-- unpark forgets that a task, already taken off the scheduled set, was parked. kind is its bb:parked, false if it has none.
local function unpark(id, kind)
  if not kind then return end
  redis.call("ZREM", backbeat .. "parked:" .. kind, id)
  redis.call("HDEL", asynq .. "t:" .. id, "bb:parked")
  emptied(kind)
end

-- count adds to the totals that asynq and asynqmon show for the day and for all time. The day's counters
-- expire after 90 days, as asynq's own do.
local function count(name, n)
  if n == 0 then return end
  local daily = asynq .. name .. ":" .. today()
  if redis.call("INCRBY", daily, n) == n then
    redis.call("EXPIRE", daily, 90 * 24 * 3600)
  end
  redis.call("INCRBY", asynq .. name, n)
end

-- A task's bb:waiters says who watches it: nobody if there is none, as with most; "1" if somebody waits for its end; FOLLOWED if
-- somebody wants to hear of all that becomes of it. Nobody takes the mark off; it vanishes with the task.
local FOLLOWED = "2"

-- changed tells those who follow the task that it has become another. Others cost nothing here.
local function changed(id, waiters)
  if waiters == FOLLOWED then
    publish("backbeat:watched", cjson.encode({queue = backbeat, id = id}))
  end
end

-- ENDED_KEPT is for how long, in ms, a task stays aside that is dropped at its end while somebody watches it.
local ENDED_KEPT = 30000

-- drop removes a task that has ended and is not kept. One that somebody watches stays aside for a while, for them to read
-- how it ended. fields is what the end adds to the task's hash.
local function drop(id, outcome, fields)
  local key = asynq .. "t:" .. id
  if not redis.call("HGET", key, "bb:waiters") then
    redis.call("DEL", key)
    return
  end
  local state = outcome == "succeeded" and "completed" or "archived"
  redis.call("HSET", key, "state", state, "bb:outcome", outcome, "bb:finished_at", NOW_MS, unpack(fields or {}))
  redis.call("RENAME", key, backbeat .. "ended:" .. id)
  redis.call("PEXPIRE", backbeat .. "ended:" .. id, ENDED_KEPT)
end

-- addToOutbox adds the end of a task to an outbox of the queue, a stream, from which a consumer removes it when it has done what
-- the end is for. There is a stream for each kind, because the consumers differ: any worker delivers callbacks, and the leader
-- of the beat reads the history; what waits for the one must not be in the way of the other. most bounds the stream, nil: nothing
-- does.
local function addToOutbox(kind, entry, most)
  local key = backbeat .. "outbox:" .. kind
  redis.call("XADD", key, "*", unpack(entry))
  local n = redis.call("XLEN", key)
  if n == 1 then publish("backbeat:outbox", backbeat .. kind) end
  if most and n > most then redis.call("XTRIM", key, "MAXLEN", most) end
end

-- HISTORY_KEPT bounds what is kept for a beat that is away. It reads the states of the other tasks by itself, in time.
local HISTORY_KEPT = 100000

-- CALLBACK_FIELDS are what a callback says of a task, beside what its end adds to that.
local CALLBACK_FIELDS = {"msg", "bb:attempt", "bb:started_at", "bb:run_at", "bb:worker", "bb:progress"}

-- CALLBACK_RESULT is the size of a result, in bytes, that a callback leaves out; tasks.MaxCallbackField is the same.
local CALLBACK_RESULT = 128 * 1024

local function callbackEntry(id, outcome, fields)
  local state = outcome == "succeeded" and "completed" or "archived"
  local all = {id = id, state = state, ["bb:outcome"] = outcome, ["bb:finished_at"] = NOW_MS}
  local known = redis.call("HMGET", asynq .. "t:" .. id, unpack(CALLBACK_FIELDS))
  for i, name in ipairs(CALLBACK_FIELDS) do all[name] = known[i] or nil end
  for i = 1, #fields, 2 do
    local name, value = fields[i], fields[i + 1]
    if name == "result" and #value > CALLBACK_RESULT then name, value = "omitted", name end
    all[name] = value
  end
  local entry = {}
  for name, value in pairs(all) do
    entry[#entry + 1], entry[#entry + 2] = name, value
  end
  return entry
end

-- ended announces the end of a task, of which nothing has been dropped yet: to the outbox of callbacks if the end is among the
-- events that its callback is for; to that of the history if a schedule made it; and to those who wait for it, by a message that
-- names the task only, since every API receives it. fields is what the end adds to the task's hash: {name, value, …}. Most
-- tasks have none of these, and cost nothing here.
local function ended(id, outcome, waiters, schedule, events, fields)
  if events and string.find("," .. events .. ",", "," .. outcome .. ",", 1, true) then
    addToOutbox("callbacks", callbackEntry(id, outcome, fields or {}))
  end
  if schedule then
    addToOutbox("history", {"schedule", schedule, "id", id, "state", outcome}, HISTORY_KEPT)
  end
  if waiters then
    publish("backbeat:watched", cjson.encode({queue = backbeat, id = id, state = outcome}))
  end
end

-- head returns the beginning of a message, for the caller to count the task by its type, which is the first field.
local function head(msg) return string.sub(msg or "", 1, 300) end

-- forget drops what is kept beside the queue for a task.
local function forget(id)
  redis.call("ZREM", backbeat .. "failed", id)
  redis.call("ZREM", backbeat .. "canceled", id)
  redis.call("ZREM", backbeat .. "expired", id)
  redis.call("ZREM", backbeat .. "stock", id)
  redis.call("ZREM", backbeat .. "expires", id)
  redis.call("ZREM", backbeat .. "due", id)
  redis.call("SREM", backbeat .. "canceling", id)
end

-- STOCK_RETENTION, in ms, and STOCK_CAP, of a queue, bound what asynq archives.
local STOCK_RETENTION, STOCK_CAP = 90 * 24 * 3600 * 1000, 10000

-- retain notes until when an archived task stays: retention in ms, from a time on; negative for a task of a stock client, to
-- which asynq's bounds apply.
local function retain(id, outcome, from, retention)
  if retention < 0 then
    retention = STOCK_RETENTION
    redis.call("ZADD", backbeat .. "stock", int(from), id)
  end
  redis.call("ZADD", backbeat .. outcome, int(from + retention), id)
end

-- trimStock drops the oldest archived tasks of stock clients beyond asynq's cap, up to most of them. Some entries may be of
-- tasks that asynqmon has deleted or run since; so no more are dropped than the archive has beyond the cap.
local function trimStock(most)
  local kept = math.min(redis.call("ZCARD", backbeat .. "stock"), redis.call("ZCARD", asynq .. "archived"))
  local extra = math.min(most, kept - STOCK_CAP)
  if extra <= 0 then return end
  for _, id in ipairs(redis.call("ZRANGE", backbeat .. "stock", 0, extra - 1)) do
    local key = asynq .. "t:" .. id
    if redis.pcall("HGET", key, "state") == "archived" then
      redis.call("ZREM", asynq .. "archived", id)
      redis.call("DEL", key)
    end
    forget(id)
  end
end

-- archive ends a task, already taken off its list, as failed, canceled or expired. See retain for retention.
local function archive(id, outcome, retention, fields)
  local key = asynq .. "t:" .. id
  if retention == 0 then return drop(id, outcome, fields) end
  redis.call("ZADD", asynq .. "archived", int(math.floor(now / 1000)), id)
  retain(id, outcome, now, retention)
  redis.call("HSET", key, "state", "archived", "bb:outcome", outcome, "bb:finished_at", NOW_MS, unpack(fields or {}))
  redis.call("HDEL", key, "bb:cancel") -- it is obeyed; asynqmon may run the task again
  if retention < 0 then trimStock(2) end
end

-- unlist takes a task that does not run off the list of its state. It returns false for a task that is in none: a stock server
-- may be making one task of its group.
local function unlist(id, state)
  if state == "pending" then
    -- From the tail, where the oldest are: those are canceled, deleted and expired most.
    return redis.call("LREM", asynq .. "pending", -1, id) == 1
  elseif state == "scheduled" or state == "retry" or state == "completed" or state == "archived" then
    return redis.call("ZREM", asynq .. state, id) == 1
  elseif state == "aggregating" then
    local group = redis.call("HGET", asynq .. "t:" .. id, "group") or ""
    if redis.call("ZREM", asynq .. "g:" .. group, id) == 0 then return false end
    if redis.call("EXISTS", asynq .. "g:" .. group) == 0 then redis.call("SREM", asynq .. "groups", group) end
    return true
  end
  return false
end

-- scanGroups names some of asynq's groups, as SSCAN finds them; at last, where scan is "sets", the aggregation sets, which are
-- what stock servers are making one task of. It returns the names, as they are in keys behind asynq:{q}:g: , and the scan that
-- comes next, "" after the last.
local function scanGroups(scan, count)
  local names, next_scan = {}, ""
  if scan == "sets" then
    for i, key in ipairs(redis.call("ZRANGE", asynq .. "aggregation_sets", 0, 999)) do
      names[i] = string.sub(key, #asynq + 3)
    end
  else
    next_scan, names = unpack(redis.call("SSCAN", asynq .. "groups", scan, "COUNT", count))
    if next_scan == "0" then next_scan = "sets" end
  end
  return names, next_scan
end

-- expire ends a task, already taken off its list, that was not started in time.
local function expire(id, retention, waiters, schedule, callback)
  redis.call("ZREM", backbeat .. "expires", id)
  redis.call("ZREM", backbeat .. "due", id)
  ended(id, "expired", waiters, schedule, callback)
  archive(id, "expired", tonumber(retention) or DEFAULT_RETENTION)
end

-- LATER is in how many ms a task is tried again whose keys raised an error. Those of a set are dealt with one by one: one that
-- is damaged stops no others, and is not tried first for ever.
local LATER = 60000

-- guarded calls f with a task of a set, whose scores are in units of so many ms. If that raises an error of the task's own
-- keys, the task leaves the set if its key holds no hash, and else is put off; its id and the error are added to broken.
local function guarded(broken, set, unit, f, id)
  local ok, answer = try(f, id, set)
  if ok then return end
  local kind = redis.call("TYPE", asynq .. "t:" .. id).ok
  if kind == "hash" or kind == "none" then
    redis.call("ZADD", set, "XX", int(math.ceil((now + LATER) / unit)), id)
  else
    redis.call("ZREM", set, id)
  end
  broken[#broken + 1], broken[#broken + 2] = id, answer
end

-- untilFirst returns in how many ms the first of a set is due, 0 if it is, -1 if there is none.
local function untilFirst(set, unit)
  local first = redis.call("ZRANGE", set, 0, 0, "WITHSCORES")
  if not first[2] then return -1 end
  return math.max(0, tonumber(first[2]) * unit - now)
end

local function drainSet(broken, set, unit, most, f)
  for _, id in ipairs(redis.call("ZRANGEBYSCORE", set, "-inf", int(math.floor(now / unit)), "LIMIT", 0, most)) do
    guarded(broken, set, unit, f, id)
  end
  return untilFirst(set, unit)
end

-- drain calls f, which is to remove the task from the set, with each task of a set that is due, at most so many. It returns
-- what untilFirst does afterwards. A set that is none is as good as empty.
local function drain(broken, set, unit, most, f)
  local ok, answer = try(drainSet, broken, set, unit, most, f)
  if ok then return answer end
  broken[#broken + 1], broken[#broken + 2] = set, answer
  return -1
end

-- takeFrom takes ids off a part of a list, which begins so many places before its tail: those for which pick, which gets
-- the ids of the part, returns true at their places; at most so many. It costs one pass, however many they are. It returns
-- the ids, and the place where to go on, nil at the head of the list.
local function takeFrom(list, place, size, most, pick)
  local ids = redis.call("LRANGE", list, -place - size, -place - 1)
  if #ids == 0 then return {}, nil end
  local picked, taken, seen = pick(ids), {}, #ids
  -- A Redis whose memory is full refuses LSET, unless the script has written before. What ends here frees memory.
  redis.call("LTRIM", list, 0, -1)
  for i = #ids, 1, -1 do
    if picked[i] and #taken == most then
      seen = #ids - i
      break
    elseif picked[i] then
      redis.call("LSET", list, -(place + #ids - i + 1), "") -- no task has this for its id
      taken[#taken + 1] = ids[i]
    end
  end
  if #taken > 0 then redis.call("LREM", list, -#taken, "") end
  if seen == #ids and #ids < size then return taken, nil end
  return taken, place + seen - #taken
end
