-- Hands over to a person: what an agent has done waits for a review, and what it could not do goes back to "todo".
-- An agent hands over by itself when its last message begins with "NEEDS HUMAN" (say so in the template).

local TEAM = "@maintainers"

return function(run, _, agent)
  local assigned = run.kind == "assignment"
  if run.status == "started" then return { state = assigned and "in_progress" or nil } end
  local said = text.trim(run.final_text)
  if run.status == "success" and not text.starts(said, "NEEDS HUMAN") then
    return { comment = said ~= "" and said or "Done.", state = assigned and "in_review" or nil }
  end
  local why = run.status == "success" and said or ("Agent %s: %s."):format(text.code(agent.name), run.status)
  return { comment = ("%s: this needs a person.\n\n%s"):format(TEAM, why), state = assigned and "todo" or nil }
end
