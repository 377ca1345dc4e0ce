local template = require "openpr.template"
local testing = require "openpr.testing"

local function with(files, opts)
  opts = opts or {}
  opts.files = {}
  for name, source in pairs(files) do opts.files["policies/" .. name .. ".lua"] = source end
  local policies = testing.deploy(opts)
  assert.same({}, policies.mistakes)
  return policies
end

describe("decide", function()
  it("gives the rules of both policies and the targets", function()
    local policies = with({ route = [[return rules {
      { "both", when.always, to({ "codex", "reviewer" }, { timeout = 90 * seconds }) } }]] },
      { agents = { codex = { type = "cli" }, reviewer = { type = "cli" } } })
    assert.same({
      action = "accept", rule = "both", filter_rule = "assigned to the bot",
      targets = { { agent = "codex", timeout = 90000 }, { agent = "reviewer", timeout = 90000 } },
    }, policies.decide(testing.assigned()))
  end)

  it("gives a timeout in whole milliseconds, at least one", function()
    local source = "return rules { { 'x', when.always, to('default', { timeout = %s }) } }"
    for timeout, ms in pairs { ["1.5"] = 1500, ["1 * hours"] = 3600000, ["0.00001"] = 1, ["2 * milliseconds"] = 2 } do
      local target = with({ route = source:format(timeout) }).decide(testing.assigned()).targets[1]
      assert.equal(ms, target.timeout)
      assert.equal("integer", math.type(target.timeout))
    end
  end)

  it("does not ask route about what filter ignores", function()
    local policies = with { filter = "return rules { { 'no', when.always, ignore 'why' } }",
                            route = "return function() error 'asked' end" }
    assert.same({ action = "ignore", rule = "no", filter_rule = "no", reason = "why" },
      policies.decide(testing.assigned()))
  end)

  it("ignores what no rule of the filter matches", function()
    local answer = with({ filter = "return rules { { 'x', ~when.always, accept } }" }).decide(testing.assigned())
    assert.same({ "ignore", "no rule", "no rule" }, { answer.action, answer.rule, answer.filter_rule })
  end)

  it("has no agent where no rule of the route decides", function()
    local answer = with({ route = "return function() end" }).decide(testing.assigned())
    assert.same({ action = "no_agent", rule = "no rule", filter_rule = "assigned to the bot",
                  reason = 'no agent for bot "default"' }, answer)
  end)

  it("skips the filter for a dispatch alone", function()
    local policies = with { filter = "return function() return ignore 'no' end" }
    local event = testing.dispatched(testing.assigned())
    event.skip_filter = true
    assert.same({ "accept", "filter skipped", "bot name" },
      { policies.decide(event).action, policies.decide(event).filter_rule, policies.decide(event).rule })
    event = testing.assigned()
    event.skip_filter = true
    assert.equal("ignore", policies.decide(event).action)
  end)

  it("lets a dispatch name its agent, without asking route", function()
    local policies = with({ route = "return function() error 'asked' end" },
      { agents = { reviewer = { type = "cli" } } })
    local answer = policies.decide(testing.dispatched(testing.assigned(), { agent = "reviewer" }))
    assert.same({ action = "accept", rule = "agent of the dispatch", filter_rule = "assigned to the bot",
                  targets = { { agent = "reviewer" } } }, answer)
  end)

  it("has no agent for a dispatch that names one that is not configured", function()
    local answer = with({}).decide(testing.dispatched(testing.assigned(), { agent = "nobody" }))
    assert.same({ action = "no_agent", rule = "agent of the dispatch", filter_rule = "assigned to the bot",
                  reason = 'no agent "nobody" in config.lua' }, answer)
  end)

  it("says what is missing where no bot is named", function()
    local policies = with({}, { agents = { reviewer = { type = "cli" } } })
    local answer = policies.decide(testing.dispatched(nil, { text = "Do it" }))
    assert.same({ "no_agent", "no agent: no bot is named, and there is no agents.default" },
      { answer.action, answer.reason })
  end)

  it("lets the route ignore and cancel", function()
    for _, action in ipairs { "ignore", "cancel" } do
      local answer = with({ route = ("return function() return %s 'late' end"):format(action) })
        .decide(testing.assigned())
      assert.same({ action, "route.lua", "late" }, { answer.action, answer.rule, answer.reason })
      assert.is_nil(answer.targets)
    end
  end)

  it("gives a reason in one bounded line, the rule's name where there is none", function()
    local source = "return function() return ignore(('a\\n é'):rep(200)) end"
    local long = with({ filter = source }).decide(testing.assigned())
    assert.is_true(#long.reason < 256)
    assert.is_nil(long.reason:find "\n")
    assert.is_truthy(utf8.len(long.reason))
    assert.equal("mine", with({ filter = "return rules { { 'mine', when.always, ignore } }" })
      .decide(testing.assigned()).reason)
  end)

  local bad = {
    { "return function() return true end", "policies/filter.lua: its function returned a boolean, not a verdict" },
    { "return function() end", "its function returned nothing; it returns accept, ignore or cancel" },
    { "return function() return to 'default' end", "to%(...%) is for route.lua" },
    { "return function() return { action = 'accept' } end", "returned a table, not a verdict" },
    { "return function() error() end", "policies/filter.lua: raised a nil" },
    { "return rules { { 'x', function() error {} end, accept } }", "policies/filter.lua: raised a table" },
    { "if now() == 5 then error {} end return function() end", "policies/filter.lua: raised a table" },
    { "if now() == 5 then return 7 end return function() end", "returned a number this time" },
  }
  for n, case in ipairs(bad) do
    it("raises for an answer that is none: " .. n, function()
      local event = testing.assigned()
      event.now = 5
      local ok, why = pcall(with({ filter = case[1] }).decide, event)
      assert.is_false(ok)
      assert.matches(case[2], why)
    end)
  end

  it("raises before anything is loaded", function()
    package.loaded["openpr.worker"] = nil
    local worker, host = require "openpr.worker", testing.host {}
    for _, name in ipairs { "decide", "render", "callback", "rules" } do
      assert.error_matches(function() worker[name]("{}", host) end, "no policies are loaded")
    end
  end)

  it("gives each policy an event of its own", function()
    local policies = with {
      filter = "return function(e) e.bot.name, e.issue.title = 'changed', 'changed' return accept end",
      route = "return function(e) log.info('%s', e.bot.name .. e.issue.title) return to 'default' end",
    }
    policies.decide(testing.assigned())
    assert.same({ "info policies/route.lua: defaultLogin fails" }, policies.logged)
  end)
end)

describe("explain", function()
  it("tells each rule that was tried, and the decision that stands", function()
    local policies = with({ route = [[return rules {
      { "other", when.project "WEB", to "default" },
      { "late", when.human & when.label "x", to "default" },
      { "all", when.always, to "default" } }]] })
    local event = testing.assigned()
    local told = policies.ask("explain", event)
    assert.same(policies.decide(event), told.decision)
    assert.same({ "filter", "rules", "assigned to the bot", "accept" },
      { told.policies[1].hook, told.policies[1].kind, told.policies[1].rule, told.policies[1].verdict })
    local route = told.policies[2]
    assert.same({ "all", 'to "default"', 4, 3 }, { route.rule, route.verdict, route.line, #route.tried })
    assert.same({ "CORE" , "default", "CORE-A1B2C3D4", "assignment" },
      { told.event.project, told.event.bot.name, told.event.issue.key, told.event.kind })
    assert.is_nil(told.failure)
  end)

  it("tells nothing of the route when the filter ignores", function()
    local told = with({}).ask("explain", testing.created { bot = false })
    assert.same({ 1, "ignore", "nobody asked" }, { #told.policies, told.decision.action, told.decision.rule })
  end)

  it("tells of functions what they said", function()
    local told = with({ filter = "return function() return accept end" }).ask("explain", testing.assigned())
    assert.same({ hook = "filter", kind = "function", rule = "filter.lua", verdict = "accept" }, told.policies[1])
  end)

  it("tells where a policy failed, with what was tried before", function()
    local told = with({ filter = [[return rules {
      { "first", when.gone, accept },
      { "bad", function(e) return e.nothing.here end, accept } }]] }).ask("explain", testing.assigned())
    assert.is_nil(told.decision)
    assert.matches("policies/filter.lua:3: .*nothing", told.failure)
    assert.same({ "first", "bad" }, { told.policies[1].tried[1].rule, told.policies[1].tried[2].rule })
  end)

  it("understands whatever comes", function()
    for _, body in ipairs { {}, { event = 7 }, { event = "x", data = "y", actor = { 1 }, bot_context = false } } do
      local told = with({}).ask("explain", { now = 1, body = body })
      assert.is_table(told.event)
      assert.is_table(told.decision)
    end
  end)
end)

describe("rules", function()
  it("lists both policies", function()
    local told = with({ filter = "return function() return accept end",
                        route = 'return rules { { "a", when.label "x", to "default" } }' }).ask("rules", {})
    assert.same({ { hook = "filter", kind = "function" },
                  { hook = "route", kind = "rules", rules = { { n = 1, name = "a", when = 'label "x"',
                                                                action = 'to "default"' } } } }, told.policies)
  end)
end)

describe("render", function()
  local function rendering(body) return with { render = "return function(event, agent)\n" .. body .. "\nend" } end

  it("gives the prompt", function()
    assert.same({ prompt = "Do it, default" }, rendering("return 'Do it, ' .. agent.name").render(testing.assigned()))
  end)

  local readers = {
    "return 'x' .. tostring(event.issue.description)",
    "local ok, d = pcall(function() return event.issue.description end) return 'wrong prompt'",
    "pcall(pcall, pcall, function() return event.issue.labels end) return 'wrong prompt'",
    "local out = {} for k, v in pairs(event.issue) do out[#out + 1] = k .. tostring(v) end return table.concat(out)",
    "local out = {} for k in next, event.issue do out[#out + 1] = k end return 'x' .. table.concat(out)",
    "return 'x' .. tostring(rawget(event.issue, 'description'))",
    "return 'x' .. json.encode(event.issue)",
    "return 'x' .. json.encode { nested = { event } }",
    "return 'x' .. tostring(when.state 'todo'(event))",
    "return 'x' .. tostring(when.label 'bug'(event))",
    "return 'x' .. tostring(when.field 'issue.priority'(event))",
    "return template 'default.txt'",
    "local ok, t = pcall(template, 'default.txt') return ok and t or 'wrong prompt'",
    "if event.issue.state == 'done' then return 'x' end return 'y'",
    "local t = setmetatable({}, { __index = event.issue }) return 'x' .. tostring(t.state)",
  }
  for n, body in ipairs(readers) do
    it("asks for the issue however a policy reads what is not there: " .. n, function()
      local policies = rendering(body)
      assert.same({ needs = "issue" }, policies.render(testing.task()))
      local told = policies.render(testing.task(nil, { completion = testing.completion() }))
      assert.is_string(told.prompt)
    end)
  end

  it("does not ask for what is there", function()
    for _, body in ipairs {
      "return event.issue.title .. event.issue.id .. event.comment.body .. event.payload.id",
      "return 'x' .. json.encode { event.payload, event.comment, { { 1 } } }",
      "return 'x' .. tostring(next(event.comment)) .. tostring(rawget(event.project, 'key'))",
    } do
      assert.is_string(rendering(body).render(testing.mentioned()).prompt)
    end
  end)

  it("does not ask again for an issue that is gone", function()
    local policies = rendering "return 'x' .. tostring(event.issue.description)"
    assert.same({ prompt = "xnil" }, policies.render(testing.task(nil, { completion = { missing = "issue" } })))
  end)

  it("cannot get rid of the question", function()
    assert.error_matches(function() rendering("setmetatable(event.issue, nil) return 'x'").render(testing.task()) end,
      "the metatable of this value cannot be set")
    local hidden = rendering "return 'x' .. tostring(getmetatable(event.issue))"
    assert.same({ prompt = "xnil" }, hidden.render(testing.task()))
  end)

  it("puts a word before what a CLI could take for a command", function()
    local starts = { "/cost", "@/etc/passwd", "-cmcp_servers", "  /init", "\n-x", "!ls", "$skill", "#x", "`x`" }
    for _, start in ipairs(starts) do
      local prompt = rendering(("return %q"):format(start)).render(testing.assigned()).prompt
      assert.equal("Task:\n\n" .. start, prompt)
    end
    for _, start in ipairs { "Fix it", "1. Fix", "Ä", "  Fix", "任务" } do
      assert.equal(start, rendering(("return %q"):format(start)).render(testing.assigned()).prompt)
    end
  end)

  it("gives text that can leave the process", function()
    assert.equal("a\u{FFFD}b\u{FFFD}c", rendering("return 'a\\0b\\xffc'").render(testing.assigned()).prompt)
  end)

  local bad = {
    { "return nil", "policies/render.lua: returned nothing; the prompt is a text" },
    { "return {}", "returned a table" },
    { "return ' \\n'", "returned an empty text" },
    { "return ('x'):rep(600000)", "a prompt of 600000 bytes, more than " .. template.LARGEST_PROMPT },
    { "return template 'none.txt'",
      'no template "none.txt" %(have: default.txt, dispatch.txt, mention.txt, reports.txt%)' },
    { "return template()", 'no template "nil"' },
    { "return template('default.txt', { issue_title = 'x' })", "names of your own begin with my_" },
    { "return template('default.txt', 7)", "a table of my_... texts" },
    { "error {}", "policies/render.lua: raised a table" },
    { "return event.no.such", "policies/render.lua:2: attempt to index a nil value" },
  }
  for n, case in ipairs(bad) do
    it("raises for what is no prompt: " .. n, function()
      local ok, why = pcall(rendering(case[1]).render, testing.assigned())
      assert.is_false(ok)
      assert.matches(case[2], why)
    end)
  end

  it("raises for an agent that is not there", function()
    assert.error_matches(function() testing.deploy().render(testing.assigned(), "nobody") end,
      'no agent "nobody" in config.lua')
  end)
end)

describe("callback", function()
  local function calling(body) return with { callback = "return function(run, event, agent)\n" .. body .. "\nend" } end

  it("gets the run, with its duration in seconds", function()
    local policies = calling [[
      return { comment = run.id .. " " .. run.duration .. " " .. event.issue.key .. agent.name }]]
    assert.same({ comment = "019a4b7e-5c3d-7f21-8a6b-1c2d3e4f5a6b 125.0 CORE-A1B2C3D4default" },
      policies.callback(testing.run(), testing.assigned()))
  end)

  it("may say nothing", function()
    assert.same({}, calling("return nil").callback(testing.run(), testing.assigned()))
    assert.same({ state = "todo" }, calling("return { state = 'todo' }").callback(testing.run(), testing.assigned()))
    assert.same({}, calling("return { comment = ' \\n' }").callback(testing.run(), testing.assigned()))
  end)

  it("still knows the name of an agent that config.lua has lost", function()
    assert.same({ comment = "gone0" }, calling("return { comment = agent.name .. #agent.bots }")
      .callback(testing.run(), testing.assigned(), "gone"))
  end)

  it("reads nil where an event lacks the issue's fields", function()
    assert.same({ comment = "nil" }, calling("return { comment = tostring(event.issue.description) }")
      .callback(testing.run(), testing.task()))
  end)

  it("gives text that can leave the process", function()
    assert.same({ comment = "a\u{FFFD}b\u{FFFD}c" }, calling("return { comment = 'a\\0b\\xffc' }")
      .callback(testing.run(), testing.assigned()))
  end)

  it("bounds the comment, closing what the cut opened", function()
    local policies = calling "return { comment = '```\\n' .. ('é'):rep(60000) }"
    local told = policies.callback(testing.run(), testing.assigned())
    assert.is_true(#told.comment <= 64 * 1024)
    assert.matches("\n```\n\n%(cut: the comment was longer%)$", told.comment)
    assert.is_truthy(utf8.len(told.comment))
  end)

  local bad = {
    { "return 'done'", "policies/callback.lua: returned a string; it returns { comment, state } or nil" },
    { "return { text = 'x' }", 'returned "text"; a report has comment and state' },
    { "return { comment = 7 }", "its comment is a number, not a text" },
    { "return { state = '' }", "is no state of an issue" },
    { "return { state = ('x'):rep(64) }", "is no state of an issue" },
    { "return { state = 'in progress' }", '"in progress" is no state' },
    { "error(event)", "policies/callback.lua: raised a table" },
  }
  for n, case in ipairs(bad) do
    it("raises for what is no report: " .. n, function()
      local ok, why = pcall(calling(case[1]).callback, testing.run(), testing.assigned())
      assert.is_false(ok)
      assert.is_truthy(why:find(case[2], 1, true), why)
    end)
  end
end)

describe("rules", function()
  it("prints both policies as they were written", function()
    local said = testing.deploy({ files = { ["policies/route.lua"] = "return function() end" } }).rules()
    assert.matches("^policies/filter.lua\n  1  unknown shape", said)
    assert.matches("\npolicies/route.lua\n  a function\n$", said)
  end)
end)

describe("the host", function()
  it("is told which policy runs, so that one that must be killed can be named", function()
    local notes, host = {}, testing.host {}
    host.note = function(text) notes[#notes + 1] = text end
    package.loaded["openpr.worker"] = nil
    local worker = require "openpr.worker"
    local function read(path)
      local file = assert(io.open(path))
      local source = file:read "a"
      file:close()
      return source
    end
    local files = {}
    for _, hook in ipairs { "filter", "route", "render", "callback" } do
      files["policies/" .. hook .. ".lua"] = read("policies/" .. hook .. ".lua")
    end
    worker.load(host.json_encode { files = files, agents = testing.agents }, host)
    assert.equal("policies/filter.lua,policies/route.lua,policies/render.lua,policies/callback.lua",
      table.concat(notes, ","))
  end)
end)
