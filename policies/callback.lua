-- What OpenPR is told about a run: a comment, a state for the issue, both, or nothing.
--
-- Called when a task starts (run.status "started") and when it has ended.  A line `run ID` is added below each comment
-- by the daemon, which finds its own comments by it.

-- The issue's state after each status, for assignments; a mention is answered by a comment alone.
local state_after = {
  started = "in_progress",
  success = "done",
  -- failure = "todo",  -- without the first two dashes: an issue that an agent failed on goes back to "todo"
}

local LONGEST_ANSWER = 56 * KiB
local LONGEST_TAIL = 4 * KiB

local function span(secs)
  if secs < 60 then return ("%.0f s"):format(secs) end
  local mins = secs // 60 | 0
  if mins < 60 then return ("%d min %d s"):format(mins, secs % 60 // 1 | 0) end
  return ("%d h %d min"):format(mins // 60, mins % 60)
end

-- "after 2 min 5 s, with 1200 tokens read and 345 written, for $0.42": as much of it as is known.
local function effort(run)
  local parts = {}
  if run.duration then parts[#parts + 1] = "after " .. span(run.duration) end
  if run.input_tokens and run.output_tokens then
    parts[#parts + 1] = ("with %d tokens read and %d written"):format(run.input_tokens, run.output_tokens)
  end
  if run.cost_usd then parts[#parts + 1] = ("for $%.2f"):format(run.cost_usd) end
  return #parts > 0 and " " .. table.concat(parts, ", ") or ""
end

local function tail(run)
  if text.trim(run.tail) == "" then return "It printed nothing." end
  return "The end of its output:\n\n" .. text.fence(text.tail(run.tail, LONGEST_TAIL))
end

local function answer(run, agent)
  local said = text.trim(run.final_text)
  if said == "" then return ("Agent %s left no final message. %s"):format(text.code(agent.name), tail(run)) end
  local cut = #said > LONGEST_ANSWER and "\n\n(cut: the message was longer)" or ""
  return text.balance(text.clip(said, LONGEST_ANSWER, "")) .. cut
end

local HEADLINES = {
  failure = "failed", timeout = "ran out of time", cancelled = "was stopped", interrupted = "was interrupted",
}

local function bad_end(run, agent)
  local headline = HEADLINES[run.status] or run.status
  local lines = { ("**Agent %s %s**%s."):format(text.code(agent.name), headline, effort(run)) }
  if run.cause then lines[#lines + 1] = "Cause: " .. text.code(text.clip(run.cause, 1 * KiB)) end
  if run.signal then
    lines[#lines + 1] = ("It was ended by signal %s."):format(run.signal)
  elseif run.exit_code then
    lines[#lines + 1] = ("Exit code: %d"):format(run.exit_code)
  end
  lines[#lines + 1] = tail(run)
  return table.concat(lines, "\n\n")
end

return function(run, _, agent)
  local handed_on = run.status == "success" and agent.hands_over -- taken by somebody else; not known to be done
  local state = not handed_on and run.kind == "assignment" and state_after[run.status] or nil
  if run.status == "started" then return { state = state } end
  if run.status ~= "success" then return { comment = bad_end(run, agent), state = state } end
  local finished = ("Agent %s finished%s."):format(text.code(agent.name), effort(run))
  return { comment = ("%s\n\n---\n%s"):format(answer(run, agent), finished), state = state }
end
