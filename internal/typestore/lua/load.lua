-- Reads which documents are registered, unless the caller has the newest version.
--
-- KEYS and ARGV[1] to ARGV[2]: see prelude.lua
-- ARGV[3] the version that the caller has, "" for none
--
-- Returns false if that is the newest version; else {the version, the time in ms, and for each document: hash, number of live
-- workers that run it, when one was last seen in ms}. The caller reads new documents by their hashes.
removeDead()
removeOld()
local version = redis.call("GET", VERSION) or ""
if version == ARGV[3] and version ~= "" then return false end
local workers, seen = {}, {}
local dropped = redis.call("ZRANGE", SEEN, 0, -1, "WITHSCORES")
for i = 1, #dropped, 2 do workers[dropped[i]], seen[dropped[i]] = 0, tonumber(dropped[i + 1]) end
for set, run in pairs(running()) do
  for _, hash in ipairs(documentsOf(set)) do
    workers[hash] = (workers[hash] or 0) + run[1]
    seen[hash] = math.max(seen[hash] or 0, run[2])
  end
end
local answer = {version, int(now)}
for hash, n in pairs(workers) do
  local last = #answer
  answer[last + 1], answer[last + 2], answer[last + 3] = hash, n, int(seen[hash])
end
return answer
