-- Only the first agent moves the issue; the reviewer's answer is a comment under its own name.
-- Nothing is said when a run starts.

local state_after = { started = "in_progress", success = "in_review" }

return function(run, _, agent)
  local leads = run.kind == "assignment" and agent.name ~= "reviewer"
  local state = leads and state_after[run.status] or nil
  if run.status == "started" then return { state = state } end
  local said = run.status == "success" and text.trim(run.final_text) or ""
  if said == "" then said = ("No answer (%s)."):format(run.status) end
  return { state = state, comment = ("**%s**\n\n%s"):format(text.line(agent.name), text.balance(said)) }
end
