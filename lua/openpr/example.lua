-- Events made up, in the shapes that OpenPR sends: what `openpr-webhook send --example NAME` posts.  What is null in
-- them is left out here, for lack of a word, and put in by core/command/example.c.

local M = {}

local format = string.format

-- Those that stay the same: nobody's.
local fixed = {
  workspace = "0e000000-0000-4000-8000-000000000001",
  project = "0e000000-0000-4000-8000-000000000002",
  person = "0e000000-0000-4000-8000-000000000003",
  bot = "0e000000-0000-4000-8000-000000000004",
  webhook = "0e000000-0000-4000-8000-000000000005",
  label = "0e000000-0000-4000-8000-000000000006",
}

-- made: { delivery, issue, other (ids), now, bot (a name), list (marks an array) }

local function key(made) return "EXAMPLE-" .. string.upper(string.sub(made.issue, 1, 8)) end
local function short(made) return { id = made.issue, key = key(made), title = "An example" } end

local function whole(made, assignees)
  local issue = short(made)
  issue.description = "Made by `openpr-webhook send --example`. There is nothing to do."
  issue.state, issue.priority = "todo", "medium"
  issue.assignee_ids, issue.label_ids = made.list(assignees), made.list {}
  issue.created_at, issue.updated_at = made.now, made.now
  return issue
end

local function assignment(made, before, after, added, removed)
  local change = { old = made.list(before), new = made.list(after), added = made.list(added),
                   removed = made.list(removed) }
  return { issue = whole(made, after), changes = { assignee_ids = change } }
end

-- Each returns the event's name, its data, and why the bot is meant; no reason: it is not.
local webhook = {
  ["issue.created"] = function(made) return "issue.created", { issue = whole(made, { fixed.bot }) }, "created" end,
  ["issue.assigned"] = function(made)
    return "issue.assigned", assignment(made, {}, { fixed.bot }, { fixed.bot }, {}), "assigned"
  end,
  ["issue.unassigned"] = function(made)
    return "issue.assigned", assignment(made, { fixed.bot }, {}, {}, { fixed.bot })
  end,
  ["issue.updated"] = function(made)
    local data = { issue = whole(made, { fixed.bot }), changes = { priority = { old = "low", new = "medium" } } }
    return "issue.updated", data, "assigned"
  end,
  ["issue.state_changed"] = function(made)
    local data = { issue = whole(made, { fixed.bot }), changes = { state = { old = "backlog", new = "todo" } } }
    return "issue.state_changed", data, "status_changed"
  end,
  ["issue.deleted"] = function(made) return "issue.deleted", { issue = whole(made, { fixed.bot }) }, "assigned" end,
  ["comment.created"] = function(made)
    local comment = { id = made.other, issue_id = made.issue, content = format("@%s please look", made.bot),
                      author_id = fixed.person, author_name = "Example", created_at = made.now, updated_at = made.now }
    return "comment.created", { comment = comment, issue = short(made), mentions = made.list { fixed.bot } },
      "mentioned"
  end,
  ["label.added"] = function(made)
    return "label.added", { issue = short(made), label = { id = fixed.label, name = "bug", color = "#ff0000" } }
  end,
}

-- Each returns type, trigger, what it refers to and the payload.
local ai_task = {
  ["ai-task.issue_assigned"] = function(made)
    local payload = { issue_id = made.issue, project_id = fixed.project, assignee_id = fixed.bot,
                      trigger = "issue.create" }
    return "issue_assigned", "assigned", "work_item", made.issue, payload
  end,
  ["ai-task.comment_requested"] = function(made)
    local payload = { issue_id = made.issue, comment_id = made.other, project_id = fixed.project, bot_id = fixed.bot,
                      project_type = "code_project", trigger = "comment.created",
                      comment = { id = made.other, body = format("@%s please look", made.bot) } }
    return "comment_requested", "mention", "comment", made.other, payload
  end,
}

local function webhook_event(made, name, data, reason)
  local context = reason and { is_bot_task = true, bot_id = fixed.bot, bot_name = made.bot, bot_agent_type = "custom",
                               trigger_reason = reason, webhook_id = fixed.webhook }
  return {
    id = made.delivery, event = name, timestamp = made.now,
    workspace = { id = fixed.workspace, name = "Example" },
    project = { id = fixed.project, name = "Example", key = "EXAMPLE" },
    actor = { id = fixed.person, name = "Example", email = "example@localhost", entity_type = "human" },
    data = data, bot_context = context or nil,
  }
end

local function ai_task_body(made, task_type, trigger, reference_type, reference_id, payload)
  return {
    task_id = made.delivery, task_type = task_type, trigger_kind = trigger, attempts = 1, max_attempts = 3,
    ai_participant_id = fixed.bot, ai_participant_name = made.bot, ai_participant_agent_type = "custom",
    project_id = fixed.project, reference_type = reference_type, reference_id = reference_id, payload = payload,
  }
end

-- All names, sorted.
function M.names()
  local names = {}
  for name in pairs(webhook) do names[#names + 1] = name end
  for name in pairs(ai_task) do names[#names + 1] = name end
  table.sort(names)
  return names
end

-- One function for C: {"name", "bot", "now", "ids"} to {"event"}, or to {"names"} when there is none of that name.
function M.make(input, host)
  local asked = host.json_decode(input)
  local made = { delivery = asked.ids[1], issue = asked.ids[2], other = asked.ids[3], now = asked.now, bot = asked.bot,
                 list = host.json_array }
  local event
  if webhook[asked.name] then
    event = webhook_event(made, webhook[asked.name](made))
  elseif ai_task[asked.name] then
    event = ai_task_body(made, ai_task[asked.name](made))
  else
    return host.json_encode { names = table.concat(M.names(), ", ") }
  end
  return host.json_encode { event = event }
end

return M
