-- A run that fails says so in one line, without its output: that stays in `openpr-webhook show RUN` on the host.
-- For trackers that customers read.  The state goes back, so that somebody looks at it.

local words = { failure = "could not finish", timeout = "took too long", cancelled = "was stopped",
                interrupted = "was interrupted" }

return function(run, _, agent)
  local assigned = run.kind == "assignment"
  if run.status == "started" then return { state = assigned and "in_progress" or nil } end
  if run.status == "success" then
    return { comment = text.trim(run.final_text), state = assigned and "in_review" or nil }
  end
  if run.status == "cancelled" then return nil end -- a person did that
  return { comment = ("%s %s. Somebody will look at it."):format(text.code(agent.name), words[run.status]),
           state = assigned and "todo" or nil }
end
