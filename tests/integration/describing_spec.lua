-- lua/meta/openpr.lua tells of what the daemon really gives to policies: runs and agents, which no fixture holds.

local daemon = require "support.daemon"
local event = require "support.event"
local openpr = require "support.openpr"
local uv = require "luv"
local wait = require "support.wait"
local meta = dofile "tests/support/meta.lua"

-- Says all that it is given.  "AGENTS" is the environment's table.
local CALLBACK = [[
return function(run, event, agent)
  return { comment = "GIVEN " .. json.encode { run = run, event = event, agent = agent, all = agents } }
end
]]

describe("lua/meta/openpr.lua", function()
  local d, o
  before_each(function()
    o = openpr.start()
    d = daemon.prepare({ policies = { dir = "policies" },
                         agents = { default = { bots = { "3f7a9c12-5d4e-4b8a-9c6f-0a1b2c3d4e5f" } },
                                    claw = { type = "openclaw", url = "http://127.0.0.1:9", token = "t0ken" } } }, o)
    assert(uv.fs_mkdir(d.dir .. "/policies", 448))
    daemon.write(d.dir .. "/policies/callback.lua", CALLBACK)
    d:start()
  end)
  after_each(function()
    d:close()
    o:stop()
  end)

  -- What the callback was given for the start and the end of a run.
  local function given(directives)
    local issue = event.issue { description = directives }
    o:knows(issue, (select(2, issue:task())))
    local id = d:post((issue:assigned())).json.run_id
    d:ended(id)
    local list = {}
    wait.eventually("both are said", function() return #o:issue(issue.id).comments == 2 end)
    for n, comment in ipairs(o:issue(issue.id).comments) do
      list[n] = event.json.decode(comment.body:match "GIVEN (%b{})")
    end
    return list
  end

  -- As core/script/decode.c: null is nothing, whole numbers are integers.
  local function tidied(value)
    if value == event.json.null then return nil end
    if math.type(value) == "float" then return math.tointeger(value) or value end
    if type(value) ~= "table" then return value end
    local out = {}
    for key, item in pairs(value) do out[key] = tidied(item) end
    return out
  end

  it("tells of every field of runs, events and agents that the daemon gives, and of no other", function()
    local classes, seen = meta.read(), {}
    for _, directives in ipairs { "", "STAND-IN: fail", "STAND-IN: exit 3", "STAND-IN: kill-self" } do
      for _, one in ipairs(given(directives)) do
        one = tidied(one)
        assert.is_nil(meta.differences(one.run, "Run", classes, seen))
        assert.is_nil(meta.differences(one.event, "Event", classes, seen))
        assert.is_nil(meta.differences(one.agent, "Agent", classes, seen))
        assert.is_nil(meta.differences(one.all.default, "Agent", classes, seen))
        assert.is_nil(meta.differences(one.all.claw, "Agent", classes, seen))
      end
    end
    assert.same({}, meta.unseen(seen, classes, "Run", "Agent"))
  end)
end)
