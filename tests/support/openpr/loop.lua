-- Many conversations on one thread: a coroutine each, woken by socket.select.

local socket = require "socket"

local loop = {}

local readers, writers = {}, {} -- socket -> the coroutine that waits for it
local sleepers = {} -- coroutine -> when to wake it

-- ---- waiting, inside a coroutine ----

function loop.wait_readable(sock)
  readers[sock] = coroutine.running()
  coroutine.yield()
end

function loop.wait_writable(sock)
  writers[sock] = coroutine.running()
  coroutine.yield()
end

function loop.sleep(seconds)
  sleepers[coroutine.running()] = socket.gettime() + seconds
  coroutine.yield()
end

-- ---- waking ----

local function resume(co)
  local ok, why = coroutine.resume(co)
  if not ok then
    io.stderr:write(debug.traceback(co, tostring(why)), "\n")
  end
end

-- Runs fn(...) as a coroutine of its own.
function loop.start(fn, ...)
  local arguments = table.pack(...)
  resume(coroutine.create(function()
    fn(table.unpack(arguments, 1, arguments.n))
  end))
end

local stdin = { getfd = function() return 0 end, dirty = function() return false end }

-- Only a pipe says that somebody holds its other end; /dev/null is at its end from the start.
local function stdin_is_pipe()
  local link = io.popen("readlink /proc/self/fd/0")
  local name = link:read("a")
  link:close()
  return name:find("^pipe:") ~= nil or name:find("^socket:") ~= nil
end

local function keys(set, ...)
  local list = { ... }
  for key in pairs(set) do
    list[#list + 1] = key
  end
  return list
end

local function next_wake()
  local soonest
  for _, at in pairs(sleepers) do
    soonest = math.min(soonest or at, at)
  end
  return soonest and math.max(0, soonest - socket.gettime())
end

local function wake_sleepers()
  local now = socket.gettime()
  for _, co in ipairs(keys(sleepers)) do
    if sleepers[co] <= now then
      sleepers[co] = nil
      resume(co)
    end
  end
end

local function wake(waiting, sock)
  local co = waiting[sock]
  waiting[sock] = nil
  if co then
    resume(co)
  end
end

-- For ever: accept(socket) gets each connection of `listener`.
function loop.run(listener, accept)
  local watched = stdin_is_pipe() and stdin or nil
  while true do
    local to_read = keys(readers, listener, watched)
    local readable, writable = socket.select(to_read, keys(writers), next_wake())
    for _, sock in ipairs(readable) do
      if sock == listener then
        local client = listener:accept()
        if client then
          loop.start(accept, client)
        end
      elseif sock == stdin then
        if not io.read(1) then
          os.exit(0, true)
        end
      else
        wake(readers, sock)
      end
    end
    for _, sock in ipairs(writable) do
      wake(writers, sock)
    end
    wake_sleepers()
  end
end

return loop
