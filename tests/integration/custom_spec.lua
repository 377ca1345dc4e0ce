-- Agents of type custom: what a handler may have done, in which order, and what becomes of it when something fails or
-- the daemon dies in the middle.

local daemon = require "support.daemon"
local event = require "support.event"
local gateway = require "support.gateway"
local openpr = require "support.openpr"
local uv = require "luv"
local wait = require "support.wait"

local function slurp(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "a"
  file:close()
  return text
end

describe("a custom agent", function()
  local d, g, o

  -- Puts `source` in force as its handler; URL in it is the stand-in's address.
  local function handler(source)
    uv.fs_mkdir(d.dir .. "/policies", 448)
    uv.fs_mkdir(d.dir .. "/policies/agents", 448)
    daemon.write(d.dir .. "/policies/agents/triage.lua",
      "return function(event, agent) " .. source:gsub("URL", ("%q .. "):format(g.url)) .. " end")
  end

  local function prepare(source, agent, more)
    o, g = openpr.start(), gateway.start()
    d = daemon.prepare({ features = { custom_agent = true }, policies = { dir = "policies" } }, o)
    handler(source)
    d.config.agents = { default = { type = "custom", handler = "policies/agents/triage.lua", allow_private = true,
                                    env = { OPW_MARK = d.dir } } }
    for name, value in pairs(agent or {}) do d.config.agents.default[name] = value end
    d:configure(more)
  end
  local function start(...)
    prepare(...)
    d:start()
  end
  after_each(function()
    d:close()
    g:stop()
    o:stop()
  end)

  local function assign(fields)
    local issue = o:knows(event.issue(fields))
    local answer = d:post((issue:assigned())).json
    assert.equal("dispatched", answer.status, event.json.encode(answer))
    return answer.run_id, issue, answer.event_id
  end
  local function run(fields)
    local id, issue = assign(fields)
    local ended = d:ended(id)
    return ended, o:issue(issue.id), id
  end
  local function held(id)
    return wait.eventually(function() return "it is held\n" .. d:log() end, function()
      return d:run(function(one) return one.run_id == id and one.held end)
    end)
  end

  it("runs a program of the whitelist with arguments, variables, a prompt and a model of its own", function()
    start([[return { { run = "codex", prompt = "Fix it.\nSTAND-IN: print-argv argv\nSTAND-IN: print-env env"
      .. "\nSTAND-IN: print-prompt prompt\nSTAND-IN: final Fixed.", args = { "--ephemeral", "-c",
      "model_reasoning_effort=high" }, env = { ISSUE = event.issue.key }, model = "small" } }]])
    local ended, issue = run()
    assert.same({ "success", "delivered" }, { ended.outcome, ended.report }, ended.cause)
    local argv, env = slurp(d.dir .. "/repo/argv"), slurp(d.dir .. "/repo/env")
    assert.matches("\n%-m\nsmall\n", argv)
    assert.matches("\n%-%-ephemeral\n%-c\nmodel_reasoning_effort=high\n%-\n", argv)
    assert.matches("\nISSUE=CORE%-%x+\n", env)
    assert.is_truthy(env:find("\nOPW_MARK=" .. d.dir .. "\n", 1, true))
    assert.matches("^Fix it%.", slurp(d.dir .. "/repo/prompt"))
    assert.equal(1, #issue.comments)
    assert.matches("Fixed%.", issue.comments[1].body)
    assert.equal("done", issue.state)
    assert.is_true(ended.input_tokens > 0)
  end)

  it("sends requests before and after it, in order, each with a key of its own", function()
    start([[return {
      { http = URL "/before", headers = { ["X-Issue"] = event.issue.key }, body = { title = event.issue.title } },
      { run = "claude-code", prompt = "x\nSTAND-IN: write between" },
      { http = URL "/after", method = "PUT", bearer = "CI_TOKEN" } }]],
      { env = { CI_TOKEN = "ci-token-of-the-test" } })
    d:configure { agents = { default = { env = { OPW_MARK = d.dir } } } }
    local ended, issue, id = run { title = "Broken" }
    assert.equal("success", ended.outcome, ended.cause)
    local before, after = g:requests "/before", g:requests "/after"
    assert.same({ 1, 1 }, { #before, #after })
    assert.same({ "POST", '{"title":"Broken"}', "application/json", id .. "-1" },
      { before[1].method, before[1].body, before[1].headers["content-type"], before[1].headers["idempotency-key"] })
    assert.matches("^CORE%-", before[1].headers["x-issue"])
    assert.same({ "PUT", "Bearer ci-token-of-the-test", id .. "-3" },
      { after[1].method, after[1].headers.authorization, after[1].headers["idempotency-key"] })
    assert.is_truthy(uv.fs_stat(d.dir .. "/repo/between"))
    assert.is_nil(d:log():find("ci-token-of-the-test", 1, true))
    assert.equal(1, #issue.comments)
  end)

  it("says its own words instead of the report of success", function()
    start [[return { { comment = "Looked at " .. event.issue.title }, { state = "todo" } }]]
    local ended, issue, id = run { title = "a title" }
    assert.same({ "success", "delivered" }, { ended.outcome, ended.report })
    assert.equal(1, #issue.comments)
    assert.matches("^Looked at a title\n", issue.comments[1].body)
    assert.matches("run " .. id:gsub("%-", "%%-"), issue.comments[1].body)
    assert.equal("todo", issue.state)
  end)

  it("reports what a server answered where no program has spoken", function()
    start [[return { { http = URL "/hook", body = "x" } }]]
    local _, issue = run()
    assert.matches("The request was taken by http://127%.0%.0%.1:%d+, which answered 200", issue.comments[1].body)
    assert.matches("thank you", issue.comments[1].body)
  end)

  it("does nothing behind an action that fails, and says which one it was", function()
    start [[return { { http = URL "/one" }, { run = "codex", prompt = "x\nSTAND-IN: fail" }, { http = URL "/two" },
      { comment = "never" }, { state = "done" } }]]
    local ended, issue = run()
    assert.equal("failure", ended.outcome)
    assert.matches("^action 2 of 5 %(codex%): .*told to fail", ended.cause)
    assert.same({ 1, 0 }, { #g:requests "/one", #g:requests "/two" })
    assert.equal(1, #issue.comments)
    assert.is_nil(issue.comments[1].body:find("never", 1, true))
    assert.matches("action 2 of 5", issue.comments[1].body)
    assert.equal("in_progress", issue.state)
  end)

  it("is put off while its first request is not taken, and fails when a later one is not", function()
    start [[return { { http = URL "/one" }, { http = URL "/two" } }]]
    g:fails { path = "^/one", status = 503, times = 1 }
    local ended, _, id = run()
    assert.equal("success", ended.outcome, ended.cause)
    local sent = g:requests "/one"
    assert.equal(2, #sent)
    assert.same({ id .. "-1", id .. "-1" }, { sent[1].headers["idempotency-key"], sent[2].headers["idempotency-key"] })
    g:fails { path = "^/two", status = 503, times = 1 }
    ended = run()
    assert.equal("failure", ended.outcome)
    assert.matches("^action 2 of 2 %(GET%): .*503", ended.cause)
  end)

  it("follows no redirect, and reaches no private address unless it may", function()
    start([[return { { http = URL "/one" } }]], { allow_private = false })
    local ended = run()
    assert.equal("failure", ended.outcome)
    assert.matches("private", ended.cause)
    assert.same({}, g:requests "/one")
    d:configure { agents = { default = { allow_private = true } } }
    assert.equal(0, (d:verb "reload"))
    g:fails { path = "^/one", status = 302, times = 1 }
    assert.equal("failure", run().outcome)
    assert.equal(1, #g:requests "/one")
  end)

  it("is bounded in time, all actions together", function()
    start([[return { { run = "codex", prompt = "x\nSTAND-IN: sleep 60" }, { http = URL "/late" } }]],
      { timeout_secs = 1 })
    local ended = run()
    assert.equal("timeout", ended.outcome)
    assert.same({}, g:requests "/late")
  end)

  it("can be cancelled in the middle", function()
    start [[return { { run = "codex", prompt = "x\nSTAND-IN: double-fork\nSTAND-IN: sleep 60" },
      { http = URL "/late" } }]]
    local id, issue = assign()
    wait.eventually("it runs", function() return d:json("show", "--json", id).state == "running" end)
    assert.equal(0, (d:verb("cancel", id)))
    assert.equal("cancelled", d:ended(id).outcome)
    assert.same({}, g:requests "/late")
    assert.equal(1, #o:issue(issue.id).comments)
  end)

  it("does not do again what was done before the daemon was killed", function()
    start([[return { { http = URL "/one" }, { run = "codex", prompt = "x\n" .. event.issue.description },
      { http = URL "/two" }, { comment = "All done" } }]])
    d.killed = true
    local marks = d.dir .. "/marks"
    local id, issue = assign { description = ("STAND-IN: print-env %s\nSTAND-IN: sleep 2"):format(marks) }
    wait.eventually("the program runs", function() return uv.fs_stat(marks) end)
    d:kill9()
    handler 'error "asked again"'
    d:start()
    local last = wait.eventually(function() return "it ends\n" .. d:log() end, function()
      return d:run(function(one) return one.state == "ended" and one.report == "delivered" and one end)
    end, 40)
    assert.same({ "success", 2 }, { last.outcome, last.attempt })
    assert.same({ 1, 1 }, { #g:requests "/one", #g:requests "/two" })
    assert.equal(id .. "-3", g:requests("/two")[1].headers["idempotency-key"])
    assert.matches("^All done\n", o:issue(issue.id).comments[1].body)
    assert.equal(1, #o:issue(issue.id).comments)
  end)

  it("sends a request whose answer was not heard again, with the same key", function()
    start [[return { { http = URL "/one" }, { http = URL "/slow" }, { comment = "All done" } }]]
    d.killed = true
    g:fails { path = "^/slow", delay = 3, times = 1 }
    local id = assign()
    g:got("/slow", 1)
    d:kill9()
    d:start()
    wait.eventually("it ends", function() return d:run(function(one) return one.state == "ended" end) end, 40)
    local slow = g:requests "/slow"
    assert.same({ 1, 2 }, { #g:requests "/one", #slow })
    assert.same({ id .. "-2", id .. "-2" }, { slow[1].headers["idempotency-key"], slow[2].headers["idempotency-key"] })
  end)

  it("begins anew, with new keys and a handler that is asked again, when a person says retry", function()
    start [[return { { http = URL "/one" } }]]
    local id = assign()
    d:ended(id)
    local again = d:json("retry", "--json", id).run_id
    d:ended(again)
    local sent = g:requests "/one"
    assert.equal(id .. "-1", sent[1].headers["idempotency-key"])
    assert.equal(again .. "-1", sent[2].headers["idempotency-key"])
  end)

  it("is held when its handler fails, and goes on when it is mended and released", function()
    start 'error "no idea"'
    local id, _, event_id = assign()
    assert.matches("the handler failed: policies/agents/triage%.lua:1: no idea", held(id).note)
    handler '{ { comment = "x" } }'
    handler 'return { { comment = "mended" } }'
    assert.equal(0, (d:verb "reload"))
    local released = d:json("release", "--json", event_id)
    assert.equal("success", d:ended(released.run_id).outcome)
  end)

  it("keeps the handler in force when a reload brings a bad one", function()
    start [[return { { comment = "good" } }]]
    handler "return os.time("
    local code, _, why = d:verb "reload"
    assert.equal(2, code)
    assert.matches("policies/agents/triage%.lua:1:", why)
    local _, issue = run()
    assert.matches("^good\n", issue.comments[1].body)
  end)

  it("asks OpenPR for what its handler reads and the event lacks", function()
    start [[return { { comment = "It says: " .. event.issue.description } }]]
    local issue = o:knows(event.issue { description = "On every page" })
    local id = d:post((issue:mentioned())).json.run_id
    d:ended(id)
    assert.matches("It says: On every page", o:issue(issue.id).comments[1].body)
  end)

  it("ends its AI task", function()
    start [[return { { comment = "answered" } }]]
    local issue = event.issue()
    local body, task = issue:task()
    o:knows(issue, task)
    d:ended(d:post(body).json.run_id)
    assert.equal("completed", o:task(task).status)
  end)

  it("starts no daemon without its handler", function()
    prepare [[return {}]]
    os.remove(d.dir .. "/policies/agents/triage.lua")
    local code, _, why = d:verb "check"
    assert.equal(2, code)
    assert.matches("agents%.default%.handler", why)
    handler "return { { comment = 'x' } }"
    assert.equal(0, (d:verb "check"))
  end)
end)
