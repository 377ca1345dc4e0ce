-- Waiting for what other processes do, with a deadline; the children's exits are noticed meanwhile.

local uv = require "luv"

local wait = {}

function wait.now()
  return uv.hrtime() / 1e9
end

function wait.pause(seconds)
  local stop = wait.now() + seconds
  repeat
    uv.run "nowait"
    uv.sleep(5)
  until wait.now() >= stop
end

-- Calls `try` until it returns something true, and returns that; raises after `seconds` (default 20), saying `what`
-- (a string, or a function that makes one).
function wait.eventually(what, try, seconds)
  local stop = wait.now() + (seconds or 20)
  while true do
    uv.run "nowait"
    local got = try()
    if got then return got end
    if wait.now() > stop then
      error(("never happened within %g s: %s"):format(seconds or 20, type(what) == "string" and what or what()), 2)
    end
    uv.sleep(20)
  end
end

return wait
