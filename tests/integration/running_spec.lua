-- Runs of the three CLIs, by stand-ins that speak their formats; what a run may see, and what it leaves.

local daemon = require "support.daemon"
local event = require "support.event"
local openpr = require "support.openpr"
local process = require "support.process"
local uv = require "luv"
local wait = require "support.wait"

local function slurp(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "a"
  file:close()
  return text
end

describe("running", function()
  local d, o

  local function start(config)
    o = openpr.start()
    d = daemon.prepare(config, o)
  end
  after_each(function()
    d:close()
    o:stop()
  end)

  -- Assigns an issue with these directives for the stand-in; the answer's run id and the issue.
  local function assign(directives, more)
    local issue = event.issue { description = directives, title = more and more.title, bot = more and more.bot }
    o:knows(issue)
    local answer = d:post((issue:assigned())).json
    assert.equal("dispatched", answer.status, event.json.encode(answer))
    return answer.run_id, issue
  end

  local function run(directives, more)
    local id, issue = assign(directives, more)
    return d:ended(id), issue
  end

  local function comment(issue)
    local comments = o:issue(issue.id).comments
    assert.equal(1, #comments)
    return comments[1].body
  end

  -- What of this folder lives, besides the daemon and its policy processes.
  local function agents()
    local found = {}
    for _, line in ipairs(process.marked(d.dir)) do
      if not line:find(d.dir .. "/config.lua", 1, true) then found[#found + 1] = line end
    end
    return found
  end

  for _, cli in ipairs { "claude-code", "codex", "opencode" } do
    describe(cli, function()
      before_each(function()
        start { agents = { default = { cli = cli } } }
        d:start()
      end)

      it("succeeds: its last words are the comment, and the run knows session, tokens and log", function()
        local ended, issue = run "STAND-IN: final The bug was in auth.c."
        assert.same({ "success", "delivered", 1 }, { ended.outcome, ended.report, ended.attempt })
        local said = comment(issue)
        assert.matches("The bug was in auth%.c%.", said)
        assert.matches("\n[%p%s]*run " .. ended.run_id:gsub("%-", "%%-") .. "%p*%s*$", said)
        assert.equal("done", o:issue(issue.id).state)
        assert.matches("%w%w%w%w", ended.session_id)
        assert.is_true(ended.input_tokens > 0 and ended.output_tokens > 0)
      end)

      it("fails by its stream: the comment says so with the cause, and the state stays", function()
        local ended, issue = run "STAND-IN: fail"
        assert.equal("failure", ended.outcome)
        assert.matches("told to fail", comment(issue))
        assert.equal("in_progress", o:issue(issue.id).state)
      end)

      it("fails by its exit code, whatever it printed", function()
        local ended, issue = run "STAND-IN: stderr the disk is on fire\nSTAND-IN: exit 3"
        assert.same({ "failure", 3 }, { ended.outcome, ended.exit_code })
        assert.matches("3", comment(issue))
        assert.matches("the disk is on fire", comment(issue))
      end)

      it("fails where exit 0 means nothing", function()
        assert.equal("failure", run("STAND-IN: api-error").outcome)
        assert.equal("failure", run("STAND-IN: length").outcome)
      end)

      it("gets the prompt on standard input and nothing of it in its arguments", function()
        run(("STAND-IN: print-argv %s/argv\nSTAND-IN: print-prompt %s/prompt\nSECRET-OF-THE-ISSUE {{issue_title}}")
          :format(d.dir, d.dir), { title = "-c evil {{issue_description}}" })
        local argv, prompt = slurp(d.dir .. "/argv"), slurp(d.dir .. "/prompt")
        assert.is_nil(argv:find("SECRET-OF-THE-ISSUE", 1, true) or argv:find("evil", 1, true))
        assert.is_truthy(prompt:find("SECRET-OF-THE-ISSUE {{issue_title}}", 1, true))
        assert.is_truthy(prompt:find("-c evil {{issue_description}}", 1, true))
        assert.matches("^%a", prompt)
        assert.is_truthy(prompt:find("SECRET", 1, true) > prompt:find("\n", 1, true))
      end)

      it("leaves nothing behind after its deadline, however it hides", function()
        d:configure { agents = { default = { timeout_secs = 1 } } }
        assert.equal(0, (d:verb "reload"))
        local ended, issue = run("STAND-IN: ignore-term\nSTAND-IN: double-fork\nSTAND-IN: background\n"
          .. "STAND-IN: sleep 60")
        assert.equal("timeout", ended.outcome)
        assert.matches("[Tt]ime", comment(issue))
        assert.same({}, agents())
      end)

      it("leaves nothing behind when it succeeds", function()
        assert.equal("success", run("STAND-IN: double-fork\nSTAND-IN: background").outcome)
        assert.same({}, agents())
      end)
    end)
  end

  describe("by default", function()
    before_each(function()
      start()
      d.env.OPENPR_WEBHOOK_SECRET, d.env.FOREIGN, d.env.CLAUDECODE = "s3cret", "leaks", "1"
      d.env.LC_ALL, d.env.HTTP_PROXY = "C.UTF-8", "http://127.0.0.1:9"
      d:configure { webhook = { secret = daemon.source 'env "OPENPR_WEBHOOK_SECRET"' },
                    agents = { default = { env = { MY_KEY = "given" } } } }
      d:start()
    end)

    it("the environment holds what is allowed and what the agent was given, nothing else", function()
      run(("STAND-IN: print-env %s/env"):format(d.dir))
      local text = slurp(d.dir .. "/env")
      for _, name in ipairs { "HOME", "PATH", "TMPDIR", "LC_ALL", "HTTP_PROXY" } do
        assert.matches("\n" .. name .. "=", "\n" .. text)
      end
      assert.matches("\nMY_KEY=given\n", "\n" .. text)
      for _, word in ipairs { "s3cret", "leaks", "CLAUDECODE=", "ASAN_OPTIONS", o.token } do
        assert.is_nil(text:find(word, 1, true), word)
      end
    end)

    it("TMPDIR is the run's own and is removed", function()
      run(("STAND-IN: print-env %s/env\nSTAND-IN: scratch"):format(d.dir))
      local tmp = slurp(d.dir .. "/env"):match "TMPDIR=([^\n]+)"
      assert.is_nil(uv.fs_stat(tmp))
      assert.is_truthy(uv.fs_stat(d.dir .. "/repo"))
    end)

    it("the working directory is the agent's, and a run writes there", function()
      run "STAND-IN: write made-by-agent.txt hello"
      assert.equal("hello\n", slurp(d.dir .. "/repo/made-by-agent.txt"))
    end)

    it("no process of it shows a secret", function()
      local id = assign "STAND-IN: sleep 2"
      wait.eventually("the agent runs", function() return #agents() > 0 end)
      for _, line in ipairs(process.marked(d.dir)) do
        assert.is_nil(line:find("s3cret", 1, true) or line:find(o.token, 1, true), line)
      end
      d:ended(id)
    end)

    it("a runner that is killed leaves nothing, and the run has failed", function()
      local ended = run "STAND-IN: double-fork\nSTAND-IN: kill-runner\nSTAND-IN: sleep 60"
      assert.equal("failure", ended.outcome)
      assert.same({}, agents())
    end)

    it("what is no known format is judged by exit code and tail", function()
      local ended, issue = run "STAND-IN: garbage"
      assert.matches("the end", ended.outcome == "success" and comment(issue) or ended.tail)
    end)
  end)

  it("bounds the log and the memory, whatever is printed", function()
    start { queue = { max_output = 256 * 1024 } }
    d:start()
    local function resident() return tonumber(slurp("/proc/" .. d.child.pid .. "/status"):match "VmRSS:%s*(%d+)") end
    local before = resident()
    local ended = run "STAND-IN: output 40M\nSTAND-IN: long-line 10M\nSTAND-IN: final still here"
    assert.same({ "success", true }, { ended.outcome, ended.truncated })
    local folder = d.dir .. "/state/runs"
    local found = 0
    for name in uv.fs_scandir_next, assert(uv.fs_scandir(folder)) do
      local stat = uv.fs_stat(folder .. "/" .. name)
      if stat.type == "file" then
        found = found + 1
        assert.is_true(stat.size < 300 * 1024, stat.size)
        assert.equal("600", ("%o"):format(stat.mode & 511))
      end
    end
    assert.equal(1, found)
    if not daemon.sanitized then assert.is_true(resident() - before < 16 * 1024, resident() - before) end
  end)

  it("full permissions are a choice, and are said at start", function()
    start { agents = { default = { cli = "codex", permissions = "full" }, careful = { type = "cli", cli = "codex" } } }
    d:configure { agents = { careful = { env = { OPW_MARK = d.dir } } } }
    d:start()
    assert.matches("full permissions\" agent=default", d:log())
    assert.is_nil(d:log():find "full permissions\" agent=careful")
    run(("STAND-IN: print-argv %s/full"):format(d.dir))
    local careful = { id = event.id(), name = "careful" } -- has no token, so that nothing is reported
    d:ended((assign(("STAND-IN: print-argv %s/careful"):format(d.dir), { bot = careful })), true)
    assert.matches("danger%-full%-access", slurp(d.dir .. "/full"))
    assert.matches("workspace%-write", slurp(d.dir .. "/careful"))
  end)

  -- The most runs among these that went on at the same time, by their own record.
  local function overlap(runs)
    local edges, now, most = {}, 0, 0
    for _, one in ipairs(runs) do
      edges[#edges + 1] = { one.started_at, 1 }
      edges[#edges + 1] = { one.ended_at, -1 }
    end
    table.sort(edges, function(a, b) return a[1] < b[1] or (a[1] == b[1] and a[2] < b[2]) end)
    for _, edge in ipairs(edges) do
      now = now + edge[2]
      most = math.max(most, now)
    end
    return most
  end

  it("never more at once than allowed in all, for one agent, and in one directory", function()
    start { executor = { max_concurrent = 3 } }
    local agents_config, bots = {}, {}
    for n, name in ipairs { "one", "two", "three", "nested", "capped" } do
      local folder = d.dir .. (name == "nested" and "/dir1/inside" or "/dir" .. n)
      assert(uv.fs_mkdir(folder, 448))
      agents_config[name] = { type = "cli", cli = "claude-code", working_dir = folder, env = { OPW_MARK = d.dir } }
      bots[name] = { id = event.id(), name = name }
    end
    agents_config.capped.max_concurrent = 1
    d:configure { agents = agents_config }
    d:start()
    local ids = {}
    for _ = 1, 3 do
      for name, bot in pairs(bots) do
        ids[#ids + 1] = { name, (assign("STAND-IN: sleep 0.2", { bot = bot })) }
      end
    end
    local all, by_agent = {}, { one = {}, nested = {}, capped = {} }
    for _, pair in ipairs(ids) do
      local ended = d:ended(pair[2], true)
      assert.equal("success", ended.outcome)
      all[#all + 1] = ended
      if by_agent[pair[1]] then table.insert(by_agent[pair[1]], ended) end
    end
    assert.is_true(overlap(all) <= 3 and overlap(all) > 1, overlap(all))
    assert.equal(1, overlap(by_agent.capped))
    -- A directory inside another is the same directory.
    for _, one in ipairs(by_agent.nested) do table.insert(by_agent.one, one) end
    assert.equal(1, overlap(by_agent.one))
  end)
end)
