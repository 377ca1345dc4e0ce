-- The examples of docs/agents.md: each is a config.lua without a mistake, and those of agents behind HTTP work against
-- stand-ins when only their addresses are changed.

local daemon = require "support.daemon"
local event = require "support.event"
local gateway = require "support.gateway"
local openpr = require "support.openpr"

local file = assert(io.open "docs/agents.md")
local manual = file:read "a"
file:close()

-- { type of the agent `default`, source }
local examples = {}
for source in manual:gmatch "```lua config\n(.-)```" do
  examples[#examples + 1] = { source:match 'default%s*=%s*{ type = "(%w+)"', source }
end

local ENV = {
  OPENPR_WEBHOOK_SECRET = daemon.secret, OPENCLAW_HOOK_TOKEN = gateway.token, PRX_TOKEN = gateway.token,
  FORWARD_SECRET = "whsec_b3BlbnByLXdlYmhvb2sgdGVzdHMgaXRzIGZvcndhcmRz",
}

describe("docs/agents.md", function()
  local d, g, o

  before_each(function()
    o, g = openpr.start(), gateway.start()
    d = daemon.prepare({}, o)
    for name, value in pairs(ENV) do d.env[name] = value end
    d.env.OPENPR_BOT_TOKEN = o.token
    for name in manual:gmatch 'env "([%u_]+)"' do d.env[name] = d.env[name] or "a-token-of-the-test" end
  end)
  after_each(function()
    d:close()
    g:stop()
    o:stop()
  end)

  -- The example with the addresses of the stand-ins.
  local function here(source)
    source = source:gsub('api_url = "[^"]*"', ('api_url = %q'):format(o.url))
      :gsub('([^_]url%s*=%s*)"[^"]*"', function(key) return key .. ("%q"):format(g.url) end)
      :gsub('(signal_url%s*=%s*)"[^"]*"', function(key) return key .. ("%q"):format(g.url) end)
      :gsub('type = "webhook"', 'type = "webhook", allow_private = true')
      :gsub("/srv/checkout[%w/]*", d.dir .. "/repo")
    return (source:gsub("webhook%s*= { ", 'webhook = { listen = "127.0.0.1:0", '))
  end

  for n, example in ipairs(examples) do
    local kind, source = table.unpack(example)

    it(("example %d (%s) is a config.lua without a mistake"):format(n, tostring(kind)), function()
      daemon.write(d.dir .. "/config.lua", here(source))
      local code, _, why = d:verb "check"
      assert.equal(0, code, why)
    end)

    if kind == "openclaw" or kind == "openprx" or kind == "webhook" then
      it(("example %d (%s) works"):format(n, kind), function()
        daemon.write(d.dir .. "/config.lua", here(source))
        d:start()
        local issue = o:knows(event.issue())
        local answer = d:post((issue:assigned())).json
        assert.equal("dispatched", answer.status, event.json.encode(answer))
        assert.equal("success", d:ended(answer.run_id).outcome)
        assert.equal(1, #o:issue(issue.id).comments)
      end)
    end
  end

  it("has an example of each type behind HTTP", function()
    local seen = {}
    for _, example in ipairs(examples) do seen[example[1] or "?"] = true end
    assert.is_true(seen.openclaw and seen.openprx and seen.webhook and seen.cli)
  end)
end)
