-- OpenClaw's POST /hooks/agent and POST /tools/invoke (its docs/gateway/config-hooks.md, tools-invoke-http-api.md).

local json = require "openpr.json"
local loop = require "openpr.loop"
local settings = require "gateways.settings"

local openclaw = {}

local kept, count = {}, 0 -- by key; runs since the start

local function reply(status, value)
  return { status = status, headers = { ["content-type"] = "application/json" }, body = json.encode(value) }
end

local function plain(status, text)
  return { status = status, headers = { ["content-type"] = "text/plain" }, body = text }
end

local function refusal(request, body)
  if request.method ~= "POST" then return plain(405, "Method Not Allowed") end
  if request.query:find "token=" then return reply(400, { ok = false, error = "token in the query" }) end
  if request.headers.authorization ~= "Bearer " .. settings.token then return plain(401, "Unauthorized") end
  if #request.body > 256 * 1024 then return reply(413, { ok = false, error = "payload too large" }) end
  if type(body) ~= "table" then return reply(400, { ok = false, error = "invalid JSON" }) end
end

-- The run of this key and these fields, which begins when there is none.
local function run_of(body)
  local identity = json.encode { body.idempotencyKey or json.null, body.message, body.agentId or json.null }
  local known = body.idempotencyKey and kept[identity]
  if known then return known end
  count = count + 1
  local run = { id = ("hook-run-%d"):format(count), status = settings.status }
  kept[identity] = run
  loop.start(function()
    loop.sleep(settings.takes)
    run.ended = true
  end)
  return run
end

local function completion(run, body)
  while not run.ended do loop.sleep(0.02) end
  return { status = run.status, replyDisposition = run.status == "ok" and "visible" or "empty",
           delivered = body.channel and true or false, deliveryAttempted = body.channel and true or false }
end

local function agent(body)
  if type(body.message) ~= "string" or body.message == "" then
    return reply(400, { ok = false, error = "message is required" })
  end
  if body.deliver ~= false and (body.channel == nil) ~= (body.to == nil) then
    return reply(400, { ok = false, error = "channel and to are needed together" })
  end
  local run = run_of(body)
  return reply(200, { ok = true, runId = run.id, completion = body.waitForCompletion and completion(run, body) or nil })
end

local function invoke(body)
  if body.tool ~= "message" or not settings.allowed then
    return reply(404, { ok = false, error = { type = "not_found", message = "Tool not available: message" } })
  end
  return reply(200, { ok = true, result = { messageId = "1" } })
end

function openclaw.answer(request)
  local handler = request.path == "/hooks/agent" and agent or request.path == "/tools/invoke" and invoke
  if not handler then return nil end
  local body = request.body:find "^%s*{" and json.decode(request.body)
  return refusal(request, body) or handler(body)
end

function openclaw.runs() return count end
function openclaw.forget() kept = {} end

return openclaw
