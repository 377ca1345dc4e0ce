-- The reviewer reads what the other agent has changed instead of changing something itself.
-- Both prompts hold the issue as data; the words before it are ours.

return function(event, agent)
  local name = event.kind == "mention" and (agent.mention_template or "mention.txt")
    or agent.prompt_template or "default.txt"
  if agent.name ~= "reviewer" then return template(name) end
  return "Review, do not change: another agent has worked on this issue in this checkout. Say what you would do "
    .. "otherwise, with file and line, and whether its change can stay.\n\n" .. template(name)
end
