-- The prompt that an agent reads.
--
-- template() puts what people wrote into the text as data: fenced, and never expanded again.  Fields that an event
-- lacks (a comment comes without the issue's description) are asked of OpenPR when they are read.

return function(event, agent)
  if event.kind == "mention" then return template(agent.mention_template or "mention.txt") end
  return template(agent.prompt_template or "default.txt")
end
