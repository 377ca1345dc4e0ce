-- The prompt that an agent reads, or the body that a webhook gets (nil: the event as it came).
--
-- template() puts what people wrote into the text as data: fenced, and never expanded again.  Fields that an event
-- lacks (a comment comes without the issue's description) are asked of OpenPR when they are read.

return function(event, agent)
  if agent.type == "webhook" then return nil end
  local name = agent.prompt_template or "default.txt"
  if event.dispatch.text then name = "dispatch.txt" end -- the control plane's own words
  if event.kind == "mention" then name = agent.mention_template or "mention.txt" end
  local prompt = template(name)
  if agent.reports == "agent" then prompt = prompt .. template "reports.txt" end
  return prompt
end
