-- What config.lua may say of agents behind HTTP, and what it is told when it is wrong.

local loader = require "openpr.config_loader"

local HEAD = 'return { webhook = { secret = "correct-horse-battery" }, '
local STANDARD = "whsec_b3BlbnByLXdlYmhvb2sgdGVzdHMgaXRzIGZvcndhcmRz"

local function load_table(fields, env)
  return loader.load({ path = "/etc/app/config.lua", folder = "/etc/app", client = false, executors = { "codex" },
                       reporters = {}, variables = {} }, {
    getenv = function(name) return (env or {})[name] end,
    readfile = function() return HEAD .. fields .. " }", nil, 384 end, -- 0600
    json_decode = function(value) return value end,
    json_encode = function(value) return value end,
  })
end

-- The mistakes and warnings about one agent, without "agents.a.".
local function about(agent, which)
  local report = load_table("agents = { a = " .. agent .. " }")
  assert.is_nil(report.failure)
  local found = {}
  for _, line in ipairs(report[which or "mistakes"]) do found[#found + 1] = line:match "^agents%.a%.(.*)$" end
  table.sort(found)
  return found
end

local claw = '{ type = "openclaw", url = "http://127.0.0.1:18789", token = "t-o-k-e-n"%s }'
local prx = '{ type = "openprx", url = "http://127.0.0.1:16830"%s }'
local hook = '{ type = "webhook", url = "https://hooks.example.com/x"%s }'

describe("agents behind HTTP", function()
  it("are complete with little", function()
    for _, agent in ipairs { claw:format "", prx:format "", hook:format "" } do
      assert.same({}, about(agent))
      assert.same({}, about(agent, "warnings"))
    end
  end)

  it("have the defaults that the reference names", function()
    local agents = load_table(("agents = { a = %s, b = %s, c = %s }"):format(claw:format "", prx:format "",
                              hook:format "")).config.agents
    assert.same({ "agent", true, "default.txt", 900000 },
                { agents[1].mode, agents[1].wait, agents[1].prompt_template, agents[1].timeout_secs })
    assert.same({ "agent", "mention.txt" }, { agents[2].mode, agents[2].mention_template })
    assert.same({ "POST", false, false, 30000 },
                { agents[3].method, agents[3].standard_webhooks, agents[3].allow_private, agents[3].timeout_secs })
    assert.is_nil(agents[3].prompt_template or agents[3].working_dir or agents[2].wait or agents[1].cli)
  end)

  it("are told what they lack", function()
    assert.same({ "token: is required: hooks.token of the gateway", "url: is required: the gateway's address" },
                about '{ type = "openclaw" }')
    assert.same({ 'channel: is required with mode = "message": the chat',
                  'to: is required with mode = "message": who gets the message' },
                about(claw:format ', mode = "message"'))
    assert.same({ 'url: is required with mode = "agent": the gateway\'s address' }, about '{ type = "openprx" }')
    assert.same({ 'account: is required with mode = "signal": the number that sends',
                  'signal_url: is required with mode = "signal": the address of signal-cli\'s REST API',
                  'to: is required with mode = "signal": who gets the message' },
                about '{ type = "openprx", mode = "signal" }')
    assert.same({ "url: is required" }, about '{ type = "webhook" }')
  end)

  it("are told that an option belongs to another type", function()
    assert.same({ 'cli: is an option of type cli, and this is "webhook"',
                  'prompt_template: is an option of type cli, openclaw, openprx, custom, and this is "webhook"',
                  'token: is an option of type openclaw, openprx, and this is "webhook"' },
                about(hook:format ', cli = "codex", token = "x", prompt_template = "a.txt"'))
    assert.same({ 'secret: is an option of type webhook, and this is "openprx"',
                  'wait: is an option of type openclaw, and this is "openprx"' },
                about(prx:format ', wait = true, secret = "0123456789abcdef"'))
    assert.same({ 'env: is an option of type cli, custom, and this is "openclaw"' }, about(claw:format ", env = {}"))
    local mistakes = about '{ type = "cli", cli = "codex", working_dir = "/", url = "http://x" }'
    assert.same({ 'url: is an option of type openclaw, openprx, webhook, and this is "cli"' }, mistakes)
  end)

  it("are told what is near to a misspelt option", function()
    assert.same({ 'chanel: is not an option; did you mean "channel"?' }, about(claw:format ', chanel = "x"'))
    assert.same({ 'mode: "signal" is not one of agent, message' }, about(claw:format ', mode = "signal"'))
  end)

  it("want channel and to together", function()
    assert.same({ "to: is missing: OpenClaw wants channel and to together" }, about(claw:format ', channel = "slack"'))
    assert.same({ "channel: is missing: OpenClaw wants channel and to together" }, about(claw:format ', to = "x"'))
  end)

  it("have addresses of http and https alone, without what would be a secret", function()
    for _, url in ipairs { "ftp://h/x", "file:///etc/passwd", "h/x", "https://", "https://h/ x", "unix:/x" } do
      assert.equal(1, #about(('{ type = "webhook", url = %q }'):format(url)), url)
    end
    local told = about '{ type = "webhook", url = "https://user:secret@h/x" }'
    assert.same({ "url: must hold no user name or password, and no other @" }, told)
    assert.same({ "url: must hold no #: it is not sent" }, about '{ type = "webhook", url = "https://h/x#secret" }')
    assert.matches("is not https", about('{ type = "webhook", url = "http://h.example.com/x" }', "warnings")[1])
  end)

  it("write no header of the program's own, and none in two lines", function()
    for _, name in ipairs { "Host", "content-length", "X-Webhook-Signature", "webhook-id", "a b", "a:b", "" } do
      assert.equal(1, #about(hook:format((", headers = { [%q] = 'x' }"):format(name))), name)
    end
    assert.equal(1, #about(hook:format ", headers = { ['X-A'] = 'x\\r\\nX-B: y' }"))
    assert.same({}, about(hook:format ", headers = { ['X-A'] = 'x', Authorization = 'Basic eDp5' }"))
  end)

  it("have a secret of Standard Webhooks where that is asked for", function()
    assert.same({ "secret: is required with standard_webhooks" }, about(hook:format ", standard_webhooks = true"))
    for _, secret in ipairs { "0123456789abcdef", "whsec_x", "whsec_" .. ("A"):rep(28), "whsec_" .. ("A"):rep(92),
                              STANDARD .. "=" } do
      local told = about(hook:format((", standard_webhooks = true, secret = %q"):format(secret)))
      assert.matches("base64 of 24 to 64 bytes", told[1], secret)
    end
    assert.same({}, about(hook:format((", standard_webhooks = true, secret = %q"):format(STANDARD))))
  end)

  it("show no secret when they are printed, and print what can be read again", function()
    local fields = ([[agents = { a = %s, b = %s, c = %s }]]):format(claw:format ', agent_id = "main"',
      prx:format ', token = "prx-token-1"', hook:format(', secret = "' .. STANDARD
        .. '", standard_webhooks = true, headers = { ["X-Api-Key"] = "key-of-a-header", ["X-Team"] = "blue" }'))
    local report = load_table(fields)
    assert.same({}, report.mistakes)
    for _, secret in ipairs { "t-o-k-e-n", "prx-token-1", STANDARD, "key-of-a-header" } do
      assert.is_nil(report.printed:find(secret, 1, true), secret)
    end
    assert.is_truthy(report.printed:find('"blue"', 1, true))
    assert.is_nil(report.printed:find("mcp_token", 1, true))
    local again = report.printed:gsub("^return {", ""):gsub("}%s*$", "")
    local second = loader.load({ path = "/c", folder = "/", client = true, executors = { "codex" }, reporters = {},
                                 variables = {} }, {
      getenv = function() end, readfile = function() return "return {" .. again .. "}", nil, 384 end,
      json_decode = function(value) return value end, json_encode = function(value) return value end,
    })
    assert.is_nil(second.failure)
    assert.same({}, second.mistakes)
    assert.equal(report.printed, second.printed)
  end)
end)
