-- What filter and route make of an event, and what becomes of it when they fail.

local daemon = require "support.daemon"
local event = require "support.event"
local http = require "support.http"
local process = require "support.process"
local sign = require "support.sign"
local uv = require "luv"
local wait = require "support.wait"

local function post(d, body)
  local response = d:post(body)
  return response.json, response.status
end

describe("the shipped filter", function()
  local d
  -- Safe mode: everything is decided, nothing started.
  setup(function() d = daemon.prepare({ executor = { safe_mode = true } }):start() end)
  teardown(function() d:close() end)

  local accepted = {
    ["an issue created with the bot"] = function(i) return i:created() end,
    ["an assignment"] = function(i) return i:assigned() end,
    ["a mention"] = function(i) return i:mentioned() end,
  }
  for what, make in pairs(accepted) do
    it("accepts " .. what, function()
      local answer, status = post(d, make(event.issue()))
      assert.same({ "observed", 200 }, { answer.status, status })
    end)
  end

  local rules = {}
  local cases = {
    { "an event between people", function(i) return i:edited { people = true } end },
    { "what the bot did itself", function(i) return i:moved { actor = event.bot } end },
    { "what another bot did", function(i) return i:assigned { actor = event.other_bot } end },
    { "a deletion", function(i) return i:deleted() end },
    { "an edit, which OpenPR calls assigned too", function(i) return i:edited() end },
    { "a change of state", function(i) return i:moved() end },
    { "an assignment that takes the bot away while the context names it", function(i)
      return (i:assigned { removed = true })
    end },
    { "an event of another kind", function(i)
      return (i:assigned():gsub('"event":"issue.assigned"', '"event":"sprint.started"'))
    end },
  }
  for _, case in ipairs(cases) do
    it("ignores " .. case[1] .. ", by a rule of its own", function()
      local answer, status = post(d, case[2](event.issue()))
      assert.same({ "ignored", 200 }, { answer.status, status })
      assert.matches("%S", answer.rule)
      assert.is_nil(rules[answer.rule], answer.rule)
      rules[answer.rule] = case[1]
    end)
  end

  it("answers an AI task of another kind 503, so that OpenPR does not wait for it", function()
    local body = event.issue():task():gsub('"issue_assigned"', '"vote_requested"')
    local answer, status = post(d, body)
    assert.same({ "ignored", 503 }, { answer.status, status })
  end)

  it("records what it decided", function()
    local answer = post(d, event.issue():edited())
    -- What is ignored is answered before it is on disk.
    local row = wait.eventually("the event is listed", function()
      for _, row in ipairs(d:json("events", "--json", "--limit", "100")) do
        if row.event_id == answer.event_id then return row end
      end
    end)
    assert.same({ "ignored", answer.rule, "issue.updated" }, { row.status, row.rule, row.name })
  end)
end)

describe("the shipped route", function()
  local d
  local listed = event.id()

  setup(function()
    local mark = { OPW_MARK = "" }
    d = daemon.prepare { agents = {
      default = { cli = "claude-code" },
      ["ai-fixer"] = { type = "cli", cli = "codex", env = mark },
      reviewer = { type = "cli", cli = "opencode", env = mark, bots = { listed } },
    } }
    mark.OPW_MARK = d.dir
    d:configure()
    d:start()
  end)
  teardown(function() d:close() end)

  local function routed(bot, type)
    local body = event.issue({ bot = bot }):assigned()
    local answer = post(d, (body:gsub('"bot_agent_type":"custom"', ('"bot_agent_type":"%s"'):format(type))))
    assert.equal("dispatched", answer.status)
    return answer.agent
  end

  it("takes the agent of the bot's name, in any case", function()
    assert.equal("ai-fixer", routed({ id = event.id(), name = "AI-Fixer" }, "custom"))
  end)
  it("takes the agent that lists the bot's id", function()
    assert.equal("reviewer", routed({ id = listed, name = "nobody" }, "custom"))
  end)
  it("prefers the name to the id", function()
    assert.equal("ai-fixer", routed({ id = listed, name = "ai-fixer" }, "custom"))
  end)
  it("takes the first agent of the bot's type", function()
    assert.equal("ai-fixer", routed({ id = event.id(), name = "nobody" }, "cli"))
  end)
  it("falls back to the default", function()
    assert.equal("default", routed({ id = event.id(), name = "nobody" }, "custom"))
  end)
end)

describe("without an agent for it", function()
  local d
  setup(function()
    d = daemon.prepare { agents = { default = daemon.source "nil", ["ai-fixer"] = { type = "cli", cli = "codex" } } }
    d:start()
  end)
  teardown(function() d:close() end)

  it("an event is answered no_agent with the bot's name", function()
    local answer, status = post(d, event.issue():assigned())
    assert.same({ "no_agent", "default", 200 }, { answer.status, answer.bot_name, status })
  end)

  it("an AI task is answered 503", function()
    local answer, status = post(d, (event.issue():task()))
    assert.same({ "no_agent", 503 }, { answer.status, status })
  end)
end)

