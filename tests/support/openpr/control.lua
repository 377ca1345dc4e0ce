-- What a test or a demonstration asks of the stand-in itself.
--
-- POST /_control        {"reset": true, "users": [...], "issues": [...], "comments": [...], "tasks": [...],
--                       "gone": [ids], "states": [names], "policy_disabled": {TOOL: true}, "clear_faults": true,
--                       "faults": [...]}
--                       All optional, done in this order; the fields of each: openpr/state.lua, openpr/faults.lua.
--                       Answers {"users": [ids], "issues": [ids], "comments": [ids], "tasks": [ids]} of what was made.
-- GET  /_control/state  {"issues": [with "comments"], "tasks": [...], "requests": [in order]}
-- POST /_control/emit   {"url", "secret", "event" or "task" or "body", ...: openpr/events.lua; "headers": {...}}
--                       Signs it, posts it to the dispatcher and answers {"status", "body", "json", "sent"}, or
--                       {"error"} when nothing came back.

local events = require "openpr.events"
local faults = require "openpr.faults"
local json = require "openpr.json"
local server = require "openpr.server"
local sha256 = require "openpr.sha256"
local state = require "openpr.state"

local control = {}

local function json_response(status, value)
  return { status = status, headers = { ["content-type"] = "application/json" }, body = json.encode(value) }
end

local function make_each(list, make)
  local ids = json.array()
  for i, fields in ipairs(list or {}) do
    ids[i] = make(fields).id
  end
  return ids
end

local function add_comment(fields)
  local data = state.data()
  local issue = assert(data.issues[fields.issue], "there is no such issue")
  return state.add_comment(issue, data.users[fields.author], fields.body, fields.mentions)
end

local function change(asked)
  if asked.reset then
    state.reset()
    faults.clear()
  end
  local made = {
    users = make_each(asked.users, state.add_user),
    issues = make_each(asked.issues, state.put_issue),
    comments = make_each(asked.comments, add_comment),
    tasks = make_each(asked.tasks, state.put_task),
  }
  for _, id in ipairs(asked.gone or {}) do
    state.delete_issue(id)
  end
  local data = state.data()
  data.states = asked.states or data.states
  state.clock = asked.clock or state.clock
  data.policy_disabled = asked.policy_disabled or data.policy_disabled
  if asked.clear_faults then
    faults.clear()
  end
  for _, fault in ipairs(asked.faults or {}) do
    faults.add(fault)
  end
  return json_response(200, made)
end

local function in_order(order, items)
  local list = json.array()
  for _, id in ipairs(order) do
    list[#list + 1] = items[id] -- nil when it was deleted
  end
  return list
end

local function show()
  local data = state.data()
  return json_response(200, {
    issues = in_order(data.issue_order, data.issues), tasks = in_order(data.task_order, data.tasks),
    requests = data.requests,
  })
end

-- An AI task that was not taken goes back to the queue, as OpenPR's worker does it.
local function after_task(options, status)
  local task = options.task and state.data().tasks[options.task]
  if task and task.status == "processing" and not (status and status >= 200 and status <= 299) then
    task.status = task.attempts < task.max_attempts and "pending" or "failed"
  end
end

local function emit(options)
  local body, headers = events.make(options)
  headers["content-type"] = "application/json"
  if options.secret then
    headers["x-webhook-signature"] = "sha256=" .. sha256.hmac(options.secret, body)
  end
  for name, value in pairs(options.headers or {}) do
    headers[name:lower()] = value
  end
  local status, why, answer = server.post(options.url, headers, body)
  after_task(options, status)
  if not status then
    return json_response(200, { error = why, sent = body })
  end
  return json_response(200, { status = status, body = answer, json = json.decode(answer), sent = body })
end

local routes = {
  ["POST /_control"] = change,
  ["GET /_control/state"] = show,
  ["POST /_control/emit"] = emit,
}

function control.answer(request)
  local handler = routes[request.method .. " " .. request.path]
  if not handler then
    return json_response(404, { error = "openpr/control.lua lists what can be asked" })
  end
  local asked = request.method == "GET" and {} or json.decode(request.body)
  if type(asked) ~= "table" then
    return json_response(400, { error = "not JSON" })
  end
  local ok, response = pcall(handler, asked)
  return ok and response or json_response(400, { error = tostring(response) })
end

return control
