-- The event that a policy sees: either envelope of OpenPR, under the names that operators use.
--
-- Its tables are always there, so that event.actor.name is at worst nil (an AI task has no actor).  Whatever a body
-- holds in place of what OpenPR sends, making the event raises nothing: a field of a wrong type is a missing field.

local M = {}

local function table_of(value) return type(value) == "table" and value or {} end

local function str(value)
  if type(value) == "string" and value ~= "" then return value end
  return nil
end

-- The texts of a list.
local function texts(value)
  local list = {}
  for _, item in ipairs(table_of(value)) do list[#list + 1] = str(item) end
  return list
end

local function copy(value)
  if type(value) ~= "table" then return value end
  local out = {}
  for key, item in pairs(value) do out[key] = copy(item) end
  return out
end

local function named(value)
  value = table_of(value)
  return { id = str(value.id), name = str(value.name), key = str(value.key) }
end

local function contains(list, id)
  for _, item in ipairs(table_of(list)) do
    if type(item) == "string" and item:lower() == id:lower() then return true end
  end
  return false
end

local function actor(body, ours)
  local value = table_of(body.actor)
  local id = str(value.id)
  return { id = id, name = str(value.name), kind = str(value.entity_type), ours = id ~= nil and contains(ours, id) }
end

-- What came through the tunnel stands in a wrapper of ours (core/pipeline/dispatch.c), which no webhook can make.  The
-- body, and what the dispatch says beside it; nothing for an event that did not come so.
local function unwrapped(body)
  local dispatch = table_of(body.dispatch)
  if str(body.event) or str(body.task_id) or next(dispatch) == nil then return body, {}, false end
  return table_of(dispatch.body), {
    run_id = str(dispatch.run_id), agent = str(dispatch.agent), issue_id = str(dispatch.issue_id),
    text = str(dispatch.text),
  }, dispatch.plain == true
end

local function bot(body, is_task)
  if is_task then
    return { id = str(body.ai_participant_id), name = str(body.ai_participant_name),
             type = str(body.ai_participant_agent_type), asked = true }
  end
  local context = table_of(body.bot_context)
  return { id = str(context.bot_id), name = str(context.bot_name), type = str(context.bot_agent_type),
           asked = context.is_bot_task == true }
end

-- Ids, and names where config.lua or OpenPR gave one.
local function label_names(ids, labels, fetched)
  local names, told = {}, {}
  for _, label in ipairs(table_of(fetched)) do
    local one = table_of(label)
    if str(one.id) then told[one.id] = str(one.name) end
  end
  for n, id in ipairs(ids) do names[n] = labels[id] or told[id] or id end
  return names
end

local function fetched_label_ids(fetched)
  local ids = {}
  for _, label in ipairs(table_of(fetched)) do ids[#ids + 1] = str(table_of(label).id) end
  return ids
end

local function text_of(value) return type(value) == "string" and value or nil end

-- What the envelope says of the issue, then what OpenPR told when it was asked.
local function issue(body, is_task, completion, labels, dispatch, is_plain)
  local data, task = table_of(body.data), table_of(body.payload)
  local sent, told = is_task and {} or table_of(data.issue), table_of(completion.issue)
  local whole = type(sent.description) == "string" and type(sent.label_ids) == "table"
  local asked = type(completion.issue) == "table"
  local reference = body.reference_type == "work_item" and str(body.reference_id) or nil
  local comment = table_of(data.comment)

  local one = {
    id = is_plain and dispatch.issue_id or str(sent.id) or (is_task and (str(task.issue_id) or reference))
      or str(comment.issue_id) or dispatch.issue_id,
    key = str(sent.key),
    title = text_of(sent.title) or text_of(told.title),
    description = text_of(sent.description) or text_of(told.description),
    state = str(sent.state) or str(told.state),
    priority = str(sent.priority) or str(told.priority),
    known = whole or asked,
    gone = str(completion.missing) == "issue",
  }
  if type(sent.label_ids) == "table" then
    one.label_ids = texts(sent.label_ids)
  elseif asked then
    one.label_ids = fetched_label_ids(told.labels)
  end
  if type(sent.assignee_ids) == "table" then
    one.assignees = texts(sent.assignee_ids)
  elseif asked then
    one.assignees = texts { told.assignee_id }
  end
  if one.label_ids then one.labels = label_names(one.label_ids, labels, told.labels) end
  return one
end

local function comment(body, is_task)
  local value = table_of(is_task and table_of(body.payload).comment or table_of(body.data).comment)
  local id = str(value.id) or (is_task and str(table_of(body.payload).comment_id)) or nil
  return { id = id, body = text_of(value.content) or text_of(value.body), author = str(value.author_name) }
end

local KINDS = {
  ["issue.created"] = "assignment", ["issue.assigned"] = "assignment", ["task.issue_assigned"] = "assignment",
  ["comment.created"] = "mention", ["task.comment_requested"] = "mention",
}

-- Fields of an issue that comments and AI tasks lack, and that OpenPR tells when asked.
M.FETCHED = { "title", "description", "state", "priority", "labels", "label_ids", "assignees" }

-- Reading one of these fields, where the envelope lacks it, calls missing(), which must raise.
local function demand(one, missing)
  local fetched = {}
  for _, name in ipairs(M.FETCHED) do fetched[name] = true end
  setmetatable(one, {
    sealed = true,
    __index = function(_, name)
      if fetched[name] then missing() end
      return nil
    end,
    __pairs = function() return missing() end,
  })
end

-- input: { body, completion, ours } as the host gives it; labels: id -> name.  With `missing`, a function that raises,
-- fields which only OpenPR knows are asked for when they are read; without, they are nil and lists are empty.
function M.new(input, labels, missing)
  local body, dispatch, is_plain = unwrapped(table_of(input.body))
  local completion = table_of(input.completion)
  local is_task = not is_plain and str(body.event) == nil and str(body.task_id) ~= nil
  local task_type = is_task and (str(body.task_type) or "unknown") or nil
  local project = named(body.project)
  local event = {
    id = str(body.id) or str(body.task_id),
    name = is_plain and "tunnel.dispatch" or is_task and "task." .. task_type or str(body.event) or "unknown",
    reason = str(is_task and body.trigger_kind or table_of(body.bot_context).trigger_reason),
    timestamp = str(body.timestamp),
    workspace = named(body.workspace),
    project = project,
    actor = actor(body, input.ours),
    bot = bot(body, is_task),
    issue = issue(body, is_task, completion, labels, dispatch, is_plain),
    comment = comment(body, is_task),
    mentions = texts(table_of(body.data).mentions),
    changes = copy(table_of(table_of(body.data).changes)),
    task = { id = is_task and str(body.task_id) or nil, type = task_type,
             attempt = is_task and math.tointeger(body.attempts) or nil },
    dispatch = dispatch,
    payload = copy(body),
  }
  event.kind = KINDS[event.name] or "other"
  project.id = project.id or (is_task and str(body.project_id)) or nil

  local one = event.issue
  if missing and one.id and not one.known and not one.gone then
    demand(one, missing)
  else
    one.labels, one.label_ids, one.assignees = one.labels or {}, one.label_ids or {}, one.assignees or {}
  end
  return event
end

-- True when `value` is or holds an issue whose missing fields are asked for by reading them; a raw reader would not.
function M.holds_demand(value, one, depth)
  if value == one then return true end
  if type(value) ~= "table" or depth > 64 then return false end
  for _, item in next, value do
    if type(item) == "table" and M.holds_demand(item, one, depth + 1) then return true end
  end
  return false
end

return M
