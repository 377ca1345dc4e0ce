-- Labels choose the agent: security issues go to the reviewer, whoever was asked; documentation to a cheaper agent.
-- Events carry ids of labels; `labels` in config.lua gives them these names.

return rules {
  { "security", when.label "security", to "reviewer" },
  { "docs",     when.label "docs",     to "writer" },
  { "the rest", when.always,           to "codex" },
}
