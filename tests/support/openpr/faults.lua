-- Failures on demand.  A fault is a table of
--
--   which requests   method, path (a Lua pattern found in the path), tool (of an MCP call); all optional
--   how often        times (default 1; 0: for ever), after skip (default 0) matching requests
--   before or after  handled = true: the request takes effect first, then the fault is what the client sees
--   what             status, content_type, body     that HTTP answer
--                    headers                        that it also has ({ name = value })
--                    code, message                  HTTP 200 and that envelope
--                    rpc_error = {code, message}    HTTP 200 and that JSON-RPC error
--                    tool_error = TEXT              HTTP 200 and isError with that text
--                    hang, close, garbage = true    no answer for ever, none at all, bytes that are not HTTP
--                    truncate = N                   the answer's head and N bytes of its body, then the end
--                    delay = SECONDS                waits first; alone: then the usual answer
--
-- The first fault that matches is used.

local json = require "openpr.json"
local loop = require "openpr.loop"

local faults = {}

local active = {}

function faults.add(fault)
  fault.left = fault.times or 1
  fault.skip = fault.skip or 0
  active[#active + 1] = fault
end

function faults.clear()
  active = {}
end

local function matches(fault, request, record)
  local call = type(record.json) == "table" and record.json.params
  local tool = type(call) == "table" and call.name
  return (not fault.method or fault.method == request.method)
    and (not fault.path or request.path:find(fault.path) ~= nil)
    and (not fault.tool or fault.tool == tool)
end

local function take(request, record)
  for i, fault in ipairs(active) do
    if matches(fault, request, record) then
      if fault.skip > 0 then
        fault.skip = fault.skip - 1
        return nil
      end
      fault.left = fault.left - 1
      if fault.left == 0 then
        table.remove(active, i)
      end
      return fault
    end
  end
end

local function json_response(value)
  return { status = 200, headers = { ["content-type"] = "application/json" }, body = json.encode(value) }
end

local function rpc_response(record, fields)
  fields.jsonrpc = "2.0"
  fields.id = type(record.json) == "table" and record.json.id or json.null
  return json_response(fields)
end

-- What the client gets; `usual` is the answer of a request that took effect, or nil.
local function spoil(fault, record, usual)
  if fault.hang or fault.close or fault.garbage then
    return { how = fault.hang and "hang" or fault.close and "close" or "garbage" }
  elseif fault.truncate then
    usual.how, usual.bytes = "truncate", fault.truncate
    return usual
  elseif fault.code then
    return json_response { code = fault.code, message = fault.message or "asked to fail" }
  elseif fault.rpc_error then
    return rpc_response(record, { error = fault.rpc_error })
  elseif fault.tool_error then
    local content = json.array { { type = "text", text = fault.tool_error } }
    return rpc_response(record, { result = { content = content, isError = true } })
  elseif fault.status or fault.body then
    local headers = { ["content-type"] = fault.content_type or "text/plain" }
    for name, value in pairs(fault.headers or {}) do
      headers[name] = value
    end
    return { status = fault.status or 200, headers = headers, body = fault.body or "" }
  end
  return usual
end

local own_answers = { "hang", "close", "garbage", "code", "rpc_error", "tool_error", "status", "body" }

local function needs_usual(fault)
  for _, name in ipairs(own_answers) do
    if fault[name] then
      return fault.handled
    end
  end
  return true
end

-- Answers the request by `answer`, or as the first matching fault says.
function faults.apply(request, record, answer)
  local fault = take(request, record)
  if not fault then
    return answer(request)
  end
  record.fault = true
  if fault.delay then
    loop.sleep(fault.delay)
  end
  return spoil(fault, record, needs_usual(fault) and answer(request) or nil)
end

return faults
