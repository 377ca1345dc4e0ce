-- Only some people may set off an agent.  Ids are safer than names, which people can change.
-- OpenPR's AI task for the same assignment does not say who asked; it follows what was decided about the assignment.

local may_ask = when.actor "9d2c4b6a-8e0f-4d1c-b2a3-c4d5e6f70819" | when.actor "Bo"

local new_work = when.event "issue.created" & when.assigned
  | when.event "issue.assigned" & when.added
  | when.event "comment.created" & when.mentioned
local ai_task = when.event "task.issue_assigned" | when.event "task.comment_requested"
local void_task = when.ai_task & when.gone | when.event "task.issue_assigned" & when.unassigned
local taken_off = when.event "issue.assigned" & when.removed & ~when.added

return rules {
  { "issue deleted",      when.event "issue.deleted",      cancel "the issue is deleted" },
  { "our own change",     when.own_echo | when.ours,       ignore "done by us" },
  { "assignee taken off", taken_off,                       cancel "taken off the issue" },
  { "void AI task",       void_task,                       ignore "the issue is gone, or not the bot's any more" },
  { "AI task",            ai_task,                         accept },
  { "may ask",            when.human & may_ask & new_work, accept },
  { "may not ask",        when.for_bot & new_work,         ignore "this person may not set off agents" },
  { "no work",            when.always,                     ignore "nothing that an agent is asked for" },
}
