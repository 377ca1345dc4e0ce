-- Agents that report themselves (`reports = "agent"`): each CLI is given OpenPR's MCP server in its own way, and the
-- daemon says only what the agent did not.

local daemon = require "support.daemon"
local event = require "support.event"
local openpr = require "support.openpr"
local process = require "support.process"
local wait = require "support.wait"

local TOKEN = "opr_" .. ("7"):rep(64)

local function slurp(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "a"
  file:close()
  return text
end

describe("an agent that reports itself", function()
  local d, o, reporter

  local function start(agent)
    o = openpr.start()
    reporter = event.id()
    o:control { users = { { id = reporter, name = "reporter", token = TOKEN } } }
    d = daemon.prepare({ openpr = { callback = "api" },
                         agents = { default = { reports = "agent", mcp_token = TOKEN } } }, o)
    d:configure { agents = { default = agent or {} } }
    d:start()
  end
  after_each(function()
    d:close()
    o:stop()
  end)

  local function run(directives, body)
    local issue = event.issue { description = directives }
    local task, id
    if body == "task" then
      task, id = issue:task()
      o:knows(issue, id)
    else
      o:knows(issue)
    end
    local answer = d:post(task or (issue:assigned())).json
    assert.equal("dispatched", answer.status, event.json.encode(answer))
    return d:ended(answer.run_id), o:issue(issue.id), id
  end

  for _, cli in ipairs { "claude-code", "codex", "opencode" } do
    it(("is given the server, and speaks for itself: %s"):format(cli), function()
      start { cli = cli }
      local ended, issue = run(("STAND-IN: print-argv %s/argv\nSTAND-IN: mcp-comment It was the cache."):format(d.dir))
      assert.equal("success", ended.outcome, ended.cause)
      assert.equal(1, #issue.comments)
      assert.same({ "It was the cache.", reporter }, { issue.comments[1].body, issue.comments[1].author_id })
      assert.equal("in_progress", issue.state) -- the start is the daemon's, the end the agent's
      local argv = slurp(d.dir .. "/argv")
      assert.is_nil(argv:find(TOKEN, 1, true))
      assert.is_nil(d:log():find(TOKEN, 1, true))
      for _, tool in ipairs { "comments_create", "comments.create" } do
        if cli == "claude-code" and tool == "comments_create" or cli == "codex" and tool == "comments.create" then
          assert.is_truthy(argv:find(tool, 1, true), argv)
        end
      end
    end)
  end

  it("keeps its token out of every process list, and out of what it prints", function()
    start()
    local issue = o:knows(event.issue { description = "STAND-IN: sleep 2\nSTAND-IN: final The token is " .. TOKEN })
    local id = d:post((issue:assigned())).json.run_id
    wait.eventually("the agent runs", function() return d:json("show", "--json", id).state == "running" end)
    for _, line in ipairs(process.marked(d.dir)) do assert.is_nil(line:find(TOKEN, 1, true), line) end
    d:ended(id)
    local comments = o:issue(issue.id).comments
    assert.equal(1, #comments)
    assert.is_nil(comments[1].body:find(TOKEN, 1, true))
    assert.is_nil(slurp(d.dir .. "/state/runs/" .. id .. ".log"):find("Bearer", 1, true))
    local _, printed = d:verb "print-config"
    assert.is_nil(printed:find(TOKEN, 1, true))
  end)

  it("has its success said by the daemon where it said nothing", function()
    start()
    local ended, issue = run "STAND-IN: final All is well."
    assert.equal("success", ended.outcome, ended.cause)
    assert.equal(1, #issue.comments)
    assert.matches("All is well%.", issue.comments[1].body)
    assert.equal(event.bot.id, issue.comments[1].author_id)
    assert.equal("done", issue.state)
  end)

  it("has its failure said by the daemon, whatever it said", function()
    start()
    local ended, issue = run "STAND-IN: mcp-comment I begin.\nSTAND-IN: fail"
    assert.equal("failure", ended.outcome)
    assert.equal(2, #issue.comments)
    assert.matches("told to fail", issue.comments[2].body)
  end)

  it("is not taken to have spoken by what it said before, or by what others say", function()
    start()
    local issue = o:knows(event.issue { description = "STAND-IN: final Now." })
    o:control { comments = { { issue = issue.id, author = reporter, body = "An old word" } } }
    wait.pause(0.01)
    local id = d:post((issue:assigned())).json.run_id
    assert.equal("success", d:ended(id).outcome)
    local comments = o:issue(issue.id).comments
    assert.equal(2, #comments)
    assert.matches("Now%.", comments[2].body)
  end)

  it("has its AI task ended by the daemon over REST", function()
    start()
    local ended, issue, task = run("STAND-IN: mcp-comment Done, see above.", "task")
    assert.equal("success", ended.outcome, ended.cause)
    assert.equal("completed", o:task(task).status)
    assert.equal(1, #issue.comments)
  end)

  it("is asked about again when OpenPR cannot be reached, and then spoken for", function()
    start()
    o:fails { method = "GET", path = "/comments", status = 503, times = 2 }
    local _, issue = run "STAND-IN: final Later."
    assert.equal(1, #issue.comments)
    assert.matches("Later%.", issue.comments[1].body)
  end)

  it("with a token that OpenPR refuses has its success said by the daemon", function()
    start { mcp_token = "opr_" .. ("8"):rep(64) }
    local ended, issue = run "STAND-IN: final Nobody heard me."
    assert.equal("success", ended.outcome, ended.cause)
    assert.equal(1, #issue.comments)
  end)

  it("starts nothing by what it writes: its identity is one of ours", function()
    start()
    local issue = o:knows(event.issue())
    wait.eventually("the daemon knows whose token it is", function() return #o:requests("GET", "/auth/me") >= 2 end)
    local body = issue:mentioned { actor = event.user { id = reporter, name = "reporter" } }
    assert.equal("ignored", d:post(body).json.status)
  end)
end)
