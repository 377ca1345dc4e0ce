-- An old database under the new program: it is brought up, and everything in it goes on.

local daemon = require "support.daemon"
local event = require "support.event"
local openpr = require "support.openpr"
local process = require "support.process"
local socket = require "socket"
local uv = require "luv"
local wait = require "support.wait"

local env = { PATH = os.getenv "PATH" }

local function slurp(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "a"
  file:close()
  return text
end

local function query(path, sql)
  local code, out, err = process.run({ "sqlite3", path, sql }, env, "/", 30)
  assert(code == 0, err)
  return (out:gsub("\n$", ""))
end

-- What tests/fixtures/queue says, as the queue of `d`.
local function restore(d)
  local text = slurp "tests/fixtures/queue/version-1.sql"
  local now = ("%.0f"):format(socket.gettime() * 1000)
  text = text:gsub("@now", now):gsub("@dir", (d.dir:gsub("%%", "%%%%")))
  assert(uv.fs_mkdir(d.dir .. "/state", 448))
  daemon.write(d.dir .. "/version-1.sql", text)
  daemon.write(d.dir .. "/state/queue.db", "")
  query(d.dir .. "/state/queue.db", ".read " .. d.dir .. "/version-1.sql")
end

describe("a queue of version 1", function()
  local d, o, queue

  -- Makes the stand-in know all issues that are in the queue, as they were left.
  local function know_all()
    local issues = {}
    for line in query(queue, [[SELECT DISTINCT issue_id || '|' || coalesce(issue_title, '') FROM events
                               WHERE issue_title IS NOT NULL]]):gmatch "[^\n]+" do
      local id, title = line:match "^(.-)|(.*)$"
      local touched = query(queue, ("SELECT count(*) FROM reports WHERE issue_id = '%s' AND kind = 'state'"):format(id))
      issues[#issues + 1] = { id = id, title = title, assignee_id = event.bot.id, description = "",
                              state = touched ~= "0" and "in_progress" or "todo" }
    end
    o:control { issues = issues }
    for line in query(queue, [[SELECT a.id || '|' || e.issue_id FROM ai_tasks a JOIN events e ON e.id = a.event_id]])
      :gmatch "[^\n]+" do
      local id, issue = line:match "^(.-)|(.*)$"
      o:control { tasks = { { id = id, bot = event.bot.id, issue = issue } } }
    end
  end

  before_each(function()
    o = openpr.start()
    d = daemon.prepare({}, o)
    queue = d.dir .. "/state/queue.db"
    restore(d)
    know_all()
  end)
  after_each(function()
    d:close()
    o:stop()
  end)

  -- The newest run about the issue of this title, with its event.
  local function run_of(title)
    for _, run in ipairs(d:json("runs", "--json")) do
      local shown = d:json("show", "--json", run.run_id)
      if shown.event.issue_title == title then return shown end
    end
    error("no run for " .. title)
  end
  local function event_of(title)
    return query(queue, ("SELECT id FROM events WHERE issue_title = '%s' ORDER BY received_at LIMIT 1"):format(title))
  end
  local function comments(title) return o:issue(run_of(title).issue_id).comments end
  local function one_comment(title, text)
    local found = comments(title)
    assert.equal(1, #found, title)
    assert.is_truthy(found[1].body:find(text, 1, true), found[1].body)
    assert.is_truthy(found[1].body:find("\nrun " .. run_of(title).run_id, 1, true), found[1].body)
  end

  it("has something in every state", function()
    local function states(of, from)
      return query(queue, ("SELECT group_concat(s, ' ') FROM (SELECT DISTINCT %s AS s FROM %s ORDER BY 1)")
        :format(of, from))
    end
    assert.equal("1", query(queue, "PRAGMA user_version"))
    assert.equal("claimed ended held running waiting", states("state", "tasks"))
    assert.equal("cancelled failure success timeout", states("outcome", "runs WHERE outcome NOTNULL"))
    assert.equal("dead delivered expanded pending sending", states("state", "reports"))
    assert.equal("disabled dispatched held ignored joined no_agent observed", states("status", "events"))
  end)

  it("is brought up, and what waited, ran or was owed goes on", function()
    d:start()
    assert.is_true(tonumber(query(queue, "PRAGMA user_version")) >= 1)
    for _, title in ipairs { "cut off", "waiting", "waiting too" } do d:ended(run_of(title).run_id) end
    one_comment("cut off", "Done in the end.")
    one_comment("waiting", "My turn.")
    one_comment("waiting too", "And mine.")
    assert.same({ 2, "success" }, { run_of("cut off").attempt, run_of("cut off").outcome })
    assert.same({ 1, 1 }, { run_of("waiting").attempt, run_of("waiting too").attempt })
    -- owed: one that was refused for a while, and one that was being sent when the daemon was killed
    d:ended(run_of("pending").run_id)
    d:ended(run_of("sending").run_id)
    one_comment("pending", "Late but here.")
    one_comment("sending", "Cut off while it was said.")
    assert.equal("done", o:issue(run_of("pending").issue_id).state)
    local owed = query(queue, "SELECT ai_task_id FROM reports WHERE kind = 'ai_complete' ORDER BY seq DESC LIMIT 1")
    wait.eventually("the AI task is completed", function() return o:task(owed).status == "completed" end)
  end)

  it("has nothing said or done twice", function()
    d:start()
    for _, title in ipairs { "cut off", "waiting", "waiting too", "pending" } do d:ended(run_of(title).run_id) end
    for title, outcome in pairs { success = "success", failure = "failure", timeout = "timeout",
                                  cancelled = "cancelled", mentioned = "success" } do
      assert.same({ "ended", outcome, "delivered" },
                  { run_of(title).state, run_of(title).outcome, run_of(title).report }, title)
      assert.equal(0, #comments(title), title)
    end
    -- OpenPR asks again, for work that has long ended
    local ai_task = query(queue, [[SELECT a.id FROM ai_tasks a JOIN events e ON e.id = a.group_id
                                   WHERE e.issue_title = 'success']])
    o:control { tasks = { { id = ai_task, bot = event.bot.id, issue = run_of("success").issue_id, attempts = 2 } } }
    local body = event.json.encode {
      task_id = ai_task, task_type = "issue_assigned", attempts = 2, max_attempts = 3, trigger_kind = "assigned",
      ai_participant_id = event.bot.id, ai_participant_name = event.bot.name, project_id = event.id(),
      reference_type = "work_item", reference_id = run_of("success").issue_id,
      payload = { issue_id = run_of("success").issue_id },
    }
    local answer = d:post(body).json
    assert.same({ "duplicate", run_of("success").run_id }, { answer.status, answer.run_id })
  end)

  it("lets a person go on with what waits for one", function()
    d:start()
    for _, title in ipairs { "held event", "observed", "disabled", "held task" } do
      local code, _, why = d:verb("release", event_of(title))
      assert.equal(0, code, title .. why)
      assert.equal("success", d:ended(run_of(title).run_id).outcome, title)
      assert.equal(1, #comments(title), title)
    end
    assert.same({ "ended", "dead" }, { run_of("dead").state, run_of("dead").report })
    assert.equal(0, (d:verb("retry", "--report", run_of("dead").run_id)))
    wait.eventually("the report is delivered", function() return run_of("dead").report == "delivered" end)
    one_comment("dead", "Nobody wants this.")
    local again = d:json("retry", "--json", run_of("failure").run_id).run_id
    assert.equal("failure", d:ended(again).outcome)
  end)

  it("is refused, and left as it is, when it is newer than the program", function()
    query(queue, "PRAGMA user_version = 999")
    local before = slurp(queue)
    local code, _, why = process.run({ daemon.program, "--config", d.dir .. "/config.lua" }, d.env, "/", 30)
    assert.equal(1, code)
    assert.matches("version 999", why)
    assert.matches("backup", why)
    code, _, why = d:verb "runs"
    assert.equal(1, code)
    assert.matches("version 999", why)
    assert.is_true(before == slurp(queue))
  end)

  it("is told to be brought up by the daemon, when only a verb looks", function()
    local code, _, why = d:verb "runs"
    assert.equal(1, code)
    assert.matches("start the daemon once", why)
  end)

  it("can be backed up while the daemon runs, as docs/queue.md says", function()
    d:start()
    local command = assert(slurp("docs/queue.md"):match '`(sqlite3 queue%.db "%.backup copy%.db")`')
    local code, _, err = process.run({ "sh", "-c", command }, env, d.dir .. "/state", 30)
    assert.equal(0, code, err)
    assert.equal(0, d:stop())
    d.child = nil
    local count = "SELECT count(*) FROM events"
    assert.equal(query(queue, count), query(d.dir .. "/state/copy.db", count))
    assert(uv.fs_rename(d.dir .. "/state/copy.db", queue))
    d:start()
    assert.equal("success", d:ended(run_of("waiting").run_id).outcome)
  end)
end)
