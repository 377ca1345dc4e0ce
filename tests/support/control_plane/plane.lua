-- What the control plane knows: settings, faults, jobs, and what came in.  control.lua says how it is asked.

local plane = {
  agent_id = "host-1",
  secret = nil, -- nil: envelopes are neither signed nor checked
  token = nil, -- nil: any is let in
  plain = false, -- ws://
  certificate = "good",
  client_ca = false, -- true: a client must show a certificate of ca.pem
}

local ssl = require "ssl"

local connections = {} -- open ones by number

function plane.reset()
  plane.faults = {}
  plane.jobs, plane.order = {}, {}
  plane.count = { accepted = 0, stood = 0, pings = 0, pongs = 0, unmasked = 0, handshakes = {}, messages = {},
                  closes = {}, tls_failures = {}, proxied = {} }
end

plane.reset()

-- The TLS context of new connections.
function plane.tls()
  return assert(ssl.newcontext {
    mode = "server", protocol = "any", options = { "all", "no_sslv2", "no_sslv3", "no_tlsv1", "no_tlsv1_1" },
    certificate = plane.dir .. "/" .. plane.certificate .. ".pem",
    key = plane.dir .. "/" .. plane.certificate .. ".key",
    cafile = plane.dir .. "/ca.pem",
    verify = plane.client_ca and { "peer", "fail_if_no_peer_cert" } or "none",
  })
end

-- Whether the fault strikes now, and it itself.  A fault is `true`, or { times = N (1), type = TYPE, ... }; what has
-- struck often enough is gone.
function plane.take(name, kind)
  local fault = plane.faults[name]
  if not fault or fault == true then return fault end
  if fault.type and fault.type ~= kind then return nil end
  fault.times = (fault.times or 1) - 1
  if fault.times == 0 then plane.faults[name] = nil end
  return fault
end

-- ---- connections ----

function plane.accepted(connection)
  plane.count.accepted = plane.count.accepted + 1
  connections[plane.count.accepted] = connection
  return plane.count.accepted
end

function plane.closed(connection)
  connections[connection.number] = nil
  if plane.current == connection then plane.current = nil end
end

function plane.open()
  local numbers = {}
  for number in pairs(connections) do numbers[#numbers + 1] = number end
  table.sort(numbers)
  return numbers
end

function plane.drop_all()
  for _, number in ipairs(plane.open()) do connections[number]:drop() end
end

-- ---- jobs: a dispatch is sent again on each new connection until it is acknowledged ----

local function send_job(job)
  if not plane.current then return end
  job.sent = job.sent + 1
  plane.current:send { type = "task.dispatch", payload = job.payload }
end

function plane.dispatch(payload)
  local job = plane.jobs[payload.run_id]
  if not job then
    job = { payload = payload, sent = 0, acks = {}, results = {} }
    plane.jobs[payload.run_id] = job
    plane.order[#plane.order + 1] = payload.run_id
  end
  send_job(job)
end

function plane.stands(connection)
  plane.count.stood = plane.count.stood + 1
  plane.current = connection
  for _, id in ipairs(plane.order) do
    if #plane.jobs[id].acks == 0 and connection.open then send_job(plane.jobs[id]) end
  end
end

local lists = { ["task.ack"] = "acks", ["task.result"] = "results" }

function plane.received(_, message)
  local messages = plane.count.messages
  messages[#messages + 1] = message
  local list = lists[message.type]
  local job = list and type(message.payload) == "table" and plane.jobs[message.payload.run_id]
  if job and message.signature ~= "wrong" then job[list][#job[list] + 1] = message.payload end
end

return plane
