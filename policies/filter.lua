-- Which events are work for an agent.
--
-- Rules are tried from the top, and the first whose condition holds decides: accept, ignore, or cancel (ignore, and
-- stop what the issue and the bots taken off it still have).  The rule's name is in the answer to OpenPR, in the log
-- and in `openpr-webhook runs`.  An event that no rule matches is ignored.  The names: docs/policies.md.

local assigned = when.event "issue.assigned"
local created = when.event "issue.created"
local comment = when.event "comment.created"
local task_assigned = when.event "task.issue_assigned"
local task_mention = when.event "task.comment_requested"

return rules {
  { "unknown shape",        when.event "unknown",            ignore "neither a webhook event nor an AI task" },

  -- An event or an AI task that comes through the tunnel is taken as if OpenPR had sent it; anything else that comes so
  -- is work because the control plane says it.
  { "tunnel dispatch",      when.event "tunnel.dispatch",    accept },

  -- Work that is void now.  Stopping it is right whoever did this, but an agent that hands its issue on by itself is
  -- not stopped for it.  OpenPR tells of a bot taken off an issue without naming the bot as asked.
  { "issue deleted",        when.event "issue.deleted",      cancel "the issue is deleted" },
  { "our own change",       when.own_echo | when.ours,       ignore "done by the bot, or by an identity we write as" },
  { "assignee taken off",   assigned & when.removed & ~when.added, cancel "the assignee was taken off the issue" },

  -- AI tasks: OpenPR's worker asks for what it has recorded itself, up to some minutes later.
  { "issue gone",           when.ai_task & when.gone,        ignore "the issue does not exist any more" },
  { "no longer assigned",   task_assigned & when.unassigned, ignore "the issue is not assigned to the bot any more" },
  { "AI task: assigned",    task_assigned,                   accept },
  { "AI task: mention",     task_mention,                    accept },
  { "other AI task",        when.ai_task,                    ignore "an AI task of a kind that is not taken" },

  -- People among themselves, and bots, which must not set off each other.
  { "nobody asked",         ~when.for_bot,                   ignore "no bot was asked" },
  { "not a person",         ~when.human,                     ignore "a bot did this, not a person" },

  -- OpenPR names the bot as asked for whatever happens to an issue that it is assigned to.
  { "edit",                 when.event "issue.updated",      ignore "an edit is no new work" },
  { "state change",         when.event "issue.state_changed", ignore "a change of state is no new work" },

  { "created for the bot",  created & when.assigned,         accept },
  { "assigned to the bot",  assigned & when.added,           accept },
  { "bot mentioned",        comment & when.mentioned,        accept },

  -- bot_context is read after the change and may be of a later moment; what changed is what counts.
  { "contradicted",         created | assigned | comment,    ignore "the bot is named as asked, but nothing asks it" },
  { "other event",          when.always,                     ignore "an event of a kind that is not taken" },
}
