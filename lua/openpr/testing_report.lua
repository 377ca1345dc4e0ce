-- Tells `openpr-webhook test` which test begins and how it ends: the output handler that it gives to busted.

local wire = require "openpr.testing_wire"

return function()
  local busted = require "busted"
  local handler = require "busted.outputHandlers.base"()

  -- On a terminal luassert paints by a __concat metamethod, and Lua 5.4.4 (Debian 12) crashes when the stack moves in
  -- the midst of one.
  require "luassert":set_parameter("TableErrorHighlightColor", "none")

  local function place(element)
    local trace = element.trace or {}
    return { name = wire.words(handler.getFullName(element)), file = trace.source and wire.words(trace.source:sub(2)),
             line = trace.currentline }
  end

  -- The line of the spec's own file where it failed, which may have been in openpr.testing.
  local function failing_line(element, trace)
    local name = element.trace and element.trace.short_src
    if not name or not trace or not trace.traceback then return nil end
    return math.tointeger(trace.traceback:match("\n%s+" .. name:gsub("%p", "%%%0") .. ":(%d+): "))
  end

  local function ended(element, status, failure)
    local told = place(element)
    told.status = status
    if failure then
      told.message = wire.words(failure.message or "it failed"):gsub("^[^\n:]*/openpr/testing%.lua:%d+: ", "")
      told.line = failing_line(element, failure.trace) or told.line
    end
    wire.tell("end", told)
    return nil, true
  end

  busted.subscribe({ "test", "start" }, function(element)
    wire.tell("begin", place(element))
    return nil, true
  end)

  busted.subscribe({ "test", "end" }, function(element, _, status)
    local why
    if status == "failure" then why = handler.failures[#handler.failures] end
    if status == "error" then why = handler.errors[#handler.errors] end
    return ended(element, status, why)
  end)

  -- Without it, something has ended busted early.
  busted.subscribe({ "suite", "end" }, function()
    wire.tell("done", { tests = handler.successesCount + handler.failuresCount + handler.errorsCount })
    return nil, true
  end)

  -- A file that does not load, a describe or a setup that fails.
  local function outside(element, _, message, trace)
    if element.descriptor ~= "it" then return ended(element, "error", { message = message, trace = trace }) end
    return nil, true
  end
  busted.subscribe({ "error" }, outside)
  busted.subscribe({ "failure" }, outside)

  return handler
end
