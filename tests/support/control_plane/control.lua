-- What a test or a demonstration asks of the control plane, over plain HTTP on a port of its own.
--
-- POST /_control  All optional, done in this order:
--   "reset": true             forgets faults, jobs and what came in
--   "agent_id", "secret", "token", "certificate", "client_ca"
--                             settings of plane.lua; null or false takes one away
--   "faults": {NAME: FAULT or false}
--       refuse   {"status": N, "headers": TEXT}   answers the handshake so
--       answer   {"text": HEAD, "more": HEX}      or with that; "{accept}" stands for the right Sec-WebSocket-Accept
--       stall    true     takes TCP connections and says nothing
--       silent   true     answers no pings
--       deaf     true     reads nothing
--       delay    SECONDS  before each message
--       duplicate, corrupt, swallow {"times": N}  the next messages go out twice, with a changed byte, not at all
--       lose     {"type": TYPE}   drops the connection instead of taking in such a message (and before the pong)
--       drop_on  {"type": TYPE}   takes it in, then drops the connection
--     "times" is 1 unless given, 0 for ever
--   "dispatch": [PAYLOAD]     jobs, by their run_id; each is sent now, and on every new connection until acknowledged
--   "send": [FIELDS]          envelopes: envelope.lua; now, on the connection that stands
--   "raw": [{"hex": BYTES or "text": TEXT, "times": N}]   bytes as they are
--   "close": CODE             says goodbye
--   "drop": true              ends all TCP connections
--
-- GET /_control/state  {"open": [numbers], "accepted", "stood", "pings", "pongs", "unmasked": counts,
--                       "handshakes": [{"method", "path", "headers"}], "tls_failures": [texts],
--                       "proxied": [first lines of what the proxy was asked],
--                       "closes": [{"connection", "code", "reason"}] that the daemon sent,
--                       "messages": [envelopes with "signature" (good, wrong, none) and "connection"],
--                       "jobs": {RUN_ID: {"payload", "sent", "acks": [payloads], "results": [payloads]}}}

local json = require "openpr.json"
local plane = require "control_plane.plane"
local websocket = require "control_plane.websocket"

local control = {}

local settings = { "agent_id", "secret", "token", "certificate", "client_ca" }

local function set(asked)
  for _, name in ipairs(settings) do
    local value = asked[name]
    if value ~= nil then
      if value == json.null then value = nil end
      plane[name] = value or nil
    end
  end
  for name, fault in pairs(asked.faults or {}) do plane.faults[name] = fault or nil end
end

local function send(asked)
  for _, payload in ipairs(asked.dispatch or {}) do plane.dispatch(payload) end
  local connection = plane.current
  if not connection and (asked.send or asked.raw or asked.close) then error("no connection stands", 0) end
  for _, fields in ipairs(asked.send or {}) do connection:send(fields) end
  for _, raw in ipairs(asked.raw or {}) do
    local bytes = raw.text or websocket.from_hex(raw.hex)
    for _ = 1, raw.times or 1 do connection:push(bytes) end
  end
  if asked.close then connection:close(asked.close) end
  if asked.drop then plane.drop_all() end
end

local function array(list) return json.array(list) end

local function show()
  local count, jobs = plane.count, {}
  for id, job in pairs(plane.jobs) do
    jobs[id] = { payload = job.payload, sent = job.sent, acks = array(job.acks), results = array(job.results) }
  end
  return { open = array(plane.open()), accepted = count.accepted, stood = count.stood, pings = count.pings,
           pongs = count.pongs, unmasked = count.unmasked, handshakes = array(count.handshakes),
           tls_failures = array(count.tls_failures), proxied = array(count.proxied), closes = array(count.closes),
           messages = array(count.messages), jobs = jobs }
end

local function answer(status, value)
  return { status = status, headers = { ["content-type"] = "application/json" }, body = json.encode(value) }
end

function control.answer(request)
  if request.method == "GET" and request.path == "/_control/state" then return answer(200, show()) end
  if request.method ~= "POST" or request.path ~= "/_control" then
    return answer(404, { error = "control_plane/control.lua lists what can be asked" })
  end
  local asked = json.decode(request.body)
  if type(asked) ~= "table" then return answer(400, { error = "not JSON" }) end
  if asked.reset then plane.reset() end
  set(asked)
  local good, why = pcall(send, asked)
  return good and answer(200, { open = array(plane.open()) }) or answer(409, { error = tostring(why) })
end

return control
