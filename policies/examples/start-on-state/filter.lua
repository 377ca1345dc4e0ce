-- Work starts when a person moves an issue of the bot to "todo", not when it is assigned.
-- So an issue can be written and assigned in peace.  A mention is answered at any time.

local mentioned = when.event "comment.created" & when.mentioned
local task_mention = when.event "task.comment_requested" & ~when.gone
local moved = when.event "issue.state_changed" & when.state "todo"
local taken_off = when.event "issue.assigned" & when.removed & ~when.added

return rules {
  { "issue deleted",      when.event "issue.deleted",  cancel "the issue is deleted" },
  { "our own change",     when.own_echo | when.ours,   ignore "done by us" },
  { "assignee taken off", taken_off,                   cancel "taken off the issue" },
  { "not a person",       ~when.human & ~when.ai_task, ignore "a bot did this, not a person" },
  { "ready",              moved & when.assigned,       accept },
  { "bot mentioned",      mentioned,                   accept },
  { "AI task: mention",   task_mention,                accept },
  { "not ready",          when.always,                 ignore "work starts when the issue is moved to todo" },
}
