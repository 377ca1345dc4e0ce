-- A stand-in for OpenPR: the part of its REST API and MCP server that the dispatcher speaks to, with the answers
-- and failures that a live one gave, and a way to make it fail on purpose.
--
--   lua5.4 tests/support/openpr.lua PORT_FILE [--log FILE]
--
-- It listens on a free loopback port and writes its number to PORT_FILE.  It ends when its standard input, if that
-- is a pipe, is closed, or on SIGTERM.  What can be asked of it under /_control: openpr/control.lua.

local folder = arg[0]:match("^(.*/)") or "./"
package.path = folder .. "?.lua;" .. package.path

local server = require "openpr.server"
local control = require "openpr.control"
local faults = require "openpr.faults"
local mcp = require "openpr.mcp"
local rest = require "openpr.rest"
local state = require "openpr.state"

local function parse_arguments(list)
  local options, i = {}, 1
  while list[i] do
    if list[i] == "--log" then
      options.log, i = list[i + 1], i + 1
    else
      options.port_file = list[i]
    end
    i = i + 1
  end
  if not options.port_file then
    io.stderr:write("usage: openpr.lua PORT_FILE [--log FILE]\n")
    os.exit(2)
  end
  return options
end

local options = parse_arguments(arg)
local log = options.log and assert(io.open(options.log, "a"))

local function answer(request)
  if request.path == "/mcp/rpc" then
    return mcp.answer(request)
  end
  return rest.answer(request)
end

local function write_log(record)
  if log then
    log:write(string.format("%s %s -> %s\n", record.method, record.path, record.answer or "nothing"))
    log:flush()
  end
end

local function handle(request)
  if request.path:find("^/_control") then
    return control.answer(request)
  end
  local record = state.record(request)
  local response = faults.apply(request, record, answer)
  record.answer = response.how or tostring(response.status)
  record.code = response.value and response.value.code
  write_log(record)
  return response
end

local port = server.listen(handle)
local temporary = options.port_file .. ".new"
local file = assert(io.open(temporary, "w"))
file:write(port, "\n")
file:close()
assert(os.rename(temporary, options.port_file)) -- whoever waits for it never sees half of it
server.run()
