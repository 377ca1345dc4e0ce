-- Issues with the label needs-human are left to people; a mention, which carries no labels, is answered all the same.
-- Together with callback.lua beside this file, which hands over what an agent could not do.

local needs_human = when.label "needs-human"

local ai_task = when.event "task.issue_assigned" | when.event "task.comment_requested"
local created = when.event "issue.created" & when.assigned
local assigned = when.event "issue.assigned" & when.added
local mentioned = when.event "comment.created" & when.mentioned
local void_task = when.ai_task & when.gone | when.event "task.issue_assigned" & when.unassigned
local taken_off = when.event "issue.assigned" & when.removed & ~when.added

return rules {
  { "issue deleted",       when.event "issue.deleted", cancel "the issue is deleted" },
  { "our own change",      when.own_echo | when.ours,  ignore "done by us" },
  { "assignee taken off",  taken_off,                  cancel "taken off the issue" },
  { "void AI task",        void_task,                  ignore "the issue is gone, or not the bot's any more" },
  { "for people",          needs_human,                ignore "the issue is labelled needs-human" },
  { "AI task",             ai_task,                    accept },
  { "not a person",        ~when.human,                ignore "a bot did this, not a person" },
  { "created for the bot", created,                    accept },
  { "assigned to the bot", assigned,                   accept },
  { "bot mentioned",       mentioned,                  accept },
  { "no work",             when.always,                ignore "nothing that an agent is asked for" },
}
