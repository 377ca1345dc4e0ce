-- One assignment, from OpenPR's signed event to the agent's comment, step by step, and then another one through the
-- tunnel: the real daemon with its real queue, beside a stand-in OpenPR, a control plane and a stand-in claude, on
-- loopback.  Exit 0: comments, states and the result arrived.  See script/demo.

package.path = "tests/integration/?.lua;" .. package.path
local control_plane = require "support.control_plane"
local daemon = require "support.daemon"
local event = require "support.event"
local openpr = require "support.openpr"
local uv = require "luv"
local wait = require "support.wait"

local colours = uv.guess_handle(1) == "tty" and not os.getenv "NO_COLOR"

local function paint(code, text)
  return colours and ("\27[%sm%s\27[0m"):format(code, text) or text
end

local function step(word, format, ...)
  io.write(paint("1;36", ("%-12s"):format(word)), format:format(...), "\n")
  io.flush()
end

local function quoted(text)
  return (paint("2", "  | ") .. text:gsub("\n", "\n" .. paint("2", "  | ")))
end

local function act(number, title)
  print(("%s%s\n"):format(number > 1 and "\n" or "", paint("1", ("%d. %s"):format(number, title))))
end

local function send(d, what, body)
  step("sent", "%s, %d bytes, signed with HMAC-SHA256", what, #body)
  local response = d:post(body)
  local answer = response.json or {}
  step("received", "%d %s, run %s", response.status, answer.status or response.body, answer.run_id or "none")
  return answer
end

local function show(d, o)
  local issue = event.issue { title = "Login fails", description = "On every page.\nSTAND-IN: sleep 1\n"
    .. "STAND-IN: final Fixed: the session cookie had no path. make test passes." }
  local task_body, task = issue:task()
  o:knows(issue, task)

  local first = send(d, "issue.assigned", (issue:assigned()))
  step("decided", "by rule \"%s\": agent %s", first.rule or "?", first.agent or "none")
  local second = send(d, "issue.created", (issue:created()))
  local third = send(d, "AI task issue_assigned", task_body)
  assert(second.run_id == first.run_id and third.run_id == first.run_id, "one assignment must make one run")
  step("joined", "three requests about one assignment, one run")

  wait.eventually("the agent starts", function() return d:log():find("msg=started", 1, true) end)
  step("started", "claude in %s/repo, with the prompt on standard input", d.dir)
  wait.eventually("OpenPR gets in_progress", function()
    local puts = o:requests("PUT", issue.id)
    return puts[1] and puts[1].body:find("in_progress", 1, true)
  end)
  step("in_progress", "is the issue's state in OpenPR")

  local run = d:ended(first.run_id)
  step("ended", "%s after %.1f s, report %s", run.outcome, (run.duration or 0) / 1000, run.report)
  local comment = wait.eventually("the comment arrives", function() return o:issue(issue.id).comments[1] end)
  step("reported", "a comment by the bot:")
  print(quoted(comment.body))
  wait.eventually("the state becomes done", function() return o:issue(issue.id).state == "done" end)
  step("done", "is the issue's state in OpenPR; the AI task is %s", o:task(task).status)
  assert(#o:issue(issue.id).comments == 1, "one run must make one comment")
  assert(comment.body:find("the session cookie had no path", 1, true), "the comment must hold what the agent said")
  assert(o:task(task).status == "completed", "the AI task must be completed")
end

-- The same job where OpenPR cannot reach the daemon: the daemon has called a control plane, which dispatches it.
local function show_tunnel(d, o, plane)
  plane:connected()
  local shake = plane:state().handshakes[1]
  step("connected", "out to %s, certificate verified", plane.url)
  step("shown", "%s %s with a bearer token; envelopes are signed, both ways", shake.method, shake.path)

  local issue = o:knows(event.issue { title = "Logout fails", description = "On every page.\nSTAND-IN: sleep 1\n"
    .. "STAND-IN: final Fixed: the cookie is removed now. make test passes." })
  local dispatch = { run_id = "job-1", issue_id = issue.id, body = select(2, issue:assigned()) }
  plane:ask { dispatch = { dispatch } }
  step("dispatched", "task.dispatch job-1, with the same kind of event in it")
  local function answer(what, list)
    return plane:until_state(what, function(state) return state.jobs["job-1"][list][1] end, 40)
  end
  step("task.ack", "%s: it is on disk", answer("the ack comes", "acks").status)
  plane:ask { drop = true }
  step("cut", "the connection")
  plane:connected(2)
  plane:ask { dispatch = { dispatch } }
  step("connected", "again; job-1 is sent once more, and runs once all the same")

  local result = answer("the result comes", "results")
  step("task.result", "%s after %.1f s, attempt %d:", result.status, result.duration_ms / 1000, result.attempt)
  print(quoted(result.summary))
  local comment = wait.eventually("the comment arrives", function() return o:issue(issue.id).comments[1] end)
  step("reported", "the same as a comment in OpenPR, run %s", result.run)
  local said = "the cookie is removed"
  assert(result.status == "success" and result.summary:find(said, 1, true), "the result must hold what the agent said")
  assert(comment.body:find(said, 1, true) and #o:issue(issue.id).comments == 1, "one run must make one comment")
  assert(#d:json("runs", "--json") == 2, "what is dispatched twice must run once")
end

act(1, "From an assignment in OpenPR to an agent's answer")
local o, plane = openpr.start(), control_plane.start()
local d = daemon.prepare(plane:config(), o)
local good, why = xpcall(function()
  d:start()
  step("listening", "http://127.0.0.1:%d/webhook, queue %s/state/queue.db", d.port, d.dir)
  show(d, o)
  act(2, "The same through the tunnel, for a host that nobody can reach")
  show_tunnel(d, o, plane)
end, debug.traceback)
local closed, left = pcall(d.close, d)
plane:stop()
o:stop()

if not (good and closed) then
  io.stderr:write(paint("1;31", "the demo failed: "), tostring(not good and why or left), "\n")
  os.exit(1)
end
print(paint("1;32", "\nIt works.") .. " Next: README.md says how to connect a real OpenPR and a real agent.")
