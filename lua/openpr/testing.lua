-- For specs: run policies as the daemon does.  Under `openpr-webhook test` each call goes to a real worker with the
-- real limits; under plain busted the same worker module, loader and sandbox run in this process, without its limits.
--
--   local testing = require "openpr.testing"
--   local policies = testing.deploy { agents = { reviewer = { type = "cli" } } }
--   local decision = policies.decide(testing.assigned { title = "Login fails" })
--
-- What deploy() is not given is that of the deployment: policies, templates, agents and labels of config.lua; under
-- plain busted policies/ and templates/ of the working directory, one agent "default", and no labels.

local wire = require "openpr.testing_wire"

local M = {}

local HOOKS = { "filter", "route", "render", "callback" }

local function read(path)
  local file = io.open(path, "rb")
  local data = file and file:read "a"
  if file then file:close() end
  return data
end

local function merged(into, from)
  for key, value in pairs(from or {}) do into[key] = value end
  return into
end

-- What the daemon gives a worker; its log goes to the list `logged`.
function M.host(logged)
  return {
    json_decode = wire.decode,
    json_encode = wire.encode,
    json_array = function(list) return list end,
    log = function(level, line) logged[#logged + 1] = level .. " " .. line end,
    now = function() return 1790756401 end,
  }
end

M.agents = { default = { type = "cli", cli = "claude-code" } }

-- In this process.  The mistakes, and how to ask.
local function deploy_here(opts, dir, logged)
  local files, templates = {}, {}
  for _, hook in ipairs(HOOKS) do
    local name = ("policies/%s.lua"):format(hook)
    files[name] = opts.files and opts.files[name] or dir and read(("%s/%s.lua"):format(dir, hook)) or read(name)
    if not files[name] then error("there is no " .. name, 0) end
  end
  for _, agent in pairs(opts.agents or {}) do
    local name = agent.handler
    if name then files[name] = opts.files and opts.files[name] or read(name) end
  end
  for _, name in ipairs { "default.txt", "dispatch.txt", "mention.txt", "reports.txt" } do
    templates[name] = read("templates/" .. name)
  end
  merged(templates, opts.templates)

  package.loaded["openpr.worker"] = nil -- a worker of its own: it holds the policies in force
  local worker, host = require "openpr.worker", M.host(logged)
  local function ask(name, input) return host.json_decode(worker[name](host.json_encode(input), host)) end
  local loaded = ask("load", { files = files, templates = templates, agents = opts.agents or M.agents,
                               labels = opts.labels })
  return loaded.mistakes, ask
end

-- By the program that runs the specs.
local function deploy_there(opts, dir, logged)
  local policies = {}
  for name, source in pairs(opts.files or {}) do policies[name:match "[^/]+$"] = source end
  local function note(reply)
    for _, line in ipairs(reply.log or {}) do logged[#logged + 1] = line end
    if reply.error then error(reply.error, 0) end
    return reply
  end
  local loaded = note(wire.ask("deploy", { dir = dir, policies = policies, templates = opts.templates,
                                           agents = opts.agents, labels = opts.labels }))
  return loaded.mistakes, function(name, input)
    return note(wire.ask(("%s %d"):format(name, loaded.id), input)).answer
  end
end

-- opts: agents, labels; dir, a folder beside this spec whose policies stand in for those of the deployment; files
-- ("policies/route.lua" -> text) and templates ("default.txt" -> text) that do so before.  The mistakes found, and the
-- worker's functions over plain tables, which raise what a policy raises.
function M.deploy(opts)
  opts = opts or {}
  local logged, dir = {}, opts.dir
  if dir and not dir:find "^/" then
    local spec = debug.getinfo(2, "S").source:match "^@(.*)/[^/]*$"
    dir = ("%s/%s"):format(spec or ".", dir)
  end
  local mistakes, ask = (wire.is_there and deploy_there or deploy_here)(opts, dir, logged)
  return {
    mistakes = mistakes, logged = logged, ask = ask,
    decide = function(event) return ask("decide", event) end,
    render = function(event, agent)
      return ask("render", merged({ agent = agent or "default" }, event))
    end,
    handle = function(event, agent)
      return ask("handle", merged({ agent = agent or "default" }, event))
    end,
    callback = function(run, event, agent)
      return ask("callback", merged({ agent = agent or run.agent or "default", run = run }, event))
    end,
    rules = function() return ask("rules", {}).text end,
  }
end

M.BOT = "3f7a9c12-5d4e-4b8a-9c6f-0a1b2c3d4e5f"
M.PERSON = "9d2c4b6a-8e0f-4d1c-b2a3-c4d5e6f70819"
M.ISSUE = "a1b2c3d4-1111-4222-8333-444455556666"
M.COMMENT = "5e6f7a8b-9c0d-4e1f-a2b3-c4d5e6f7a8b9"

local PROJECT = { id = "77c10d4e-2f5b-4a86-8a1e-9b0c1d2e3f40", name = "Core", key = "CORE" }

-- What the worker is given, so that events of a spec pass through openpr.event as those of OpenPR do.
local function webhook(name, reason, data, fields)
  local bot = merged({ id = M.BOT, name = "default", type = "custom" }, fields.bot or nil)
  return {
    now = 1790756401, ours = fields.ours, completion = fields.completion,
    body = {
      id = "00000000-0000-4000-8000-000000000003", event = name, timestamp = "2026-09-30T08:20:01.123456789+00:00",
      workspace = { id = "0b1e7d52-6f0a-4c3e-9d7b-2a4f5c6e7d80", name = "Acme" },
      project = merged(merged({}, PROJECT), fields.project),
      actor = merged({ id = M.PERSON, name = "Ann", email = "ann@example.com", entity_type = "human" }, fields.actor),
      data = data,
      bot_context = fields.bot ~= false and reason and {
        is_bot_task = true, bot_id = bot.id, bot_name = bot.name, bot_agent_type = bot.type, trigger_reason = reason,
        webhook_id = "c0ffee00-1234-4abc-8def-0123456789ab",
      } or nil,
    },
  }
end

local function issue(fields)
  return { id = M.ISSUE, key = "CORE-A1B2C3D4", title = fields.title or "Login fails",
           description = fields.description or "On every page.", state = fields.state or "todo",
           priority = fields.priority or "medium", label_ids = fields.labels or {},
           assignee_ids = fields.assignees or { fields.bot and fields.bot.id or M.BOT } }
end

-- Events as OpenPR sends them.  fields: title, description, state, priority, labels (ids), assignees, comment; tables
-- actor, project and bot (false: nobody is asked) whose fields replace the usual ones; ours, completion.
function M.created(fields)
  fields = fields or {}
  return webhook("issue.created", "created", { issue = issue(fields) }, fields)
end

function M.assigned(fields)
  fields = fields or {}
  local data = { issue = issue(fields), changes = { assignee_ids = {
    old = {}, new = issue(fields).assignee_ids, added = fields.added or issue(fields).assignee_ids,
    removed = fields.removed or {} } } }
  return webhook("issue.assigned", "assigned", data, fields)
end

function M.mentioned(fields)
  fields = fields or {}
  return webhook("comment.created", "mentioned", {
    comment = { id = M.COMMENT, issue_id = M.ISSUE, content = fields.comment or "@default please look",
                author_id = M.PERSON, author_name = "Ann" },
    issue = { id = M.ISSUE, key = "CORE-A1B2C3D4", title = fields.title or "Login fails" },
    mentions = fields.mentions or { fields.bot and fields.bot.id or M.BOT },
  }, fields)
end

-- What came through the tunnel: one of the events here, or with `text` the body of a dispatch that is none.  fields:
-- run_id, agent, issue_id, text, body, completion.
function M.dispatched(event, fields)
  fields = fields or {}
  return {
    now = 1790756401, completion = fields.completion, ours = event and event.ours,
    body = { dispatch = {
      run_id = fields.run_id or "r1", agent = fields.agent, issue_id = fields.issue_id, text = fields.text,
      plain = not event or nil, body = event and event.body or fields.body,
    } },
  }
end

-- Any other event about an issue, such as "issue.updated" with reason "assigned".
function M.other(name, reason, fields)
  fields = fields or {}
  return webhook(name, reason, { issue = issue(fields), changes = fields.changes }, fields)
end

-- An AI task; type: issue_assigned unless given.  completion: what OpenPR answers when it is asked for the issue.
function M.task(type, fields)
  type, fields = type or "issue_assigned", fields or {}
  local is_mention = type == "comment_requested"
  local bot = merged({ id = M.BOT, name = "default", type = "custom" }, fields.bot)
  local comment = { id = M.COMMENT, body = fields.comment or "look" }
  return {
    now = 1790756401, ours = fields.ours, completion = fields.completion,
    body = {
      task_id = "4d5e6f70-8192-4d3e-af40-5b6c7d8e9fa0", task_type = type, attempts = 1, max_attempts = 3,
      trigger_kind = is_mention and "mention" or "assigned", project_id = PROJECT.id,
      ai_participant_id = bot.id, ai_participant_name = bot.name, ai_participant_agent_type = bot.type,
      reference_type = is_mention and "comment" or "work_item", reference_id = is_mention and M.COMMENT or M.ISSUE,
      payload = is_mention
        and { issue_id = M.ISSUE, comment_id = M.COMMENT, comment = comment }
        or { issue_id = M.ISSUE, assignee_id = bot.id, project_id = PROJECT.id, trigger = "issue.create" },
    },
  }
end

-- What OpenPR tells about the issue when it is asked.
function M.completion(fields)
  return { issue = merged({ id = M.ISSUE, title = "Login fails", description = "On every page.", state = "todo",
                            priority = "medium", assignee_id = M.BOT, project_id = PROJECT.id, labels = {} }, fields) }
end

-- A run that ended well.
function M.run(fields)
  return merged({ run_id = "019a4b7e-5c3d-7f21-8a6b-1c2d3e4f5a6b", status = "success", outcome = "success",
                  kind = "assignment", agent = "default", rule = "assigned to the bot", attempt = 1, exit_code = 0,
                  duration = 125000, final_text = "Fixed it.", tail = "…" }, fields)
end

return M
