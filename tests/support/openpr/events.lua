-- Makes what OpenPR sends to a dispatcher: webhook events and AI tasks, in the shapes that a live one sent.

local json = require "openpr.json"
local state = require "openpr.state"

local events = {}

local person = {
  id = "9d2c4b6a-8e0f-4d1c-b2a3-c4d5e6f70819", name = "Ann", email = "ann@example.com", entity_type = "human",
}

local webhook_id = "c0ffee00-1234-4abc-8def-0123456789ab"

local function issue_key(issue)
  return ("%s-%s"):format(state.data().project.key, issue.id:sub(1, 8):upper())
end

local function assignees(id)
  return json.array(id ~= json.null and id ~= nil and { id } or {})
end

local function whole_issue(issue)
  local labels = json.array()
  for i, label in ipairs(issue.label_list) do
    labels[i] = label.id
  end
  return {
    id = issue.id, key = issue_key(issue), title = issue.title, description = issue.description, state = issue.state,
    priority = issue.priority, assignee_ids = assignees(issue.assignee_id), label_ids = labels,
    sprint_id = issue.sprint_id, created_at = issue.created_at, updated_at = issue.updated_at,
  }
end

local function short_issue(issue)
  return { id = issue.id, key = issue_key(issue), title = issue.title }
end

-- Each takes issue and options; answers data and the trigger reason of a bot that is meant.
local makers = {
  ["issue.created"] = function(issue)
    return { issue = whole_issue(issue) }, "created"
  end,
  ["issue.updated"] = function(issue)
    return { changes = { title = { old = "before", new = issue.title } }, issue = whole_issue(issue) }, "assigned"
  end,
  ["issue.deleted"] = function(issue)
    return { issue = whole_issue(issue) }, "assigned"
  end,
  ["issue.state_changed"] = function(issue, options)
    return { changes = { state = { old = options.old or "todo", new = issue.state } }, issue = whole_issue(issue) },
      "status_changed"
  end,
  -- options.removed: the bot was taken off instead.
  ["issue.assigned"] = function(issue, options)
    local bot = assignees(options.bot)
    local none = json.array()
    local change = options.removed and { old = bot, new = none, added = none, removed = bot }
      or { old = none, new = bot, added = bot, removed = none }
    return { changes = { assignee_ids = change }, issue = whole_issue(issue) }, "assigned"
  end,
  -- options.text
  ["comment.created"] = function(issue, options)
    local comment = state.add_comment(issue, person, options.text or "please look")
    return {
      comment = {
        id = comment.id, issue_id = issue.id, content = comment.body, author_id = person.id, author_name = person.name,
        created_at = comment.created_at, updated_at = comment.updated_at,
      },
      issue = short_issue(issue), mentions = assignees(options.bot),
    }, "mentioned"
  end,
}

local function bot_context(bot, reason)
  if not bot then
    return json.null
  end
  return {
    is_bot_task = true, bot_id = bot.id, bot_name = bot.name, bot_agent_type = "custom", trigger_reason = reason,
    webhook_id = webhook_id,
  }
end

-- options: event, issue (an id), bot (an id; none: nobody's task), id, timestamp, actor (an id of a user).
local function make_event(options)
  local data = state.data()
  local issue = assert(data.issues[options.issue], "there is no such issue")
  local maker = assert(makers[options.event], "there is no such event")
  local actor = options.actor and data.users[options.actor] or person
  local details, reason = maker(issue, options)
  return {
    id = options.id or state.uuid(), event = options.event, timestamp = options.timestamp or state.timestamp(),
    workspace = data.workspace, project = data.project,
    actor = { id = actor.id, name = actor.name, email = actor.email, entity_type = actor.entity_type },
    data = details, bot_context = bot_context(data.users[options.bot], reason),
  }
end

-- options: task (an id).  Sending it is an attempt, as for OpenPR's worker.
local function make_task(options)
  local task = assert(state.data().tasks[options.task], "there is no such task")
  local bot = state.data().users[task.ai_participant_id]
  local kinds = { issue_assigned = "assigned", comment_requested = "mention", review_requested = "mention" }
  if options.again then
    task.attempts = task.attempts + 1
  end
  task.status = "processing"
  return {
    ai_participant_agent_type = "custom", ai_participant_id = task.ai_participant_id,
    ai_participant_name = bot and bot.name or json.null, attempts = task.attempts, max_attempts = task.max_attempts,
    payload = task.payload, project_id = task.project_id, reference_id = task.reference_id,
    reference_type = task.reference_type, task_id = task.id, task_type = task.task_type,
    trigger_kind = kinds[task.task_type] or "manual",
  }
end

-- The body to post, as text, and the headers that go with it.
function events.make(options)
  if options.body then
    return options.body, {}
  end
  if options.task then
    return json.encode(make_task(options)), {}
  end
  local event = make_event(options)
  return json.encode(event), {
    ["user-agent"] = "OpenPR-Webhook/1.0", ["x-webhook-event"] = event.event, ["x-webhook-delivery"] = event.id,
  }
end

return events
