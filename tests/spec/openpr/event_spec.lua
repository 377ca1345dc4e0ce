local event = require "openpr.event"
local testing = require "openpr.testing"

local host = testing.host {}

local function read(path)
  local file = assert(io.open(path, "rb"))
  local data = file:read "a"
  file:close()
  return data
end

local function fixture(name) return { body = host.json_decode(read("tests/fixtures/events/" .. name .. ".json")) } end

describe("the event", function()
  it("is an assignment", function()
    local e = event.new(fixture "issue.assigned", { ["1a2b3c4d-5e6f-4a0b-8c1d-2e3f4a5b6c7d"] = "bug" })
    assert.same({ "00000000-0000-4000-8000-000000000003", "issue.assigned", "2026-09-30T08:20:01.123456789+00:00" },
      { e.id, e.name, e.timestamp })
    assert.equal("assignment", e.kind)
    assert.equal("assigned", e.reason)
    assert.same({ id = testing.PERSON, name = "Ann", kind = "human", ours = false }, e.actor)
    assert.same({ id = testing.BOT, name = "ai-fixer", type = "custom", asked = true }, e.bot)
    assert.same({ id = "77c10d4e-2f5b-4a86-8a1e-9b0c1d2e3f40", name = "Core", key = "CORE" }, e.project)
    assert.same({
      id = testing.ISSUE, key = "CORE-A1B2C3D4", title = "Login fails", description = "Steps to reproduce…",
      state = "todo", priority = "medium", known = true, gone = false, labels = { "bug" },
      label_ids = { "1a2b3c4d-5e6f-4a0b-8c1d-2e3f4a5b6c7d" }, assignees = { testing.BOT },
    }, e.issue)
    assert.same({ testing.BOT }, e.changes.assignee_ids.added)
    assert.same({}, e.task)
    assert.equal("Acme", e.payload.workspace.name)
  end)

  it("is a mention, which lacks most of the issue", function()
    local e = event.new(fixture "comment.created", {})
    assert.same({ "mention", "mentioned", { testing.BOT } }, { e.kind, e.reason, e.mentions })
    assert.same({ id = testing.COMMENT, body = "@ai-fixer please look", author = "Ann" }, e.comment)
    assert.same({ id = testing.ISSUE, key = "CORE-A1B2C3D4", title = "Login fails", known = false, gone = false,
                  labels = {}, label_ids = {}, assignees = {} }, e.issue)
  end)

  it("is an AI task, which has no actor", function()
    local e = event.new(fixture "ai-task.issue_assigned", {})
    assert.same({ "task.issue_assigned", "assignment", "assigned" }, { e.name, e.kind, e.reason })
    assert.same({ ours = false }, e.actor)
    assert.equal("4d5e6f70-8192-4d3e-af40-5b6c7d8e9fa0", e.id)
    assert.same({ id = "4d5e6f70-8192-4d3e-af40-5b6c7d8e9fa0", type = "issue_assigned", attempt = 1 }, e.task)
    assert.same({ id = testing.BOT, name = "ai-fixer", type = "custom", asked = true }, e.bot)
    assert.equal(testing.ISSUE, e.issue.id)
    assert.equal("77c10d4e-2f5b-4a86-8a1e-9b0c1d2e3f40", e.project.id)
  end)

  it("is an AI task of a mention, with the comment", function()
    local e = event.new(testing.task("comment_requested", { comment = "have a look" }), {})
    assert.same({ "mention", testing.COMMENT, "have a look" }, { e.kind, e.comment.id, e.comment.body })
    assert.equal(testing.ISSUE, e.issue.id)
  end)

  it("takes the issue of an AI task from its reference only when that is an issue", function()
    local task = testing.task("review_requested")
    task.body.payload = nil
    assert.equal(testing.ISSUE, event.new(task, {}).issue.id)
    task.body.reference_type = "comment"
    assert.is_nil(event.new(task, {}).issue.id)
  end)

  it("is completed by what OpenPR told when it was asked", function()
    local told = testing.completion { labels = { { id = "l-1", name = "bug" }, { id = "l-2", name = "css" } } }
    local e = event.new(testing.task(nil, { completion = told }), { ["l-2"] = "styles" })
    assert.same({ "Login fails", "On every page.", "todo", "medium" },
      { e.issue.title, e.issue.description, e.issue.state, e.issue.priority })
    assert.same({ "bug", "styles" }, e.issue.labels)
    assert.same({ testing.BOT }, e.issue.assignees)
  end)

  it("keeps its own words where OpenPR tells others later", function()
    local told = testing.completion { title = "New" }
    local e = event.new(testing.mentioned { title = "As it was", completion = told }, {})
    assert.same({ "As it was", "On every page." }, { e.issue.title, e.issue.description })
  end)

  it("knows that the issue is gone, and that nobody has it", function()
    assert.is_true(event.new(testing.task(nil, { completion = { missing = "issue" } }), {}).issue.gone)
    local told = testing.completion()
    told.issue.assignee_id = nil
    assert.same({}, event.new(testing.task(nil, { completion = told }), {}).issue.assignees)
  end)

  it("tells our own identities from others", function()
    assert.is_true(event.new(testing.assigned { ours = { testing.PERSON:upper() } }, {}).actor.ours)
    assert.is_false(event.new(testing.assigned { ours = { testing.BOT } }, {}).actor.ours)
  end)

  it("is a copy: what is done to it does not reach the next policy", function()
    local input = testing.assigned()
    local e = event.new(input, {})
    e.payload.data.issue.title, e.changes.assignee_ids.added[1] = "changed", "changed"
    local again = event.new(input, {})
    assert.same({ "Login fails", testing.BOT }, { again.payload.data.issue.title, again.changes.assignee_ids.added[1] })
  end)

  -- Each table and each text of a body replaced by what should not be there.
  local function mutations(value, path, list)
    for key, item in pairs(value) do
      list[#list + 1] = { value, key, path .. "." .. tostring(key) }
      if type(item) == "table" then mutations(item, path .. "." .. tostring(key), list) end
    end
    return list
  end

  local function task_of_mention() return testing.task "comment_requested" end

  for n, make in ipairs { testing.assigned, testing.mentioned, testing.task, task_of_mention } do
    for m, wrong in ipairs { 7, true, "", "text", { 1, { 2 } }, {} } do
      it(("is made of any body: %d, %d"):format(n, m), function()
        local input = make()
        for _, place in ipairs(mutations(input.body, "body", {})) do
          local was = place[1][place[2]]
          place[1][place[2]] = wrong
          local e = event.new(input, {})
          assert.is_string(e.name)
          assert.is_table(e.issue)
          assert.is_table(e.changes)
          for _, id in ipairs { e.issue.labels, e.issue.assignees, e.mentions } do assert.is_table(id) end
          place[1][place[2]] = was
        end
      end)
    end
  end

  it("is made of no body at all", function()
    for _, body in ipairs { {}, "text", 7, { data = "x", payload = 7, bot_context = true, actor = {} } } do
      local e = event.new({ body = body, completion = "x", ours = 7 }, {})
      assert.same({ "unknown", "other", false }, { e.name, e.kind, e.bot.asked })
    end
  end)
end)

describe("a field that only OpenPR knows", function()
  local asked
  local function demanding(input)
    asked = false
    return event.new(input, {}, function()
      asked = true
      error "ask"
    end)
  end

  for _, name in ipairs(event.FETCHED) do
    it("is asked for when it is read: " .. name, function()
      local e = demanding(testing.task())
      assert.is_false(asked)
      assert.is_false(pcall(function() return e.issue[name] end))
      assert.is_true(asked)
    end)
  end

  it("is asked for when the issue is walked through", function()
    local e = demanding(testing.mentioned())
    pcall(pairs, e.issue)
    assert.is_true(asked)
  end)

  it("is not asked for when the event has it", function()
    local e = demanding(testing.mentioned())
    assert.same({ "Login fails", "CORE-A1B2C3D4", testing.ISSUE }, { e.issue.title, e.issue.key, e.issue.id })
    assert.is_nil(e.issue.sprint)
    local whole = demanding(testing.assigned())
    assert.equal("On every page.", whole.issue.description)
    assert.is_false(asked)
  end)

  it("is asked for once: what OpenPR did not tell is nil", function()
    for _, completion in ipairs { { issue = {} }, { missing = "issue" } } do
      local e = demanding(testing.mentioned { completion = completion })
      assert.is_nil(e.issue.description)
      assert.same({}, e.issue.labels)
      assert.is_false(asked)
    end
  end)

  it("is nil where there is no issue to ask for", function()
    local task = testing.task "vote_requested"
    task.body.payload, task.body.reference_type, task.body.reference_id = { }, "proposal", "p-1"
    assert.is_nil(demanding(task).issue.description)
    assert.is_false(asked)
  end)
end)

describe("an event", function()
  it("is the same in a dispatch, which adds what the control plane says", function()
    local inside = event.new(testing.dispatched(testing.assigned(),
      { run_id = "r7", agent = "codex", issue_id = "other" }), {})
    local bare = event.new(testing.assigned(), {})
    assert.same({ run_id = "r7", agent = "codex", issue_id = "other" }, inside.dispatch)
    assert.same({}, bare.dispatch)
    inside.dispatch = bare.dispatch
    assert.same(bare, inside)
  end)

  it("has a name of its own for a dispatch that carries no event", function()
    local fields = { text = "Do it", issue_id = testing.ISSUE, body = { task_id = "t" } }
    local one = event.new(testing.dispatched(nil, fields), {})
    assert.same({ "tunnel.dispatch", "other", testing.ISSUE }, { one.name, one.kind, one.issue.id })
    assert.is_nil(one.task.id)
    assert.equal("t", one.payload.task_id)
  end)

  it("is no dispatch because a body of OpenPR's says so", function()
    for _, input in ipairs { testing.assigned(), testing.task() } do
      input.body.dispatch = { run_id = "r1", agent = "codex", body = {} }
      assert.same({}, event.new(input, {}).dispatch)
    end
  end)
end)
