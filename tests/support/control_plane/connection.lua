-- One connection of the control plane: TLS, handshake, frames in and out, and what goes wrong on purpose.

local ssl = require "ssl"
local Stream = require "openpr.stream"
local loop = require "openpr.loop"
local envelope = require "control_plane.envelope"
local plane = require "control_plane.plane"
local websocket = require "control_plane.websocket"

local Connection = {}
Connection.__index = Connection

-- ---- sending: by one coroutine for each connection, so that frames do not mix ----

local function write_out(self)
  while #self.queue > 0 and self.open do
    local bytes = table.remove(self.queue, 1)
    if not self.stream:send(bytes) then self:drop() end
  end
  self.writing = false
  if self.ending then self:drop() end
end

function Connection:push(bytes)
  self.queue[#self.queue + 1] = bytes
  if not self.writing then
    self.writing = true
    loop.start(write_out, self)
  end
end

-- Ends the TCP connection, without a word.
function Connection:drop()
  if not self.open then return end
  self.open = false
  plane.closed(self)
  self.sock:close()
end

function Connection:close(code, reason)
  self:push(websocket.close(code, reason))
end

-- An envelope, by the faults of the hour (plane.lua).
function Connection:send(fields)
  local fault = plane.faults
  local text = envelope.make(setmetatable({ agent_id = fields.agent_id or plane.agent_id }, { __index = fields }),
                             plane.secret)
  if plane.take "corrupt" then
    local middle = #text // 2
    text = text:sub(1, middle - 1) .. string.char(text:byte(middle) ~ 1) .. text:sub(middle + 1)
  end
  local frame = websocket.frame(websocket.TEXT, text)
  if plane.take "swallow" then return end
  local count = plane.take "duplicate" and 2 or 1
  if fault.delay then
    loop.start(function()
      loop.sleep(fault.delay)
      if self.open then self:push(frame:rep(count)) end
    end)
  else
    self:push(frame:rep(count))
  end
end

-- ---- receiving ----

local function on_text(self, text)
  local message = envelope.read(text, plane.secret)
  message.connection = self.number
  if plane.take("lose", message.type) then
    self:drop()
    return
  end
  plane.received(self, message)
  if plane.take("drop_on", message.type) then self:drop() end
end

local function on_close(self, payload)
  local code = #payload >= 2 and string.unpack(">I2", payload) or 1005
  plane.count.closes[#plane.count.closes + 1] = { connection = self.number, code = code, reason = payload:sub(3) }
  if not self.ending then
    self.ending = true
    self:push(websocket.close(code ~= 1005 and code or nil))
  end
end

local function on_frame(self, frame)
  local count = plane.count
  if not frame.masked then count.unmasked = count.unmasked + 1 end
  if frame.opcode == websocket.TEXT then
    on_text(self, frame.payload)
  elseif frame.opcode == websocket.CLOSE then
    on_close(self, frame.payload)
  elseif frame.opcode == websocket.PING then
    count.pings = count.pings + 1
    if not plane.faults.silent then self:push(websocket.frame(websocket.PONG, frame.payload)) end
  elseif frame.opcode == websocket.PONG then
    count.pongs = count.pongs + 1
  end
end

local function read_frames(self)
  while self.open do
    while plane.faults.deaf and self.open do loop.sleep(0.05) end
    local frame = self.open and websocket.read(self.stream)
    if not frame then break end
    on_frame(self, frame)
  end
  self:drop()
end

-- ---- the handshake ----

local function shake_hands_tls(self)
  self.sock = assert(ssl.wrap(self.sock, plane.tls()))
  self.sock:settimeout(0)
  while true do
    local good, why = self.sock:dohandshake()
    if good then return true end
    if why == "wantread" then
      loop.wait_readable(self.sock)
    elseif why == "wantwrite" then
      loop.wait_writable(self.sock)
    else
      plane.count.tls_failures[#plane.count.tls_failures + 1] = why
      return false
    end
  end
end

local function refuse(self, status, more)
  self.stream:send(("HTTP/1.1 %d No\r\n%scontent-length: 0\r\nconnection: close\r\n\r\n"):format(status, more or ""))
  self:drop()
end

-- Returns whether the connection stands.
local function shake_hands(self)
  local first, headers = self.stream:read_head()
  if not first then return self:drop() end
  local method, path = first:match "^(%u+) (%S+) HTTP/1%.1$"
  plane.count.handshakes[#plane.count.handshakes + 1] = { method = method, path = path, headers = headers }
  local refusal = plane.take "refuse"
  if refusal then return refuse(self, refusal.status, refusal.headers) end
  if plane.token and headers.authorization ~= "Bearer " .. plane.token then return refuse(self, 401) end
  local key = headers["sec-websocket-key"]
  if not key then return refuse(self, 400) end
  local answer = plane.take "answer"
  local text = answer and answer.text:gsub("{accept}", websocket.accept(key)) or websocket.switching(key)
  self.stream:send(text .. websocket.from_hex(answer and answer.more or ""))
  return true
end

-- For each connection that was accepted; runs inside a coroutine.
function Connection.serve(sock)
  local self = setmetatable({ sock = sock, open = true, queue = {} }, Connection)
  self.number = plane.accepted(self)
  sock:settimeout(0)
  while plane.faults.stall and self.open do loop.sleep(0.05) end
  if not self.open then return end
  if not plane.plain and not shake_hands_tls(self) then
    self:drop()
    return
  end
  self.stream = Stream.new(self.sock)
  if shake_hands(self) then
    plane.stands(self)
    read_frames(self)
  end
end

return Connection
