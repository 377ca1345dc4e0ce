-- Bodies as OpenPR sends them (openpr-contract, 1 and 2), each with fresh ids and timestamps.

local cjson = require "cjson"
local uv = require "luv"

local event = {}
local issue = {}
issue.__index = issue

local random = assert(io.open("/dev/urandom", "rb"))

function event.id()
  local a, b, c, d, e = string.unpack(">I4I2I2I2I6", random:read(16))
  return ("%08x-%04x-4%03x-%04x-%012x"):format(a, b, c & 0xfff, d & 0x3fff | 0x8000, e)
end

-- RFC 3339 of now, moved by `offset` seconds.
function event.time(offset)
  local seconds, micros = uv.gettimeofday()
  return os.date("!%Y-%m-%dT%H:%M:%S", seconds + (offset or 0)) .. (".%06d+00:00"):format(micros)
end

event.bot = { id = "3f7a9c12-5d4e-4b8a-9c6f-0a1b2c3d4e5f", name = "default", type = "custom" }
event.person = { id = "9d2c4b6a-8e0f-4d1c-b2a3-c4d5e6f70819", name = "Ann", kind = "human" }

local quote = cjson.encode

-- `$name` in a template is the value of that name as JSON, `$$name` as it stands.
local function fill(template, values)
  return (template:gsub("%s*\n%s*", ""):gsub("(%$%$?)(%w+)", function(mark, name)
    local value = assert(values[name], name)
    return mark == "$" and quote(value) or value
  end))
end

local envelope = [[{"id":$delivery,"event":$event,"timestamp":$at,"workspace":{"id":
  "0b1e7d52-6f0a-4c3e-9d7b-2a4f5c6e7d80","name":"Acme"},"project":{"id":"77c10d4e-2f5b-4a86-8a1e-9b0c1d2e3f40",
  "name":"Core","key":"CORE"},"actor":{"id":$actorid,"name":$actorname,"email":"ann@example.com",
  "entity_type":$actorkind},"data":$$data,"bot_context":$$context}]]
local context = [[{"is_bot_task":true,"bot_id":$botid,"bot_name":$botname,"bot_agent_type":$bottype,
  "trigger_reason":$reason,"webhook_id":"c0ffee00-1234-4abc-8def-0123456789ab"}]]
local whole = [[{"assignee_ids":$$assignees,"created_at":$at,"description":$description,"id":$id,"key":$key,
  "label_ids":$$labels,"priority":"medium","sprint_id":null,"state":$state,"title":$title,"updated_at":$at}]]
local comment = [[{"comment":{"author_id":$actorid,"author_name":$actorname,"content":$text,"created_at":$at,
  "id":$commentid,"issue_id":$id,"updated_at":$at},"issue":{"id":$id,"key":$key,"title":$title},
  "mentions":[$botid]}]]
local task = [[{"ai_participant_agent_type":$bottype,"ai_participant_id":$botid,"ai_participant_name":$botname,
  "attempts":$$attempt,"max_attempts":3,"payload":$$payload,"project_id":"77c10d4e-2f5b-4a86-8a1e-9b0c1d2e3f40",
  "reference_id":$reference,"reference_type":$referencetype,"task_id":$taskid,"task_type":$tasktype,
  "trigger_kind":$triggerkind}]]

-- An issue that events are about; `fields` may give title, description, state, bot, labels.
function event.issue(fields)
  local this = setmetatable({ id = event.id(), state = "todo", title = "Login fails", description = "On every page",
                              bot = event.bot, labels = {} }, issue)
  for name, value in pairs(fields or {}) do this[name] = value end
  this.key = "CORE-" .. this.id:sub(1, 8):upper()
  return this
end

-- What an option table may change: at (seconds from now), delivery, actor, and what the template names.
function issue:values(more)
  local actor = more.actor or event.person
  local values = { id = self.id, key = self.key, title = self.title, description = self.description,
                   state = self.state, botid = self.bot.id, botname = self.bot.name, bottype = self.bot.type,
                   delivery = event.id(), actorid = actor.id, actorname = actor.name, actorkind = actor.kind,
                   assignees = ("[%s]"):format(quote(self.bot.id)),
                   labels = #self.labels > 0 and quote(self.labels) or "[]" }
  for name, value in pairs(more) do values[name] = value end
  values.at = event.time(more.at)
  return values
end

function issue:send(name, data, reason, more)
  local values = self:values(more or {})
  values.event, values.reason = name, reason or ""
  values.data = fill(data, setmetatable({ issue = fill(whole, values) }, { __index = values }))
  values.context = reason and fill(context, values) or "null"
  return fill(envelope, values)
end

local assigned = [=[{"changes":{"assignee_ids":{"added":$$added,"new":$$added,"old":[],"removed":$$removed}},
  "issue":$$issue}]=]

function issue:created(more) return self:send("issue.created", '{"issue":$$issue}', "created", more) end
function issue:deleted(more) return self:send("issue.deleted", '{"issue":$$issue}', "assigned", more) end

function issue:assigned(more)
  more = more or {}
  more.added, more.removed = ("[%s]"):format(quote(self.bot.id)), "[]"
  return self:send("issue.assigned", assigned, "assigned", more)
end

-- The bot is taken off; as OpenPR has it, nobody's context is left.
function issue:unassigned(more)
  more = more or {}
  more.added, more.removed, more.assignees = "[]", ("[%s]"):format(quote(self.bot.id)), "[]"
  return self:send("issue.assigned", assigned, nil, more)
end

function issue:edited(more)
  return self:send("issue.updated", '{"changes":{"title":{"new":$title,"old":"Before"}},"issue":$$issue}', "assigned",
                   more)
end

function issue:moved(more)
  return self:send("issue.state_changed", '{"changes":{"state":{"new":$state,"old":"todo"}},"issue":$$issue}',
                   "status_changed", more)
end

function issue:mentioned(more)
  more = more or {}
  more.commentid, more.text = more.commentid or event.id(), more.text or "@default please look"
  return self:send("comment.created", comment, "mentioned", more)
end

-- The AI task of an assignment, or with `commentid` of a mention; `taskid` and `attempt` name a repetition.
function issue:task(more)
  local values = self:values(more or {})
  values.attempt, values.taskid = tostring(values.attempt or 1), values.taskid or event.id()
  if values.commentid then
    values.reference, values.referencetype = values.commentid, "comment"
    values.tasktype, values.triggerkind, values.text = "comment_requested", "mention", values.text or "@default look"
    values.payload = fill([[{"bot_id":$botid,"comment":{"body":$text,"id":$commentid},"comment_id":$commentid,
      "issue_id":$id,"project_id":"77c10d4e-2f5b-4a86-8a1e-9b0c1d2e3f40","project_type":"code_project",
      "trigger":"comment.created"}]], values)
  else
    values.reference, values.referencetype, values.tasktype = values.id, "work_item", "issue_assigned"
    values.triggerkind = "assigned"
    values.payload = fill([[{"assignee_id":$botid,"issue_id":$id,
      "project_id":"77c10d4e-2f5b-4a86-8a1e-9b0c1d2e3f40","trigger":"issue.create"}]], values)
  end
  return fill(task, values), values.taskid
end

return event
