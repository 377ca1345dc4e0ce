-- Projects choose the agent, by key.  A project that is not listed has none: OpenPR is answered `no_agent`.
-- AI tasks name their project by id only, so the ids stand in the table, too.

local agent_of = {
  WEB = "frontend",
  API = "backend",
  ["77c10d4e-2f5b-4a86-8a1e-9b0c1d2e3f40"] = "backend", -- API
}

return function(event)
  local name = agent_of[event.project.key] or agent_of[event.project.id]
  return name and to(name)
end
