-- What the stand-in knows: people, bots, issues, comments, labels, AI tasks; and every request it got.

local socket = require "socket"
local json = require "openpr.json"

local state = {}

local function fresh()
  return {
    users = {}, -- id -> user
    tokens = {}, -- bearer token -> user
    issues = {}, -- id -> issue; its comments and labels are lists in it
    issue_order = json.array(),
    tasks = {}, -- id -> AI task
    task_order = json.array(),
    states = { "backlog", "todo", "in_progress", "done" },
    requests = json.array(),
    workspace = { id = "0b1e7d52-6f0a-4c3e-9d7b-2a4f5c6e7d80", name = "Acme" },
    project = { id = "77c10d4e-2f5b-4a86-8a1e-9b0c1d2e3f40", name = "Core", key = "CORE" },
    policy_disabled = {}, -- MCP tools that the project's agent policy forbids
  }
end

local data = fresh()

function state.data()
  return data
end

function state.reset()
  data = fresh()
end

-- ---- helpers ----

function state.uuid()
  local text = ("xxxxxxxx-xxxx-4xxx-8xxx-xxxxxxxxxxxx"):gsub("x", function()
    return ("%x"):format(math.random(0, 15))
  end)
  return text
end

function state.is_uuid(text)
  local hex = "%x"
  local groups = { hex:rep(8), hex:rep(4), hex:rep(4), hex:rep(4), hex:rep(12) }
  return text:find("^" .. table.concat(groups, "%-") .. "$") ~= nil
end

-- Now, or `offset` seconds from now, as OpenPR writes it.
-- How far its clock is ahead of this machine's, in seconds.
state.clock = 0

function state.timestamp(offset)
  local now = socket.gettime() + (offset or 0) + state.clock
  local whole = math.floor(now)
  return os.date("!%Y-%m-%dT%H:%M:%S", whole) .. (".%06d+00:00"):format(math.floor((now - whole) * 1e6))
end

local function null_or(value)
  return value == nil and json.null or value
end

-- ---- making things; each takes a table of fields, all optional unless said ----

-- name, token, id, entity_type, role ("user" or "admin").
function state.add_user(fields)
  local id = fields.id or state.uuid()
  local user = {
    id = id,
    name = fields.name or "ai-fixer",
    email = fields.email or (id .. "@bot.openpr.local"),
    entity_type = fields.entity_type or "bot",
    role = fields.role or "user",
    created_at = state.timestamp(),
    updated_at = state.timestamp(),
  }
  data.users[id] = user
  if fields.token then
    data.tokens[fields.token] = user
  end
  return user
end

local issue_fields = { "title", "description", "state", "priority", "assignee_id" }

-- A known id changes that issue, as a person would.  labels is a list of {id, name}.
function state.put_issue(fields)
  local id = fields.id or state.uuid()
  local issue = data.issues[id]
  if not issue then
    issue = {
      id = id, project_id = data.project.id, sprint_id = json.null, title = "Login fails", description = "",
      state = "todo", priority = "medium", assignee_id = json.null, due_at = json.null, created_by = json.null,
      created_at = state.timestamp(), proposal_id = json.null, governance_exempt = false,
      governance_exempt_reason = json.null, labels = json.null, comments = json.array(), label_list = json.array(),
    }
    data.issues[id] = issue
    table.insert(data.issue_order, id)
  end
  for _, name in ipairs(issue_fields) do
    if fields[name] ~= nil then
      issue[name] = fields[name]
    end
  end
  if fields.labels then
    issue.label_list = json.array(fields.labels)
  end
  issue.updated_at = state.timestamp()
  return issue
end

function state.delete_issue(id)
  data.issues[id] = nil
end

-- `mentions` are ids of users.
function state.add_comment(issue, author, content, mentions)
  local comment = {
    id = state.uuid(), work_item_id = issue.id, author_id = author and author.id or json.null,
    author_name = author and author.name or json.null, author_email = author and author.email or json.null,
    body = content, created_at = state.timestamp(), updated_at = state.timestamp(), mentions = json.array(mentions),
  }
  table.insert(issue.comments, comment)
  return comment
end

-- bot (an id, required), issue, comment, task_type, status, attempts, max_attempts.
function state.put_task(fields)
  local id = fields.id or state.uuid()
  local task_type = fields.task_type or "issue_assigned"
  local of_comment = task_type == "comment_requested"
  local payload = { issue_id = fields.issue, project_id = data.project.id }
  if of_comment then
    payload.comment_id, payload.bot_id, payload.trigger = fields.comment, fields.bot, "comment.created"
    payload.comment = { id = fields.comment, body = fields.body or "" }
  else
    payload.assignee_id, payload.trigger = fields.bot, "issue.create"
  end
  local task = {
    id = id, project_id = data.project.id, ai_participant_id = fields.bot, task_type = task_type,
    reference_type = of_comment and "comment" or "work_item",
    reference_id = null_or(of_comment and fields.comment or fields.issue),
    status = fields.status or "processing", priority = 10, payload = payload, result = json.null,
    error_message = json.null, attempts = fields.attempts or 1, max_attempts = fields.max_attempts or 3,
    next_retry_at = json.null, started_at = state.timestamp(), completed_at = json.null,
    created_at = state.timestamp(), updated_at = state.timestamp(),
  }
  if not data.tasks[id] then
    table.insert(data.task_order, id)
  end
  data.tasks[id] = task
  return task
end

-- ---- what came in ----

-- Remembers a request; the record's `answer` and `fault` are filled in later.
function state.record(request)
  local record = {
    number = #data.requests + 1, at = socket.gettime(), method = request.method, path = request.path,
    query = request.query, headers = request.headers, body = request.body, json = json.decode(request.body),
  }
  table.insert(data.requests, record)
  return record
end

-- Who sent it: the user; or nil and why, in OpenPR's words.
function state.authenticate(request)
  local token = (request.headers.authorization or ""):match("^Bearer (.+)$")
  if not token then
    return nil, "missing access token"
  end
  local user = data.tokens[token]
  if not user then
    return nil, token:find("^opr_") and "invalid bot token" or "invalid token"
  end
  return user
end

return state
