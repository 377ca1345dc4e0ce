-- `rules` and `replay`: what the policies are, what they have done, and what others would have done.

local daemon = require "support.daemon"
local event = require "support.event"
local openpr = require "support.openpr"
local process = require "support.process"

local function slurp(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "a"
  file:close()
  return text
end

describe("looking back", function()
  local d, o

  before_each(function()
    o = openpr.start()
    d = daemon.prepare({}, o)
  end)
  after_each(function()
    d:close()
    o:stop()
  end)

  local function write(name, text)
    daemon.write(d.dir .. "/" .. name, text)
    return d.dir .. "/" .. name
  end

  local function run(verb, ...)
    return process.run({ daemon.program, "--config", d.dir .. "/config.lua", verb, ... }, d.env, "/", 120)
  end

  local function json(expected, ...)
    local code, out, err = run(...)
    assert.equal(expected, code, err)
    return event.json.decode(out)
  end

  -- The folder of candidates, with these files in it.
  local function candidates(files)
    process.run({ "mkdir", "-p", d.dir .. "/new" }, { PATH = os.getenv "PATH" })
    for name, text in pairs(files) do write("new/" .. name .. ".lua", text) end
    return d.dir .. "/new"
  end

  -- Events of every kind, by a daemon that has ended then.
  local function history()
    d:start()
    local issue, other = o:knows(event.issue {}), o:knows(event.issue { title = "Two" })
    local first = d:post((issue:created())).json
    assert.equal("dispatched", first.status)
    assert.equal("joined", d:post((issue:assigned())).json.status)
    d:ended(first.run_id)
    local body, id = other:task()
    o:control { tasks = { { id = id, bot = event.bot.id, issue = other.id } } }
    local task = d:post(body).json
    assert.equal("dispatched", task.status)
    d:ended(task.run_id)
    assert.equal("ignored", d:post((issue:edited())).json.status)
    assert.equal("ignored", d:post((issue:edited { people = true })).json.status)
    local mention = d:post((other:mentioned())).json
    d:ended(mention.run_id)
    d:configure { features = { cli_executor = false } }
    assert.equal(0, (d:verb "reload"))
    assert.equal("disabled", d:post((event.issue():assigned())).json.status)
    d:configure { features = { cli_executor = true }, executor = { safe_mode = true } }
    assert.equal(0, (d:verb "reload"))
    assert.equal("observed", d:post((event.issue():assigned())).json.status)
    d:configure { executor = { safe_mode = false } }
    assert.equal("ignored", d:post((issue:deleted())).json.status)
    d:stop()
    d.child = nil
    return first, issue
  end

  local function snapshot()
    local _, out = process.run({ "find", d.dir, "-printf", "%p %y %m %s %T@ %C@ %i\n" }, { PATH = os.getenv "PATH" })
    return out
  end

  it("rules lists them with hits", function()
    history()
    local told = json(0, "rules", "--json")
    assert.equal(9, told.events)
    assert.matches("^%d%d%d%d%-", told.since)
    local hits = {}
    for _, policy in ipairs(told.policies) do
      for _, rule in ipairs(policy.rules) do
        if rule.hits > 0 then hits[policy.hook .. ": " .. rule.name] = rule.hits end
      end
      assert.same({}, policy.others)
      assert.matches("policies/" .. policy.hook .. "%.lua$", policy.path)
    end
    assert.same({ ["filter: created for the bot"] = 1, ["filter: assigned to the bot"] = 3,
                  ["filter: AI task: assigned"] = 1, ["filter: bot mentioned"] = 1, ["filter: edit"] = 1,
                  ["filter: nobody asked"] = 1, ["filter: issue deleted"] = 1, ["route: bot name"] = 6 }, hits)
    local _, out = run "rules"
    assert.matches("\n +%d+ +3  assigned to the bot +event \"issue.assigned\" & added +accept\n", out)
    assert.matches("hits: 9 events since", out)
    _, out = run("rules", "--policies", candidates {
      filter = "return function() return accept end",
      route = 'return rules { { "mine", when.always, to "default" } }' })
    assert.matches("a function, not a list of rules", out)
    assert.matches("3  assigned to the bot\n", out)
    assert.matches("6  bot name  %(not a rule of this file%)", out)
  end)

  it("rules works before there is a queue, and names mistakes", function()
    local told = json(0, "rules", "--json")
    assert.is_nil(told.events)
    assert.matches("no queue", told.no_hits)
    local code, out = run "rules"
    assert.equal(0, code)
    assert.matches("no hits", out)
    local _, _, why = run("rules", "--policies", candidates { route = "return rules { { 'x' } }" })
    assert.matches("policies/route.lua:1", why)
  end)

  it("replay finds no change where there is none, whatever became of the events", function()
    history()
    local told = json(0, "replay", "--json")
    assert.same({ 9, 9, 9, 0, 0, 0 },
      { told.events, told.compared, told.same, told.changed, told.pruned, told.undecided })
    local code, out = run "replay"
    assert.same({ 0, "9 events: 9 decided as before, 0 changed\n" }, { code, out })
  end)

  it("replay shows what other policies would have decided, and exits 1", function()
    local first = history()
    local folder = candidates { route = [[return rules {
      { "mentions", when.kind "mention", ignore "not now" },
      { "by task", when.ai_task, to { "default", "second" } },
      { "bot name", when.field "bot.name", to "default" } }]] }
    d:configure { agents = { second = { type = "cli", cli = "codex" } } }
    local told = json(1, "replay", "--json", "--policies", folder)
    assert.same({ 9, 2, 7 }, { told.compared, told.changed, told.same })
    local by_name = {}
    for _, change in ipairs(told.changes) do by_name[change.name] = change end
    local task, mention = by_name["task.issue_assigned"], by_name["comment.created"]
    assert.same({ "accept", "bot name", { "default" } }, { task.was.verdict, task.was.rule, task.was.agents })
    assert.same({ "accept", "by task", { "default", "second" } }, { task.now.verdict, task.now.rule, task.now.agents })
    assert.same({ "rule", "agents" }, task.differs)
    assert.same({ "ignore", "mentions", "not now", { "verdict", "rule", "agents" } },
      { mention.now.verdict, mention.now.rule, mention.now.reason, mention.differs })
    assert.equal(1, told.transitions['accept "bot name" -> ignore "mentions"'])
    local code, out = run("replay", "--policies", folder)
    assert.equal(1, code)
    assert.matches("was  accept by \"bot name\" after \"bot mentioned\": default\n"
      .. "    now  ignore by \"mentions\" after \"bot mentioned\": not now\n", out)
    assert.matches("9 events: 7 decided as before, 2 changed", out)
    code, out = run("replay", "--policies", folder, "--limit", "1")
    assert.equal(1, code)
    assert.matches("and 1 more", out)
    assert.is_truthy(first)
  end)

  it("replay of the policies that an operator has edited, before the reload", function()
    d:configure { policies = { dir = d.dir } }
    history()
    assert.equal(0, (run "replay"))
    write("filter.lua", slurp("policies/filter.lua"):gsub('"edit",', '"an edit",'))
    local told = json(1, "replay", "--json")
    assert.same({ 1, { "filter_rule", "rule" }, "ignore" },
      { told.changed, told.changes[1].differs, told.changes[1].now.verdict })
  end)

  it("replay of some: the last ones, those since", function()
    history()
    local folder = candidates { filter = 'return function() return ignore "all" end' }
    assert.equal(9, json(1, "replay", "--json", "--policies", folder).changed)
    local told = json(1, "replay", "--json", "--policies", folder, "--last", "2")
    assert.same({ 2, "issue.deleted" }, { told.events, told.changes[2].name })
    assert.equal(9, json(1, "replay", "--json", "--policies", folder, "--since", "1h").events)
    assert.equal(0, json(0, "replay", "--json", "--policies", folder, "--since", "2126-01-01T00:00:00Z").events)
  end)

  it("replay asks with the time and the completion of the event", function()
    history()
    local folder = candidates { filter = [[return function(event)
      local age = now() - ]] .. os.time() .. [[;
      if event.task.id then return ignore(("%s %s"):format(age < 600 and age > -600, event.issue.title)) end
      return ignore "x" end]] }
    for _, change in ipairs(json(1, "replay", "--json", "--policies", folder).changes) do
      if change.name == "task.issue_assigned" then assert.equal("true Two", change.now.reason) end
    end
  end)

  it("replay goes on where a policy fails or spins, and says so", function()
    history()
    local told = json(1, "replay", "--json", "--policies", candidates { filter = [[return function(event)
      if event.name == "issue.updated" then error "no" end
      if event.name == "issue.deleted" then while true do end end
      return accept end]] })
    assert.same({ 3, 9 }, { told.failed, told.compared })
    local reasons = {}
    for _, change in ipairs(told.changes) do
      if change.now.verdict == "hold" then reasons[#reasons + 1] = change.now.reason end
    end
    assert.matches("filter.lua:2: no", reasons[1])
    assert.matches("took longer", reasons[3])
  end)

  it("replay writes nothing and starts nothing, with a daemon and without", function()
    local _, issue = history()
    candidates { filter = 'return function() return ignore "all" end' }
    local before, requests = snapshot(), #o:state().requests
    assert.equal(1, (run("replay", "--policies", d.dir .. "/new")))
    assert.equal(0, (run "replay"))
    assert.equal(0, (run "rules"))
    assert.equal(before, snapshot())
    assert.equal(requests, #o:state().requests)
    d:start()
    local runs = #d:json("runs", "--json")
    assert.equal("ignored", d:post((issue:edited())).json.status)
    assert.equal(10, json(0, "replay", "--json").events)
    assert.equal(1, (run("replay", "--policies", d.dir .. "/new")))
    assert.equal(runs, #d:json("runs", "--json"))
    assert.equal(10, #d:json("events", "--json"))
  end)

  it("replay after a kill -9 sees what was in the log of the database", function()
    d:start()
    assert.equal("ignored", d:post((event.issue():edited())).json.status)
    local answer = d:post((o:knows(event.issue {}):assigned())).json
    d:ended(answer.run_id)
    d:kill9()
    assert.equal(2, json(0, "replay", "--json").events)
  end)

  it("replay leaves out what is not kept and what no policy decided, and says so", function()
    local first = history()
    local function sql(text)
      local code, _, why = process.run({ "sqlite3", d.dir .. "/state/queue.db", text }, { PATH = os.getenv "PATH" })
      assert.equal(0, code, why)
    end
    sql(("DELETE FROM bodies WHERE event_id = '%s'"):format(first.event_id))
    sql "UPDATE events SET verdict = NULL, own_rule = NULL, status = 'held' WHERE name = 'comment.created'"
    -- as an earlier version stored them
    sql "UPDATE events SET verdict = NULL, own_rule = NULL, filter_rule = NULL WHERE name = 'issue.updated'"
    sql "UPDATE events SET verdict = NULL, own_rule = NULL, filter_rule = NULL WHERE name = 'issue.deleted'"
    local told = json(0, "replay", "--json")
    assert.same({ 9, 7, 1, 1, 0 }, { told.events, told.compared, told.pruned, told.undecided, told.changed })
    local _, out = run "replay"
    assert.matches("1 left out whose bodies are not kept", out)
    assert.matches("1 left out that no policy decided", out)
    local code, _, why = run("explain", first.event_id)
    assert.equal(1, code)
    assert.matches('not kept any more.*dispatched by rule "bot name"', why)
  end)

  it("replay compares with what was held", function()
    d:configure { policies = { dir = d.dir } }
    write("filter.lua", "return function() error 'broken' end")
    d:start()
    assert.equal("held", d:post((event.issue():assigned())).json.status)
    d:stop()
    d.child = nil
    assert.equal(0, json(0, "replay", "--json").changed)
    write("filter.lua", "return function() return accept end")
    local told = json(1, "replay", "--json")
    assert.same({ "hold", "accept" }, { told.changes[1].was.verdict, told.changes[1].now.verdict })
  end)

  it("is used wrongly with exit 2, as is what keeps it from comparing", function()
    for _, line in ipairs { { "--last", "0" }, { "--last", "x" }, { "--since", "yesterday" }, { "--since", "7w" },
                            { "--policies", "/nowhere" }, { "extra" }, {} } do
      local code, out, why = run("replay", table.unpack(line))
      assert.same({ 2, "" }, { code, out }, table.concat(line, " "))
      assert.matches("%S", why)
    end
  end)
end)
