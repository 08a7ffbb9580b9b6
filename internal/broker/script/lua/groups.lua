-- Reads on in the tasks that wait in asynq's groups, group by group and in each from the newest on.
--
-- KEYS[1] asynq:{q}:groups
-- KEYS[2] asynq:{q}:aggregation_sets
-- ARGV[3] the scan (see scanGroups) in which to go on; "0" at first
-- ARGV[4] the marks of groups that this scan finds and that are done, one behind the other: what a scan finds can change when
--         groups come and go, but it passes over none that stays
-- ARGV[5] how many tasks at most; 0 counts those of the scan's groups
--
-- Returns {the scan that comes next, "" at the end; if tasks are counted how many there are; else for each task scan, group, mark of
-- the group, id, score}.
local GROUPS = 1000 -- so many groups are enough for one call, if they have no tasks
local MARK = 8
local scan, most = ARGV[3], tonumber(ARGV[5])
local answer, left, looked = {""}, most, 0
local passed = {}
for i = 1, #ARGV[4], MARK do passed[string.sub(ARGV[4], i, i + MARK - 1)] = true end

local function total()
  local names, next_scan = scanGroups(scan, GROUPS)
  local n = 0
  for _, name in ipairs(names) do n = n + redis.call("ZCARD", asynq .. "g:" .. name) end
  return {next_scan, tostring(n)}
end

local function read(name, mark)
  local found = redis.call("ZRANGE", asynq .. "g:" .. name, 0, left - 1, "REV", "WITHSCORES")
  for i = 1, #found, 2 do
    for _, value in ipairs({scan, name, mark, found[i], found[i + 1]}) do answer[#answer + 1] = value end
  end
  left = left - #found / 2
end

if most == 0 then return total() end
while scan ~= "" and left > 0 and looked < GROUPS do
  local names, next_scan = scanGroups(scan, 10)
  looked = looked + 10 + #names
  for _, name in ipairs(names) do
    local mark = string.sub(redis.sha1hex(name), 1, MARK)
    if left > 0 and not passed[mark] then read(name, mark) end
  end
  if left > 0 then scan, passed = next_scan, {} end
end
answer[1] = scan
return answer
