-- `explain`: why an event is decided as it is and what would run, and nothing else happens.

local daemon = require "support.daemon"
local event = require "support.event"
local openpr = require "support.openpr"
local uv = require "luv"
local process = require "support.process"

local KEY = "sk-explain-0123456789"

local function slurp(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "a"
  file:close()
  return text
end

describe("explain", function()
  local d, o

  before_each(function()
    o = openpr.start()
    d = daemon.prepare({ agents = { default = { env = { PROVIDER_KEY = KEY } } } }, o)
  end)
  after_each(function()
    d:close()
    o:stop()
  end)

  local function write(name, text)
    daemon.write(d.dir .. "/" .. name, text)
    return d.dir .. "/" .. name
  end

  local function explained(body, ...) return d:json("explain", "--json", write("event.json", body), ...) end

  -- Every file there is, with what can be seen of it without opening it.
  local function snapshot()
    local code, out = process.run({ "find", d.dir, "-printf", "%p %y %m %s %T@ %C@ %i\n" }, { PATH = os.getenv "PATH" })
    assert.equal(0, code)
    return out
  end

  local function tried(result, policy, name)
    for _, rule in ipairs(result.policies[policy].tried) do
      if rule.rule == name then return rule end
    end
  end

  describe("tells", function()
    it("each rule, the verdict, the gates, the work and the run", function()
      local issue = event.issue { title = "Login fails" }
      local result = explained((issue:assigned()))
      assert.same({ "assigned to the bot", "bot name" }, { result.policies[1].rule, result.policies[2].rule })
      local no = tried(result, 1, "unknown shape")
      assert.is_false(no.holds)
      assert.same({ { path = "name", value = "issue.assigned" } }, no.condition.values)
      local mixed = tried(result, 1, "created for the bot")
      assert.same({ "&", 1, 'event "issue.created"' },
        { mixed.condition.joint, #mixed.condition.parts, mixed.condition.parts[1].words })
      assert.same({ "accept", "bot name", { "default" } },
        { result.decision.verdict, result.decision.rule, result.decision.agents })
      assert.same({ cli_executor = true, wss_tunnel = false, webhook_forward = false, custom_agent = false },
        result.gates)
      assert.same({ 202, "dispatched" }, { result.answer.http, result.answer.status })
      assert.same({ "assignment", "assignment:" .. issue.id .. ":" .. event.bot.id },
        { result.work.kind, result.work.join_key })
      local run = result.runs[1]
      assert.is_true(run.starts)
      assert.matches("/bin/claude$", run.program)
      assert.matches("Login fails", run.stdin)
      assert.same({ 900000, "executor.timeout_secs", "workspace" }, { run.timeout, run.timeout_from, run.permissions })
      assert.same({ "in_progress", "done" }, { run.reports.started.state, run.reports.success.state })
      assert.matches("the agent's last message", run.reports.success.comment)
      assert.matches("why it failed", run.reports.failure.comment)
    end)

    it("people the same", function()
      local issue = event.issue { title = "Login fails" }
      local code, out = d:verb("explain", write("event.json", (issue:assigned())))
      assert.equal(0, code)
      for _, words in ipairs { "Login fails", "unknown shape +event \"unknown\": name is \"issue.assigned\"",
                               "%d+ YES +assigned to the bot", "added holds: changes.assignee_ids.added is %[",
                               "=> accept  %(line %d+%)", "=> to \"default\"", "cli_executor ON", "safe mode off",
                               "202 dispatched", "claude", "PROVIDER_KEY", "| You are the coding agent default",
                               "state in_progress", "join key assignment:", "executor.timeout_secs" } do
        assert.matches(words, out)
      end
    end)

    it("what a daemon then really does: argv, environment, prompt, directory, states", function()
      local issue = o:knows(event.issue { description = "STAND-IN: print-argv argv\nSTAND-IN: print-env env\n"
        .. "STAND-IN: print-prompt prompt\nSTAND-IN: print-cwd cwd" })
      d:start()
      local body = issue:assigned()
      local answer = d:post(body).json
      d:ended(answer.run_id)
      local result = d:json("explain", "--json", answer.event_id)
      local run, folder = result.runs[1], d.dir .. "/repo/"
      assert.same({ answer.rule, answer.agent }, { result.decision.rule, run.agent })
      assert.equal(slurp(folder .. "argv"), table.concat(run.argv, "\n", 2) .. "\n")
      assert.equal(slurp(folder .. "prompt"), run.stdin)
      assert.equal(slurp(folder .. "cwd"), run.working_dir .. "\n")
      local names = {}
      for name in slurp(folder .. "env"):gmatch "([^\n=]+)=[^\n]*\n" do names[#names + 1] = name end
      table.sort(names)
      table.sort(run.environment)
      assert.same(names, run.environment)
      assert.equal(run.reports.success.state, o:issue(issue.id).state)
      local comment = o:issue(issue.id).comments[1]
      local said = comment.content or comment.body or comment.text
      assert.equal(run.reports.success.comment:match "\n\nrun " , said:match "\n\nrun ")
      assert.same({ "dispatched", "bot name" }, { result.recorded.status, result.recorded.rule })
    end)

    it("each agent that the route names, with the route's time limit", function()
      write("route.lua", [[return rules {
        { "both", when.always, to({ "default", "other" }, { timeout = 90 * seconds }) } }]])
      d:configure { policies = { dir = d.dir }, agents = { other = { type = "cli", cli = "codex", model = "m-1" } } }
      local runs = explained((event.issue():assigned())).runs
      assert.same({ "default", "other", 90000, "route" },
        { runs[1].agent, runs[2].agent, runs[2].timeout, runs[2].timeout_from })
      assert.is_truthy(table.concat(runs[2].argv, " "):find("-m m-1", 1, true))
    end)

    it("the request that an agent behind HTTP would get, with no secret that is not there", function()
      write("route.lua", 'return rules { { "all", when.always, to { "claw", "prx", "hook" } } }')
      d:configure {
        policies = { dir = d.dir }, features = { webhook_forward = true },
        agents = {
          claw = { type = "openclaw", url = o.url, token = daemon.source 'env "NOT_SET_4"', agent_id = "main" },
          prx = { type = "openprx", url = o.url, token = KEY },
          hook = { type = "webhook", url = o.url .. "/in", secret = daemon.source 'env "NOT_SET_5"',
                   allow_private = true },
        },
      }
      local body, requests = event.issue { title = "Login fails" }:assigned(), #o:state().requests
      local result = explained(body)
      local runs = {}
      for _, one in ipairs(result.runs) do runs[one.agent] = one end
      for name, one in pairs(runs) do
        assert.same({}, one.problems, name)
        assert.is_true(one.starts)
        assert.equal("POST", one.request.method)
        assert.is_nil(one.argv)
        assert.is_true(one.timeout >= 1000)
      end
      assert.equal("done", runs.claw.reports.success.state)
      assert.equal(o.url .. "/hooks/agent", runs.claw.request.url)
      assert.matches("Login fails", runs.claw.request.body)
      assert.matches("Authorization", table.concat(runs.claw.request.headers, " "))
      assert.matches("Login fails", runs.prx.request.body)
      assert.equal(body, runs.hook.request.body)
      assert.matches("X%-Webhook%-Signature", table.concat(runs.hook.request.headers, " "))
      local code, out = d:verb("explain", d.dir .. "/event.json")
      assert.equal(0, code)
      assert.matches("request +POST " .. o.url .. "/hooks/agent\n", out)
      assert.is_nil(out:find(KEY, 1, true))
      assert.equal(requests, #o:state().requests)
      d:configure { features = { webhook_forward = false } }
      for _, one in ipairs(explained(body).runs) do
        assert.equal(one.agent == "hook" and "webhook_forward" or event.json.null, one.gate)
      end
    end)

    it("of a custom agent that its handler is not asked, and no prompt", function()
      d:close()
      d = daemon.prepare({ features = { custom_agent = true },
                           agents = { claw = { type = "custom", handler = "policies/agents/x.lua" } } }, o)
      for _, folder in ipairs { "/policies", "/policies/agents" } do assert(uv.fs_mkdir(d.dir .. folder, 448)) end
      write("policies/agents/x.lua", "return function(event) return {} end")
      write("policies/route.lua", 'return function(event) return to "claw" end')
      local result = explained((event.issue():assigned()))
      assert.is_nil(result.runs[1].prompt_complete)
      assert.is_nil(result.runs[1].stdin)
      assert.matches('"claw": its handler', table.concat(result.warnings, "\n"))
    end)

    it("what a filter ignores, and why", function()
      local result = explained((event.issue():edited()))
      assert.same({ "ignore", "edit", 200, "ignored", 0 },
        { result.decision.verdict, result.decision.rule, result.answer.http, result.answer.status, #result.runs })
      assert.equal(1, #result.policies)
      result = explained((event.issue():deleted()))
      assert.equal("cancel", result.decision.verdict)
    end)

    it("of a gate that is off and of safe mode, and still what would run", function()
      d:configure { features = { cli_executor = false } }
      local result = explained((event.issue():assigned()))
      assert.same({ "disabled", "cli_executor", false, "cli_executor" },
        { result.answer.status, result.answer.gate, result.runs[1].starts, result.runs[1].gate })
      assert.matches("You are", result.runs[1].stdin)
      local _, out = d:verb("explain", d.dir .. "/event.json")
      assert.matches("the gate cli_executor is off", out)
      d:configure { features = { cli_executor = true }, executor = { safe_mode = true } }
      result = explained((event.issue():assigned()))
      assert.same({ "observed", true, false }, { result.answer.status, result.safe_mode, result.runs[1].starts })
    end)

    it("what only OpenPR knows, once it is given", function()
      local issue = event.issue {}
      local body = issue:mentioned { text = "@default look" }
      local result = explained(body)
      local run = result.runs[1]
      assert.is_false(run.prompt_complete)
      assert.matches("@default look", run.stdin)
      assert.matches("OpenPR is asked for it", run.stdin)
      assert.matches("give it with %-%-issue", result.warnings[1] .. (result.warnings[2] or ""))
      for _, text in ipairs { '{"description":"Found on page 7","labels":[]}',
                              '{"issue":{"description":"Found on page 7"}}',
                              '{"code":0,"data":{"description":"Found on page 7"}}' } do
        run = explained(body, "--issue", write("issue.json", text)).runs[1]
        assert.is_true(run.prompt_complete)
        assert.matches("Found on page 7", run.stdin)
      end
      local code, _, why = d:verb("explain", d.dir .. "/event.json", "--issue", write("issue.json", "[]"))
      assert.equal(1, code)
      assert.matches("issue.json", why)
    end)

    it("an AI task, its end included", function()
      local issue = event.issue {}
      local result = explained((issue:task()))
      assert.same({ "accept", 202, "ai_task" }, { result.decision.verdict, result.answer.http, result.event.source })
      assert.same({ "completed", "failed" },
        { result.runs[1].reports.success.ai_task, result.runs[1].reports.failure.ai_task })
      result = explained((issue:task()), "--issue", write("issue.json", '{"assignee_id":"someone-else"}'))
      assert.same({ "no longer assigned", 503 }, { result.decision.rule, result.answer.http })
      result = explained((issue:task()), "--issue", write("issue.json", '{"missing":"issue"}'))
      assert.equal("issue gone", result.decision.rule)
    end)

    it("examples, standard input, and what the policies log", function()
      assert.equal("issue.created", d:json("explain", "--json", "--example", "issue.created").event.name)
      write("event.json", (event.issue():assigned()))
      local code, out = process.run({ "bash", "-c", '"$0" -c "$1/config.lua" explain --json - <"$1/event.json"',
                                      daemon.program, d.dir }, d.env, "/", 60)
      assert.equal(0, code)
      assert.equal("accept", event.json.decode(out).decision.verdict)
      write("filter.lua", [[return function(event) log.info("seen %s", event.name) return accept end]])
      d:configure { policies = { dir = d.dir } }
      local result = explained((event.issue():assigned()))
      assert.matches("seen issue.assigned", table.concat(result.log, "\n"))
      assert.equal("function", result.policies[1].kind)
    end)

    it("of the time: now() is the event's, or the one that is given", function()
      write("filter.lua", [[return function() return ignore(tostring(now())) end]])
      d:configure { policies = { dir = d.dir } }
      local body = event.issue():assigned { at = -86400 }
      local result = explained(body)
      assert.is_true(os.time() - tonumber(result.decision.reason) >= 86399)
      assert.matches("webhook.tolerance", table.concat(result.warnings, "\n"))
      result = explained(body, "--at", "2026-09-30T08:20:00Z")
      assert.equal(1790756400, tonumber(result.decision.reason) // 1)
      local code, _, why = d:verb("explain", d.dir .. "/event.json", "--at", "noon")
      assert.equal(2, code)
      assert.matches("%-%-at", why)
    end)

    it("of other policies", function()
      process.run({ "mkdir", d.dir .. "/new" }, { PATH = os.getenv "PATH" })
      write("new/route.lua", [[return rules { { "new", when.always, to "default" } }]])
      assert.equal("new", explained((event.issue():assigned()), "--policies", d.dir .. "/new").decision.rule)
      local code, _, why = d:verb("explain", d.dir .. "/event.json", "--policies", d.dir .. "/nowhere")
      assert.equal(2, code)
      assert.matches("nowhere", why)
      write("new/route.lua", [[return rules { { "new", when.always, to "nobody" } }]])
      code, _, why = d:verb("explain", d.dir .. "/event.json", "--policies", d.dir .. "/new")
      assert.equal(2, code)
      assert.matches('no agent "nobody"', why)
    end)
  end)

  describe("has no side effect", function()
    it("on files, queue or network, without a daemon", function()
      local issue = o:knows(event.issue { description = "x" })
      d:start()
      local answer = d:post((issue:assigned())).json
      d:ended(answer.run_id)
      d:stop()
      d.child = nil
      write("event.json", (issue:mentioned()))
      local before, requests = snapshot(), #o:state().requests
      for _, what in ipairs { d.dir .. "/event.json", answer.event_id } do
        for _, json in ipairs { "--json", false } do
          local code, out, why = d:verb("explain", what, json or nil)
          assert.same({ 0, "" }, { code, why })
          assert.is_true(#out > 1000)
        end
      end
      assert.equal(before, snapshot())
      assert.equal(requests, #o:state().requests)
    end)

    it("where nothing is there yet: no state, no queue, no checkout, no program, no secret", function()
      write("event.json", (event.issue():assigned()))
      process.run({ "rm", "-rf", d.dir .. "/state", d.dir .. "/bin", d.dir .. "/repo" }, { PATH = os.getenv "PATH" })
      d:configure { webhook = { secret = daemon.source 'env "NOT_SET_1"' },
                    openpr = { token = daemon.source 'env "NOT_SET_2"' },
                    agents = { default = { env = { PROVIDER_KEY = daemon.source 'env "NOT_SET_3"' } } } }
      local before = snapshot()
      local result = d:json("explain", "--json", d.dir .. "/event.json")
      assert.equal(before, snapshot())
      assert.equal("dispatched", result.answer.status)
      local notes = table.concat(result.warnings, "\n")
      for n = 1, 3 do assert.matches("NOT_SET_" .. n .. " is not set", notes) end
      local run = result.runs[1]
      assert.is_false(run.starts)
      assert.matches('no program "claude"', run.problems[1])
      assert.is_truthy(table.concat(run.environment, " "):find("PROVIDER_KEY", 1, true))
      assert.equal("claude", run.argv[1])
      local task = d:json("explain", "--json", write("task.json", (event.issue():task())))
      assert.equal("accept", task.decision.verdict)
      assert.equal(202, task.answer.http)
    end)
  end)

  it("is used wrongly with exit 2, and finds nothing with exit 1", function()
    for _, line in ipairs { { "explain" }, { "explain", "x", "--example", "issue.created" },
                            { "explain", "x", "y" } } do
      local code, _, why = d:verb(table.unpack(line))
      assert.equal(2, code)
      assert.matches("%S", why)
    end
    local code, _, why = d:verb("explain", d.dir .. "/nothing.json")
    assert.equal(1, code)
    assert.matches("nothing.json", why)
    code, _, why = d:verb("explain", event.id())
    assert.equal(1, code)
    assert.matches("no queue", why)
    d:configure { executor = { timeout_secs = "soon" } }
    code, _, why = d:verb("explain", "--example", "issue.created")
    assert.equal(2, code)
    assert.matches("timeout_secs", why)
  end)
end)
