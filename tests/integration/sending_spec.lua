-- `send`: an event signed and posted as OpenPR does it, and what went wrong when it did.

local daemon = require "support.daemon"
local event = require "support.event"
local openpr = require "support.openpr"
local process = require "support.process"
local uv = require "luv"
local wait = require "support.wait"

-- A port of 127.0.0.1 that nobody has.
local function free_port()
  local tcp = uv.new_tcp()
  assert(tcp:bind("127.0.0.1", 0))
  local port = tcp:getsockname().port
  tcp:close()
  return port
end

local examples = { "ai-task.comment_requested", "ai-task.issue_assigned", "comment.created", "issue.assigned",
                   "issue.created", "issue.deleted", "issue.state_changed", "issue.unassigned", "issue.updated",
                   "label.added" }

describe("send", function()
  local d, o

  before_each(function()
    o = openpr.start()
    d = daemon.prepare({ webhook = { listen = "127.0.0.1:" .. free_port() } }, o):start()
  end)
  after_each(function()
    d:close()
    o:stop()
  end)

  local function file(body)
    daemon.write(d.dir .. "/event.json", body)
    return d.dir .. "/event.json"
  end

  it("posts a file byte by byte, and says what was answered", function()
    local issue = o:knows(event.issue {})
    local body = issue:assigned()
    local code, out, err = d:verb("send", file(body))
    assert.equal(0, code, err)
    assert.matches("^http: 202\n", out)
    assert.matches("\nstatus: dispatched\n", out)
    assert.matches("\nagent: default\n", out)
    local run_id = out:match "\nrun_id: (%S+)"
    assert.equal("success", d:ended(run_id).outcome)
    local again = d:json("send", "--json", file(body))
    assert.same({ 200, "duplicate", run_id }, { again.http, again.answer.status, again.answer.run_id })
    assert.equal(("http://127.0.0.1:%d/webhook"):format(d.port), again.url)
  end)

  it("reads standard input, and posts where it is told", function()
    local body = o:knows(event.issue {}):assigned()
    local path, other = file(body), daemon.prepare({ webhook = { secret = daemon.secret } })
    local script = ("exec %s --config %s/config.lua send - --to http://127.0.0.1:%d --json <%s")
      :format(daemon.program, other.dir, d.port, path)
    local code, out, err = process.run({ "sh", "-c", script }, other.env, "/", 60)
    other:close()
    assert.equal(0, code, err)
    assert.equal("dispatched", event.json.decode(out).answer.status)
  end)

  it("makes an event of each kind, fresh each time, that the daemon understands", function()
    d:configure { features = { cli_executor = false } }
    assert.equal(0, (d:verb "reload"))
    local expected = { ["ai-task.comment_requested"] = 503, ["ai-task.issue_assigned"] = 503 }
    local statuses = { ["issue.assigned"] = "disabled", ["issue.created"] = "disabled",
                       ["comment.created"] = "disabled" }
    local names = select(2, d:verb("send", "--help")):match "%-%-example NAME(.-)%-%-print"
    for _, name in ipairs(examples) do
      assert.is_truthy(names:find(name, 1, true), name)
      for _ = 1, 2 do
        local code, out, err = d:verb("send", "--example", name, "--json")
        local sent = event.json.decode(out)
        assert.equal(expected[name] or 200, sent.http, name .. err)
        assert.equal(expected[name] and 1 or 0, code, name)
        if not expected[name] then assert.equal(statuses[name] or "ignored", sent.answer.status, name) end
      end
    end
    local code, _, why = d:verb("send", "--example", "issue.exploded")
    assert.equal(2, code)
    for _, name in ipairs(examples) do assert.is_truthy(why:find(name, 1, true), name) end
  end)

  it("prints an example, which can be edited and sent", function()
    local code, out = d:verb("send", "--example", "issue.assigned", "--print")
    assert.equal(0, code)
    local made = event.json.decode(out)
    assert.same({ "issue.assigned", "default" }, { made.event, made.bot_context.bot_name })
    assert.same({}, d:json("events", "--json")) -- nothing was sent
    local edited = out:gsub('"An example"', '"Another title"')
    assert.equal("dispatched", d:json("send", "--json", file(edited)).answer.status)
    assert.equal("Another title", d:json("show", "--json", d:json("runs", "--json")[1].run_id).event.issue_title)
  end)

  it("names the bot as an agent that there is", function()
    d:configure { agents = { default = daemon.source "nil", zoe = { type = "cli", cli = "codex" },
                             amy = { type = "cli", cli = "codex" } } }
    local made = event.json.decode(select(2, d:verb("send", "--example", "issue.assigned", "--print")))
    assert.equal("amy", made.bot_context.bot_name)
  end)

  local function fails(with, ...)
    local code, _, why = d:verb("send", ...)
    assert.equal(with, code, why)
    return why
  end

  it("says that the secrets differ", function()
    d:configure { webhook = { secret = "another one" } }
    local why = fails(1, "--example", "issue.assigned")
    assert.matches("401", why)
    assert.matches("another webhook%.secret", why)
    assert.is_nil(why:find("another one", 1, true))
    local code, out = d:verb("send", "--example", "issue.assigned", "--json")
    assert.same({ 1, 401 }, { code, event.json.decode(out).http })
  end)

  it("says that an event is too old", function()
    local why = fails(1, file((event.issue {}):assigned { at = -1000 }))
    assert.matches("too old", why)
    assert.is_nil(why:find("webhook.secret", 1, true))
  end)

  it("says that the event is none", function()
    assert.matches("400", fails(1, file "no JSON"))
    assert.matches("nowhere", fails(1, "/nowhere/event.json"))
    assert.matches("413", fails(1, file(("x"):rep(5 << 20))))
    assert.matches("max_body", fails(1, file(("x"):rep(5 << 20))))
  end)

  it("says that nobody listens, that it is another's server, and that no answer came", function()
    local nobody = "http://127.0.0.1:" .. free_port()
    assert.matches("daemon running", fails(1, "--example", "issue.assigned", "--to", nobody))
    assert.matches("not the webhook", fails(1, "--example", "issue.assigned", "--to", o.url .. "/webhook"))
    o:fails { path = "/hole", close = true }
    assert.matches("gave no answer", fails(1, "--example", "issue.assigned", "--to", o.url .. "/hole"))
    assert.matches("cannot be reached", fails(1, "--example", "issue.assigned", "--to", "http://nobody.invalid"))
  end)

  it("goes to the daemon itself, whatever proxy the environment names", function()
    d.env.http_proxy = "http://127.0.0.1:" .. free_port()
    assert.equal("ignored", d:json("send", "--json", "--example", "label.added").answer.status)
    d.env.http_proxy = nil
  end)

  it("finds a daemon that listens everywhere, and wants a port to be named", function()
    d:configure { webhook = { listen = "0.0.0.0:" .. d.port } }
    assert.equal(200, d:json("send", "--json", "--example", "label.added").http)
    d:configure { webhook = { listen = "127.0.0.1:0" } }
    assert.matches("%-%-to", fails(2, "--example", "label.added"))
    d:configure { webhook = { listen = "[::]:" .. d.port } }
    assert.matches("http://%[::1%]:", fails(1, "--example", "label.added")) -- nobody is there
  end)

  it("wants one event, a secret and an address of the web", function()
    fails(2)
    fails(2, "event.json", "--example", "issue.assigned")
    fails(2, "event.json", "--print")
    assert.matches("https?://", fails(2, "--example", "label.added", "--to", "ftp://somewhere"))
    d:configure { webhook = { secret = daemon.source 'env "OPW_NOT_SET"' } }
    assert.matches("webhook%.secret is not set", fails(2, "--example", "label.added"))
  end)

  it("starts an agent where the gates are open, whose report nobody wants", function()
    local run_id = d:json("send", "--json", "--example", "issue.assigned").answer.run_id
    wait.eventually("it ends", function() return d:json("show", "--json", run_id).state == "ended" end, 30)
    assert.equal("success", d:json("show", "--json", run_id).outcome)
  end)
end)