describe("with the gate off", function()
  local d
  setup(function() d = daemon.prepare({ features = { cli_executor = false } }):start() end)
  teardown(function() d:close() end)

  it("nothing is started, the answer names the gate, and the event can be released", function()
    local answer, status = post(d, event.issue():assigned())
    assert.same({ "disabled", "cli_executor", 200 }, { answer.status, answer.gate, status })
    assert.same({}, d:json("runs", "--json"))
    d:configure { features = { cli_executor = true } }
    assert.equal(0, (d:verb "reload"))
    local released = d:json("release", "--json", answer.event_id)
    assert.equal("dispatched", released.status)
    assert.equal("success", d:ended(released.run_id, true).outcome)
  end)
end)

describe("a policy that fails", function()
  local d
  local bad = [[
    return function(event)
      local title = event.issue.title
      if title:find "raise" then error "raised on purpose" end
      if title:find "spin" then while true do end end
      if title:find "pcall" then while true do pcall(function() while true do end end) end end
      if title:find "pattern" then return ("a"):rep(100000):find ".-.-.-b" and accept end
      if title:find "memory" then
        local all = {}
        while true do all[#all + 1] = ("x"):rep(100000) .. #all end
      end
      if title:find "nonsense" then return 42 end
      return accept
    end
  ]]

  before_each(function()
    d = daemon.prepare()
    assert(uv.fs_mkdir(d.dir .. "/policies", 448))
    daemon.write(d.dir .. "/policies/filter.lua", bad)
    d:configure { policies = { dir = d.dir .. "/policies" } }
    d:start()
  end)
  after_each(function() d:close() end)

  for _, how in ipairs { "raise", "spin", "pcall", "pattern", "memory", "nonsense" } do
    it(how .. ": the event is held, listed, and runs once the policy is mended", function()
      local answer, status = post(d, event.issue({ title = how }):assigned())
      assert.same({ "held", 202 }, { answer.status, status })
      assert.matches("%S", answer.reason)
      local held = d:json("events", "--json", "--status", "held")
      assert.same({ 1, answer.event_id }, { #held, held[1].event_id })

      daemon.write(d.dir .. "/policies/filter.lua", "return function() return accept end")
      assert.equal(0, (d:verb "reload"))
      local released = d:json("release", "--json", answer.event_id)
      assert.equal("success", d:ended(released.run_id, true).outcome)
    end)
  end

  it("says file and line", function()
    assert.matches("filter%.lua:3: raised on purpose", post(d, event.issue({ title = "raise" }):assigned()).reason)
  end)

  it("costs no other event its answer, and /health answers meanwhile", function()
    local open = {}
    for n = 1, 40 do
      local title = n % 2 == 0 and "spin" or "fine"
      local body = event.issue({ title = title }):assigned()
      open[n] = { http.connect(d.port, 60), title }
      open[n][1]:send(http.text("POST", "/webhook", { ["x-webhook-signature"] = sign.hmac(daemon.secret, body) }, body))
    end
    local asked = wait.now()
    assert.equal("ok", http.request(d.port, "GET", "/health").body)
    assert.is_true(wait.now() - asked < 5)
    for n = 1, 40 do
      local response = assert(http.read(open[n][1]))
      open[n][1]:close()
      assert.equal(202, response.status)
      -- A loaded machine may find no worker free in time: then it is stored undecided, which is `held` too.
      if open[n][2] == "spin" then assert.equal("held", response.json.status) end
    end
    local function fine()
      local count = 0
      for _, run in ipairs(d:json("runs", "--json", "--limit", "100")) do
        if run.outcome == "success" then count = count + 1 end
      end
      return count
    end
    local function report() return fine() .. " of 20 have run\n" .. d:log() end
    wait.eventually(report, function() return fine() == 20 end, 60)
    assert.equal(20, #d:json("events", "--json", "--status", "held"))
  end)

  it("is killed with its worker, and a new one takes its place", function()
    for _ = 1, 6 do post(d, event.issue({ title = "spin" }):assigned()) end
    assert.equal("dispatched", post(d, event.issue({ title = "fine" }):assigned()).status)
  end)
end)

describe("a policy worker that is killed from outside", function()
  it("loses no event", function()
    local d = daemon.prepare():start()
    post(d, event.issue():edited()) -- a worker exists now
    for _, line in ipairs(process.marked(d.dir)) do
      local pid = tonumber(line:match "^%d+")
      local parent = io.open("/proc/" .. pid .. "/stat"):read("a"):match "%) %u (%d+)"
      -- The zygote's children are the workers, the daemon's own child is the zygote.
      if pid ~= d.child.pid and tonumber(parent) ~= d.child.pid then
        uv.kill(pid, "sigkill")
        wait.eventually("the worker is dead", function() return not process.alive(pid) end)
      end
    end
    for _ = 1, 8 do
      local answer = post(d, event.issue():edited())
      assert.equal("ignored", answer.status)
    end
    d:close()
  end)
end)
