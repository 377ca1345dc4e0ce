-- Agents start only when a person mentions the bot in a comment; an assignment alone starts nothing.
-- So an issue can be the bot's for weeks, and each step is asked for by a comment.

local taken_off = when.event "issue.assigned" & when.removed & ~when.added
local mentioned = when.event "comment.created" & when.human & when.mentioned

return rules {
  { "issue deleted",      when.event "issue.deleted",          cancel "the issue is deleted" },
  { "our own change",     when.own_echo | when.ours,           ignore "done by us" },
  { "assignee taken off", taken_off,                           cancel "taken off the issue" },
  { "issue gone",         when.ai_task & when.gone,            ignore "the issue does not exist any more" },
  { "bot mentioned",      mentioned,                           accept },
  { "AI task: mention",   when.event "task.comment_requested", accept },
  { "no mention",         when.always,                         ignore "only mentions are work here" },
}
