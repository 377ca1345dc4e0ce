-- Each person's issues go to the agent that they chose.
-- Somebody who is not listed, and AI tasks, which do not say who asked, get the agent `default`.

local agent_of = {
  ["9d2c4b6a-8e0f-4d1c-b2a3-c4d5e6f70819"] = "codex", -- Ann
  Bo = "reviewer",
}

return function(event)
  return to(agent_of[event.actor.id] or agent_of[event.actor.name] or "default")
end
