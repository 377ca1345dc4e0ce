-- The command line: what it lists, what it steers, and how it fails.

local daemon = require "support.daemon"
local event = require "support.event"
local openpr = require "support.openpr"
local process = require "support.process"
local wait = require "support.wait"

describe("verbs", function()
  local d, o

  before_each(function()
    o = openpr.start()
    d = daemon.prepare({}, o):start()
  end)
  after_each(function()
    d:close()
    o:stop()
  end)

  local function assign(directives)
    local issue = o:knows(event.issue { description = directives })
    local answer = d:post((issue:assigned())).json
    assert.equal("dispatched", answer.status, event.json.encode(answer))
    return answer.run_id, issue, answer.event_id
  end

  it("runs lists them, newest first, with all that is promised", function()
    local first, issue, event_id = assign ""
    d:ended(first)
    local second = assign "STAND-IN: exit 2"
    d:ended(second)
    local runs = d:json("runs", "--json")
    assert.same({ second, first }, { runs[1].run_id, runs[2].run_id })
    local run = runs[2]
    assert.same({ event_id, issue.id, "default", "ended", "success", "delivered", 1 },
                { run.event_id, run.issue_id, run.agent, run.state, run.outcome, run.report, run.attempt })
    assert.matches("%S", run.rule)
    assert.equal("failure", runs[1].outcome)
    assert.same({ second }, { d:json("runs", "--json", "--limit", "1")[1].run_id })
    local _, text = d:verb "runs"
    assert.is_truthy(text:find(first, 1, true) and text:find(second, 1, true))
  end)

  it("runs is an empty array before there are any", function()
    local code, out = d:verb("runs", "--json")
    assert.same({ 0, "[]" }, { code, (out:gsub("%s", "")) })
  end)

  it("show tells everything of one", function()
    local id = assign "STAND-IN: final It is done."
    d:ended(id)
    local run = d:json("show", "--json", id)
    assert.equal("It is done.", run.final_text)
    assert.is_table(run.reports)
    local code, text = d:verb("show", id)
    assert.equal(0, code)
    assert.matches("It is done%.", text)
  end)

  it("cancel stops a run, and says so on the issue", function()
    local id, issue = assign "STAND-IN: ignore-term\nSTAND-IN: double-fork\nSTAND-IN: sleep 100"
    wait.eventually("it runs", function() return d:json("show", "--json", id).state == "running" end)
    assert.equal(0, (d:verb("cancel", id)))
    assert.equal("cancelled", d:ended(id).outcome)
    assert.equal(1, #o:issue(issue.id).comments)
  end)

  it("cancel ends a task that waits", function()
    local first = assign "STAND-IN: sleep 3"
    local second = assign ""
    assert.equal(0, (d:verb("cancel", second)))
    assert.equal("cancelled", d:ended(second).outcome)
    assert.equal("success", d:ended(first).outcome)
  end)

  it("cancel of an ended run, and retry of one that goes on, are refused with a reason", function()
    local id = assign ""
    d:ended(id)
    local code, _, why = d:verb("cancel", id)
    assert.equal(1, code)
    assert.matches("ended", why)
    local busy = assign "STAND-IN: sleep 3"
    code, _, why = d:verb("retry", busy)
    assert.equal(1, code)
    assert.matches("%S", why)
    d:ended(busy)
  end)

  it("retry runs an ended task again, as a run of its own", function()
    local id, issue = assign "STAND-IN: fail"
    d:ended(id)
    local again = d:json("retry", "--json", id).run_id
    assert.not_equal(id, again)
    assert.equal("failure", d:ended(again).outcome)
    assert.equal(2, #o:issue(issue.id).comments)
  end)

  it("release --discard ends a held event for good", function()
    daemon.write(d.dir .. "/filter.lua", 'return function() error "no" end')
    d:configure { policies = { dir = d.dir } }
    assert.equal(0, (d:verb "reload"))
    local answer = d:post((event.issue():assigned())).json
    assert.equal("held", answer.status)
    assert.equal(0, (d:verb("release", "--discard", answer.event_id)))
    assert.same({}, d:json("events", "--json", "--status", "held"))
    local code = d:verb("release", answer.event_id)
    assert.equal(1, code)
  end)

  it("a held task: an agent that is gone", function()
    local busy = assign "STAND-IN: sleep 3"
    local id, issue, event_id = assign "STAND-IN: final Found again."
    d:configure { agents = { default = daemon.source "nil", other = { type = "cli", cli = "codex" } } }
    assert.equal(0, (d:verb "reload"))
    d:ended(busy)
    local function held() return d:run(function(run) return run.run_id == id and run.held end) end
    assert.matches("default", wait.eventually("it is held", held).note)
    d:configure { agents = { default = { type = "cli", cli = "claude-code", env = { OPW_MARK = d.dir } } } }
    assert.equal(0, (d:verb "reload"))
    local code, _, why = d:verb("release", event_id)
    assert.equal(0, code, why)
    wait.eventually("it is reported", function() return #o:issue(issue.id).comments == 1 end)
  end)

  it("a config.lua with a mistake does not take the verbs away", function()
    local id = assign "STAND-IN: sleep 30"
    d:configure { executor = { timeout_secs = "soon" } }
    assert.equal(1, #d:json("runs", "--json"))
    assert.equal(0, (d:verb("cancel", id)))
    assert.equal("cancelled", d:ended(id).outcome)
    local code, _, why = d:verb "reload"
    assert.equal(2, code)
    assert.matches("executor%.timeout_secs", why)
  end)

  it("drain starts nothing new", function()
    assert.equal(0, (d:verb "drain"))
    local id = assign ""
    wait.pause(1)
    assert.equal("waiting", d:json("show", "--json", id).state)
  end)

  it("without a daemon, runs, show and events still look; the others say that there is none", function()
    local id = assign ""
    d:ended(id)
    assert.equal(0, d:stop())
    d.child = nil
    assert.equal(id, d:json("runs", "--json")[1].run_id)
    assert.equal(id, d:json("show", "--json", id).run_id)
    assert.equal(1, #d:json("events", "--json"))
    for _, verb in ipairs { { "cancel", id }, { "retry", id }, { "release", id }, { "reload" }, { "drain" } } do
      local code, _, why = d:verb(table.unpack(verb))
      assert.equal(1, code)
      assert.matches("no daemon", why)
    end
  end)

  it("after a kill -9 the queue can be read", function()
    local id = assign ""
    d:ended(id)
    d:kill9()
    assert.equal(id, d:json("runs", "--json")[1].run_id)
  end)

  it("wrong usage is exit 2 with a hint", function()
    for _, line in ipairs { { "fly" }, { "show" }, { "show", "not-an-id" }, { "runs", "extra" },
                            { "runs", "--limit", "0" }, { "cancel", "--report", event.id() }, { "--nonsense" } } do
      local code, _, why = d:verb(table.unpack(line))
      assert.equal(2, code, table.concat(line, " "))
      assert.matches("%S", why)
    end
    local code, _, why = d:verb("show", "01900000-0000-7000-8000-000000000000")
    assert.equal(1, code)
    assert.matches("%S", why)
    code = process.run({ daemon.program, "--config", "/nowhere/config.lua", "runs" }, d.env, "/")
    assert.equal(2, code)
  end)

  it("help lists every verb, and every verb has help", function()
    local code, out = d:verb "--help"
    assert.equal(0, code)
    local count = 0
    for name in out:gmatch "\n  ([%l-]+) " do
      count = count + 1
      code = d:verb(name, "--help")
      assert.equal(0, code, name)
    end
    assert.is_true(count >= 11, out)
    assert.matches("^openpr%-webhook %d", select(2, d:verb "--version"))
  end)

  it("retry --report, release, reload and drain tell what they did, as text and as JSON", function()
    local id, issue = assign "STAND-IN: final Once more."
    d:ended(id)
    assert.equal(id, d:json("retry", "--report", "--json", id).run_id)
    wait.eventually("it is told again", function() return #o:issue(issue.id).comments == 2 end)
    local code, text = d:verb("retry", "--report", id)
    assert.same({ 0, "run_id: " .. id .. "\n" }, { code, text })
    d:configure { features = { cli_executor = false } }
    assert.same({ status = "reloaded" }, d:json("reload", "--json"))
    local held = d:post((o:knows(event.issue {}):assigned())).json
    assert.equal("disabled", held.status)
    local other = d:post((o:knows(event.issue {}):assigned())).json
    assert.same({ event_id = other.event_id }, d:json("release", "--discard", "--json", other.event_id))
    d:configure { features = { cli_executor = true } }
    code, text = d:verb "reload"
    assert.same({ 0, "status: reloaded\n" }, { code, text })
    local released = d:json("release", "--json", held.event_id)
    assert.equal("dispatched", released.status)
    d:ended(released.run_id)
    assert.same({ status = "draining", running = 0 }, d:json("drain", "--json"))
    code, text = d:verb "drain"
    assert.same({ 0, "status: draining\nrunning: 0\n" }, { code, text })
  end)

  it("lists what is wrong with a reload, as text and as JSON", function()
    d:configure { executor = { timeout_secs = "soon" } }
    local code, out, why = d:verb("reload", "--json")
    assert.equal(2, code)
    assert.matches('executor%.timeout_secs', event.json.decode(out).mistakes[1])
    assert.matches("executor%.timeout_secs", why)
  end)

  it("a table keeps its columns whatever strangers wrote, and has colours on a terminal alone", function()
    daemon.write(d.dir .. "/filter.lua", [[
      return rules {
        { "grün ünd länger", when.event "issue.assigned", ignore "because" },
        { "kurz", when.always, ignore "because \27[2J\194\155" },
      }
    ]])
    d:configure { policies = { dir = d.dir } }
    assert.equal(0, (d:verb "reload"))
    d:post((event.issue():assigned()))
    d:post((event.issue():deleted()))
    local _, text = d:verb "events"
    assert.is_nil(text:find("[\27\155]"))
    local column
    for line in text:gmatch "[^\n]+" do
      local at = line:find("because", 1, true) or line:find("REASON", 1, true)
      at = utf8.len(line:sub(1, at))
      assert.equal(column or at, at, text)
      column = at
    end
    local command = ("%s --config %s/config.lua events"):format(daemon.program, d.dir)
    d.env.TERM = "xterm"
    local code, seen = process.run({ "script", "-qec", command, "/dev/null" }, d.env, "/", 30)
    if code == 127 then return pending "no script(1) here" end
    assert.is_truthy(seen:find("\27[1mEVENT\27[0m", 1, true), seen)
    d.env.NO_COLOR = "1"
    _, seen = process.run({ "script", "-qec", command, "/dev/null" }, d.env, "/", 30)
    assert.is_nil(seen:find("\27", 1, true))
  end)
end)
