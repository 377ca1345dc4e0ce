-- signal-cli's POST /v2/send, and whatever else is posted: 200.

local json = require "openpr.json"

local receiver = {}

local messages = json.array()

local function reply(status, value)
  return { status = status, headers = { ["content-type"] = "application/json" }, body = json.encode(value) }
end

local function signal(request)
  local body = request.body:find "^%s*{" and json.decode(request.body)
  if type(body) ~= "table" or type(body.message) ~= "string" or type(body.number) ~= "string"
    or type(body.recipients) ~= "table" or #body.recipients == 0 then
    return reply(400, { error = "Couldn't process request - invalid" })
  end
  messages[#messages + 1] = body
  return reply(201, { timestamp = "1790756401000" })
end

function receiver.answer(request)
  if request.path == "/v2/send" then return signal(request) end
  return { status = 200, headers = { ["content-type"] = "text/plain" }, body = "thank you" }
end

function receiver.messages() return messages end

return receiver
