-- Instructions for one project go below the shipped prompt: how to test, what not to touch.
-- They are your own words; what people wrote is in the template as data.

local hints = {
  WEB = "Run `npm test` before you end. Do not touch `vendor/`.",
  API = "Run `make check` before you end. Every migration needs a way back.",
}

return function(event, agent)
  local name = event.kind == "mention" and (agent.mention_template or "mention.txt")
    or agent.prompt_template or "default.txt"
  local hint = hints[event.project.key]
  return template(name) .. (hint and ("\n\nFor this project: %s\n"):format(hint) or "")
end
