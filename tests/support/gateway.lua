-- A stand-in for what agents behind HTTP speak to: an OpenClaw gateway, a PRX gateway, signal-cli's REST API and a
-- receiver of webhooks, all on one port, with the answers that their documentation and sources give.
--
--   lua5.4 tests/support/gateway.lua PORT_FILE [PORT]
--
-- It listens on a free loopback port (or PORT) and writes its number to PORT_FILE.  It ends when its standard input,
-- if that is a pipe, is closed, or on SIGTERM.  What can be asked of it:
--
--   POST /_control        {"settings": {...}: gateways/settings.lua, "faults": [...]: openpr/faults.lua,
--                          "clear_faults": true, "forget": true (as if it had started again)}
--   GET  /_control/state  {"requests": [in order: method, path, query, headers, body], "runs": how many agents ran,
--                          "jobs": [...], "messages": [...]}

local folder = arg[0]:match "^(.*/)" or "./"
package.path = folder .. "?.lua;" .. package.path

local faults = require "openpr.faults"
local json = require "openpr.json"
local openclaw = require "gateways.openclaw"
local prx = require "gateways.prx"
local receiver = require "gateways.receiver"
local server = require "openpr.server"
local settings = require "gateways.settings"

local requests = json.array()

local function json_response(value)
  return { status = 200, headers = { ["content-type"] = "application/json" }, body = json.encode(value) }
end

local function control(request)
  if request.method == "GET" then
    return json_response { requests = requests, runs = openclaw.runs() + prx.runs(), jobs = prx.jobs(),
                           messages = receiver.messages() }
  end
  local asked = json.decode(request.body)
  for name, value in pairs(asked.settings or {}) do settings[name] = value end
  if asked.clear_faults then faults.clear() end
  for _, fault in ipairs(asked.faults or {}) do faults.add(fault) end
  if asked.forget then
    openclaw.forget()
    prx.forget()
  end
  return json_response {}
end

local function answer(request)
  return openclaw.answer(request) or prx.answer(request) or receiver.answer(request)
end

local function handle(request)
  if request.path:find "^/_control" then return control(request) end
  local record = { method = request.method, path = request.path, query = request.query, headers = request.headers,
                   body = request.body, json = request.body:find "^%s*[{%[]" and json.decode(request.body) or nil }
  requests[#requests + 1] = record
  local response = faults.apply(request, record, answer)
  record.answer = response.how or response.status
  return response
end

local port = server.listen(handle, tonumber(arg[2]))
local temporary = arg[1] .. ".new"
local file = assert(io.open(temporary, "w"))
file:write(port, "\n")
file:close()
assert(os.rename(temporary, arg[1])) -- whoever waits for it never sees half of it
server.run()
