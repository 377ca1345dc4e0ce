-- The bytes of one connection, TCP or TLS, and HTTP messages in them.  All of it waits, so it runs inside a coroutine
-- of the loop.

local loop = require "openpr.loop"

local Stream = {}
Stream.__index = Stream

function Stream.new(sock)
  sock:settimeout(0)
  return setmetatable({ sock = sock, rest = "" }, Stream)
end

-- Waits for what `why` says, when it is no end; TLS may want to read in order to write, and the other way round.
local function wait(sock, why, usual)
  if why == "wantread" or (why == "timeout" and usual == "read") then
    loop.wait_readable(sock)
  elseif why == "wantwrite" or (why == "timeout" and usual == "write") then
    loop.wait_writable(sock)
  else
    return false
  end
  return true
end

-- The next bytes, or nil when the peer is gone.
function Stream:more()
  while true do
    local data, why, partial = self.sock:receive(65536)
    local got = data or partial
    if got and #got > 0 then
      return got
    end
    if not wait(self.sock, why, "read") then
      return nil
    end
  end
end

-- Everything up to the end of `mark`, or nil.
function Stream:upto(mark, most)
  while true do
    local _, last = self.rest:find(mark, 1, true)
    if last then
      local found = self.rest:sub(1, last)
      self.rest = self.rest:sub(last + 1)
      return found
    end
    local data = #self.rest < most and self:more()
    if not data then
      return nil
    end
    self.rest = self.rest .. data
  end
end

-- Exactly `count` bytes, or nil; without count all until the peer closes.
function Stream:take(count)
  local pieces, have = { self.rest }, #self.rest
  while not count or have < count do
    local data = self:more()
    if not data then
      if count then
        return nil
      end
      break
    end
    pieces[#pieces + 1] = data
    have = have + #data
  end
  local all = table.concat(pieces)
  count = count or #all
  self.rest = all:sub(count + 1)
  return all:sub(1, count)
end

function Stream:send(data)
  local sent = 0
  while sent < #data do
    local last, why, partial = self.sock:send(data, sent + 1)
    sent = last or partial or sent
    if not last and not wait(self.sock, why, "write") then
      return nil
    end
  end
  return true
end

-- ---- HTTP messages ----

-- The first line and the headers, by lower-case name; or nil.
function Stream:read_head()
  local head = self:upto("\r\n\r\n", 65536)
  if not head then
    return nil
  end
  local first, lines = head:match("^(.-)\r\n(.*)$")
  local headers = {}
  for name, value in lines:gmatch("([^:\r\n]+):[ \t]*([^\r\n]*)") do
    headers[name:lower()] = value
  end
  return first, headers
end

-- A body in chunks, or nil.
function Stream:read_chunked()
  local pieces = {}
  while true do
    local line = self:upto("\r\n", 100)
    local size = line and tonumber(line:match("^%x+"), 16)
    local data = size and self:take(size + 2)
    if not data then
      return nil
    end
    if size == 0 then
      return table.concat(pieces)
    end
    pieces[#pieces + 1] = data:sub(1, -3)
  end
end

return Stream
