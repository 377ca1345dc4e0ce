-- The server's side of RFC 6455: the handshake and frames, sound or not.

local mime = require "mime"
local sha1 = require "control_plane.sha1"

local websocket = {}

websocket.TEXT, websocket.BINARY, websocket.CLOSE, websocket.PING, websocket.PONG = 1, 2, 8, 9, 10

local GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

function websocket.accept(key)
  return (mime.b64(sha1(key .. GUID)))
end

function websocket.switching(key)
  return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
    .. websocket.accept(key) .. "\r\n\r\n"
end

function websocket.from_hex(text)
  return (text:gsub("%x%x", function(byte) return string.char(tonumber(byte, 16)) end))
end

-- A frame as a server sends it; `fin` is true unless given.
function websocket.frame(opcode, payload, fin)
  local first = (fin == false and 0 or 0x80) | opcode
  local length
  if #payload < 126 then
    length = string.char(#payload)
  elseif #payload < 65536 then
    length = "\126" .. string.pack(">I2", #payload)
  else
    length = "\127" .. string.pack(">I8", #payload)
  end
  return string.char(first) .. length .. payload
end

function websocket.close(code, reason)
  return websocket.frame(websocket.CLOSE, code and string.pack(">I2", code) .. (reason or "") or "")
end

local function unmask(payload, mask)
  local wide = string.unpack("<I8", mask .. mask)
  local padded = payload .. ("\0"):rep(-#payload % 8)
  local parts = {}
  for n = 1, #padded, 8 do parts[#parts + 1] = string.pack("<I8", string.unpack("<I8", padded, n) ~ wide) end
  return table.concat(parts):sub(1, #payload)
end

-- The next frame of a stream: { opcode, fin, masked, payload }, or nil when the peer is gone.
function websocket.read(stream)
  local head = stream:take(2)
  if not head then return nil end
  local first, second = head:byte(1, 2)
  local length = second & 0x7f
  if length == 126 then
    length = stream:take(2)
    length = length and string.unpack(">I2", length)
  elseif length == 127 then
    length = stream:take(8)
    length = length and string.unpack(">I8", length)
  end
  local masked = second & 0x80 ~= 0
  local mask = masked and stream:take(4)
  local payload = length and (mask or not masked) and stream:take(length)
  if not payload then return nil end
  return { opcode = first & 0x0f, fin = first & 0x80 ~= 0, rsv = first & 0x70, masked = masked,
           payload = masked and unmask(payload, mask) or payload }
end

return websocket
