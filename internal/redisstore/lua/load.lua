-- Reads schedules: in one step, for a state must not come with the spec of another revision.
--
-- KEYS[1] specs
-- KEYS[2] states
-- ARGV[1] after how many bytes to stop
-- and then ids, of which there is one at least
--
-- Returns for the first of them, one at least, the spec and the state, false for each that is not there.
local answer, bytes = {}, 0
for i = 2, #ARGV do
  local spec, state = redis.call("HGET", KEYS[1], ARGV[i]), redis.call("HGET", KEYS[2], ARGV[i])
  bytes = bytes + (spec and #spec or 0) + (state and #state or 0)
  answer[#answer + 1], answer[#answer + 2] = spec, state
  if bytes >= tonumber(ARGV[1]) then break end
end
return answer
