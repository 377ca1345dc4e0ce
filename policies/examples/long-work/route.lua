-- Long work gets more time: by label, by priority, or because the issue's description is long.
-- The agent's own timeout_secs holds for all else.

local function long_text(event) return #(event.issue.description or "") > 4000 end

return rules {
  { "refactoring", when.label "refactor",              to("codex", { timeout = 2 * hours }) },
  { "large",       when.label "large" | long_text,     to("codex", { timeout = 1 * hours }) },
  { "question",    when.kind "mention",                to("codex", { timeout = 5 * minutes }) },
  { "the rest",    when.always,                        to "codex" },
}
