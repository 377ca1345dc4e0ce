-- Bodies as OpenPR sends them, about issues with fresh ids; made by the code of the stand-in OpenPR, in this process.

package.path = "tests/support/?.lua;" .. package.path
local events = require "openpr.events"
local json = require "openpr.json"
local state = require "openpr.state"

local event = { json = json }
local issue = {}
issue.__index = issue

math.randomseed(os.time(), tonumber(tostring({}):match "0x(%x+)", 16)) -- state.uuid() draws from it
event.id = state.uuid
event.bot = state.add_user { id = "3f7a9c12-5d4e-4b8a-9c6f-0a1b2c3d4e5f", name = "default", entity_type = "bot" }
event.other_bot = state.add_user { name = "helper", entity_type = "bot" }

-- Somebody who can be an actor; `fields` may give id, name and entity_type.
event.user = state.add_user

-- RFC 3339 of now, moved by `offset` seconds.
event.time = state.timestamp

-- An issue that events are about; `fields` may give title, description, state, labels ({ id, name } each) and bot.
function event.issue(fields)
  fields = fields or {}
  local bot = fields.bot and state.add_user(fields.bot) or event.bot
  local made = state.put_issue { title = fields.title, description = fields.description or "On every page",
                                 state = fields.state, labels = fields.labels, assignee_id = bot.id }
  return setmetatable({ id = made.id, bot = bot, made = made }, issue)
end

-- The event `name` about it, as text.  `more` may give `at` (seconds from now), `actor` (a user), `people = true` (no
-- bot is meant), and what tests/support/openpr/events.lua takes.
function issue:event(name, more)
  local options = { event = name, issue = self.id, bot = self.bot.id }
  for key, value in pairs(more or {}) do options[key] = value end
  options.timestamp = state.timestamp(options.at)
  options.actor = options.actor and options.actor.id
  if options.people then options.bot = nil end
  local body = events.make(options)
  return body, json.decode(body)
end

function issue:created(more) return self:event("issue.created", more) end
function issue:assigned(more) return self:event("issue.assigned", more) end
function issue:edited(more) return self:event("issue.updated", more) end
function issue:moved(more) return self:event("issue.state_changed", more) end
function issue:deleted(more) return self:event("issue.deleted", more) end

-- The bot is taken off: nobody's context is left, and only `changes` names the bot.
function issue:unassigned(more)
  more = more or {}
  more.removed = true
  local body = self:event("issue.assigned", more)
  body = body:gsub('"bot_context":{[^}]*}', '"bot_context":null')
  return (body:gsub('"assignee_ids":%[[^%]]*%]', '"assignee_ids":[]'))
end

-- A comment that mentions the bot; the text, and the comment's id.
function issue:mentioned(more)
  more = more or {}
  more.text = more.text or "@default please look"
  local body, value = self:event("comment.created", more)
  return body, value.data.comment.id
end

-- The AI task of the assignment, or of the mention `comment`; the text, and the task's id.  `id` and `attempts` name a
-- repetition.
function issue:task(more)
  local fields = { issue = self.id, bot = self.bot.id }
  for key, value in pairs(more or {}) do fields[key] = value end
  if fields.comment then fields.task_type = "comment_requested" end
  local task = state.put_task(fields)
  return events.make { task = task.id }, task.id
end

return event
