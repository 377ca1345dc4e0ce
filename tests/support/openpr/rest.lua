-- OpenPR's REST API, with the answers of a live one: HTTP 200 and a code for everything that a handler decides, real
-- HTTP errors only from the layer before it.

local json = require "openpr.json"
local state = require "openpr.state"
local workspace = require "openpr.workspace"

local rest = {}

-- `value` is for the MCP server beside it.
local function json_response(value)
  return { status = 200, headers = { ["content-type"] = "application/json" }, body = json.encode(value), value = value }
end

local function success(value)
  return json_response { code = 0, message = "success", data = value }
end

local function refuse(code, message)
  return json_response { code = code, message = message }
end

local function plain(status, text)
  return { status = status, headers = { ["content-type"] = "text/plain; charset=utf-8" }, body = text }
end

-- Only a few messages are translated, and to English only if asked.
local chinese = { ["Content is required"] = "内容不能为空" }

local function localised(request, message)
  local english = (request.headers["accept-language"] or ""):find("^en")
  return english and message or chinese[message] or message
end

local function list(items)
  return success { items = json.array(items), total = #items, page = 1, per_page = #items, total_pages = 1 }
end

-- PostgreSQL's text and jsonb refuse it.
local function has_nul(value)
  if type(value) == "string" then
    return value:find("\0", 1, true) ~= nil
  elseif type(value) == "table" then
    for key, item in pairs(value) do
      if has_nul(key) or has_nul(item) then
        return true
      end
    end
  end
  return false
end

local function trim(text)
  return text:match("^%s*(.-)%s*$")
end

local function without(object, ...)
  local copy = {}
  for key, value in pairs(object) do
    copy[key] = value
  end
  for _, key in ipairs { ... } do
    copy[key] = nil
  end
  return copy
end

-- ---- handlers: (request, user, id, body) -> response ----

local function get_me(_, user)
  return success { user = without(user, "entity_type") }
end

local function no_object()
  return plain(422, "Failed to deserialize the JSON body into the target type: invalid type, expected struct")
end

local function with_issue(handler)
  return function(request, user, id, body)
    if type(body) ~= "table" then
      return no_object()
    end
    local issue = state.data().issues[id:lower()]
    if not issue then
      return refuse(404, "issue not found")
    end
    return handler(request, user, issue, body)
  end
end

local function plain_issue(issue)
  return without(issue, "comments", "label_list")
end

local get_issue = with_issue(function(_, _, issue)
  return success(plain_issue(issue))
end)

local function is_state(name)
  for _, known in ipairs(state.data().states) do
    if known == name then
      return true
    end
  end
  return false
end

local put_issue = with_issue(function(_, _, issue, body)
  local changes, any = {}, false
  for _, name in ipairs { "title", "description", "state", "priority", "assignee_id" } do
    local value = body[name]
    if value ~= nil and value ~= json.null then
      if type(value) ~= "string" then
        return plain(422, ("Failed to deserialize the JSON body into the target type: %s: invalid type"):format(name))
      end
      changes[name], any = value, true
    end
  end
  if not any then
    return refuse(400, "no fields to update")
  end
  if changes.state and not is_state(changes.state) then
    return refuse(400, "state must be one of: " .. table.concat(state.data().states, ", "))
  end
  if has_nul(changes) then
    return refuse(500, "database error")
  end
  changes.id = issue.id
  return success(plain_issue(state.put_issue(changes)))
end)

local get_labels = with_issue(function(_, _, issue)
  local labels = {}
  for i, label in ipairs(issue.label_list) do
    labels[i] = {
      id = label.id, workspace_id = state.data().workspace.id, name = label.name, color = "#ff0000", description = "",
      created_at = issue.created_at,
    }
  end
  return list(labels)
end)

local get_comments = with_issue(function(_, _, issue)
  local comments = {}
  for i, comment in ipairs(issue.comments) do
    comments[i] = without(comment, "mentions")
  end
  return list(comments)
end)

local post_comment = with_issue(function(request, user, issue, body)
  local content = body.content or body.body or ""
  if type(content) ~= "string" then
    return plain(422, "Failed to deserialize the JSON body into the target type: content: invalid type")
  end
  content = trim(content)
  if content == "" then
    return refuse(400, localised(request, "Content is required"))
  end
  if has_nul(content) then
    return refuse(500, "database error")
  end
  return success(without(state.add_comment(issue, user, content, body.mentions), "mentions"))
end)

local function end_task(allowed, message, change)
  return function(_, user, id, body)
    local task = state.data().tasks[id:lower()]
    if not task then
      return refuse(404, "ai task not found")
    end
    if task.ai_participant_id ~= user.id and user.role ~= "admin" then
      return refuse(403, "task can only be updated by assigned ai participant")
    end
    if not allowed[task.status] then
      return refuse(400, message)
    end
    if has_nul(body) then
      return refuse(500, "database error")
    end
    local response = change(task, body)
    task.updated_at = state.timestamp()
    return response or success(task)
  end
end

local complete_task = end_task({ processing = true }, "task is not in processing status", function(task, body)
  task.status, task.result, task.error_message, task.completed_at = "completed", body, json.null, state.timestamp()
end)

local fail_task = end_task({ processing = true, pending = true }, "task cannot be failed in current status",
  function(task, body)
    if type(body) ~= "table" then
      return no_object()
    end
    local message = body.error_message
    if message ~= nil and message ~= json.null and type(message) ~= "string" then
      return plain(422, "Failed to deserialize the JSON body into the target type: error_message: invalid type")
    end
    task.error_message = message or "task execution failed"
    if task.attempts < task.max_attempts then
      task.status = "pending"
      task.next_retry_at = state.timestamp(math.min((task.attempts + 1) * 30, 600))
    else
      task.status, task.next_retry_at, task.completed_at = "failed", json.null, state.timestamp()
    end
  end)

local any = { processing = true, pending = true, completed = true, failed = true, cancelled = true }
local report_progress = end_task(any, "", function()
  return json_response { code = 0, message = "success" }
end)

-- ---- routing ----

local routes = { -- pattern of the path, what its id is called, method -> handler
  { "^/api/v1/auth/me$", nil, { GET = get_me } },
  { "^/api/v1/workspaces/([^/]+)/labels$", "workspace_id", { GET = function() return list {} end } },
  { "^/api/v1/issues/([^/]+)$", "id", { GET = get_issue, PUT = put_issue } },
  { "^/api/v1/issues/([^/]+)/comments$", "issue_id", { GET = get_comments, POST = post_comment } },
  { "^/api/v1/issues/([^/]+)/labels$", "issue_id", { GET = get_labels } },
  { "^/api/v1/ai/callbacks/task/([^/]+)/complete$", "task_id", { POST = complete_task } },
  { "^/api/v1/ai/callbacks/task/([^/]+)/fail$", "task_id", { POST = fail_task } },
  { "^/api/v1/ai/callbacks/task/([^/]+)/progress$", "task_id", { POST = report_progress } },
}

for _, route in ipairs(workspace.routes(success, refuse)) do
  routes[#routes + 1] = route
end

local function read_body(request)
  if request.method == "GET" then
    return {}
  end
  if not (request.headers["content-type"] or ""):find("^application/json") then
    return nil, plain(415, "Expected request with `Content-Type: application/json`")
  end
  local body, why = json.decode(request.body)
  if body == nil then
    return nil, plain(400, "Failed to parse the request body as JSON: " .. why)
  end
  return body
end

local function decode_percent(text)
  return (text:gsub("%%(%x%x)", function(hex)
    return string.char(tonumber(hex, 16))
  end))
end

-- In the order of the live one: the token, the path's id, the body.
local function run(handler, request, route, id)
  local id_name = route[2]
  local user, why = state.authenticate(request)
  if not user and not route.open then
    return refuse(401, why)
  end
  id = id and decode_percent(id)
  if id_name and not state.is_uuid(id) then
    return plain(400, ("Invalid URL: Cannot parse `%s` with value `%s`: UUID parsing failed"):format(id_name, id))
  end
  local body, refusal = read_body(request)
  if body == nil then
    return refusal
  end
  return handler(request, user, id, body)
end

function rest.answer(request)
  if request.path == "/health" then
    return plain(200, "ok")
  end
  for _, route in ipairs(routes) do
    local match = request.path:match(route[1])
    if match then
      local handler = route[3][request.method]
      if not handler then
        local allow = {}
        for method in pairs(route[3]) do
          allow[#allow + 1] = method
        end
        return { status = 405, headers = { allow = table.concat(allow, ",") }, body = "" }
      end
      return run(handler, request, route, match)
    end
  end
  return { status = 404, body = "" }
end

return rest
