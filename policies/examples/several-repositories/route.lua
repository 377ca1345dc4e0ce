-- One agent for each repository: `agents.web` and `agents.api` have a working_dir of their own in config.lua.
-- The issue says which by a line such as `repository: web`, else its project does; else all are asked.

local agent_of = { WEB = "web", API = "api" }

local function named_in_issue(event)
  local name = event.issue.description:match "%f[%w]repository: *([%w_-]+)"
  return name and agents[name] and to(name)
end

local function by_project(event)
  local name = agent_of[event.project.key]
  return name and to(name)
end

return rules {
  { "named in the issue", when.field "issue.description", named_in_issue },
  { "by project",         when.field "project.key",       by_project },
  { "all repositories",   when.always,                    to { "web", "api" } },
}
