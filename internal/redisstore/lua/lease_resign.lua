-- Gives the lease up, if the caller has it, and notifies the standbys. The caller is no longer a standby, either.
--
-- KEYS[1] backbeat:schedules:{beat}:leader
-- KEYS[2] backbeat:schedules:{beat}:beats
-- ARGV[1] the caller's id
-- ARGV[2] its record as a standby, JSON
-- ARGV[3] the term that it gives up, 0 for any
-- ARGV[4] the channel that standbys subscribe to
--
-- Returns 1 if the caller had the lease, else 0.
redis.call("ZREM", KEYS[2], ARGV[2])
local leader = redis.call("GET", KEYS[1])
leader = leader and cjson.decode(leader)
local term = tonumber(ARGV[3])
if not leader or leader.id ~= ARGV[1] or (term > 0 and leader.term ~= term) then return 0 end
redis.call("DEL", KEYS[1])
redis.pcall("PUBLISH", ARGV[4], string.format("%.0f", leader.term))
return 1
