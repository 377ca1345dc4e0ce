-- Urgent and security issues get a second opinion: the reviewer looks at them after codex, and answers by a comment of
-- its own.  Both are runs of their own, one after the other; render.lua and callback.lua beside this file belong to it.

local delicate = when.priority "urgent" | when.label "security"

return rules {
  { "second opinion", when.kind "assignment" & delicate, to { "codex", "reviewer" } },
  { "the rest",       when.always,                       to "codex" },
}
