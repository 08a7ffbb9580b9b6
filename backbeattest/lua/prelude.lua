-- clear removes what a test has written. It stands in front of the other scripts on a database.
local function clear()
  for _, prefix in ipairs({"asynq:", "backbeat:", "backbeattest:"}) do
    for _, key in ipairs(redis.call("KEYS", prefix .. "*")) do redis.call("DEL", key) end
  end
end

