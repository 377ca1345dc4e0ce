-- What an administrator does over REST: logs in, makes projects, bots and webhooks, creates and assigns issues; and
-- what OpenPR then sends by itself.

local events = require "openpr.events"
local json = require "openpr.json"
local loop = require "openpr.loop"
local server = require "openpr.server"
local sha256 = require "openpr.sha256"
local state = require "openpr.state"

local workspace = {}

-- The administrator that a test may log in as.
workspace.login = { email = "ann@example.com", password = "password1" }

local function setting()
  local data = state.data()
  data.setting = data.setting or { webhooks = {}, deliveries = {} }
  return data.setting
end

-- ---- what OpenPR sends ----

local function deliver(hook, body, headers, event_type)
  headers["content-type"] = "application/json"
  headers["x-webhook-signature"] = "sha256=" .. sha256.hmac(hook.secret, body)
  local status, why, answer = server.post(hook.url, headers, body)
  table.insert(setting().deliveries, 1, {
    id = state.uuid(), webhook_id = hook.id, event_type = event_type, payload = json.decode(body),
    request_headers = {}, response_status = status or json.null, response_body = answer or json.null,
    error = status and json.null or why, success = status ~= nil and status >= 200 and status <= 299,
    delivered_at = state.timestamp(), created_at = state.timestamp(),
  })
end

local function wants(hook, name)
  for _, event in ipairs(hook.events) do
    if event == name then return hook.active end
  end
end

-- Every webhook that wants it gets the event; each delivery is on its own, as OpenPR's are.
local function announce(name, issue, bot)
  for _, hook in ipairs(setting().webhooks) do
    if wants(hook, name) then
      local meant = hook.bot_user_id == bot and bot or nil
      local body, headers = events.make { event = name, issue = issue.id, bot = meant }
      loop.start(deliver, hook, body, headers, name)
    end
  end
end

-- The worker comes by a moment later.
local function ask_worker(issue, bot)
  local task = state.put_task { bot = bot, issue = issue.id, status = "pending", attempts = 1 }
  loop.start(function()
    loop.sleep(1)
    for _, hook in ipairs(setting().webhooks) do
      if hook.bot_user_id == bot and hook.active then
        deliver(hook, (events.make { task = task.id }), {}, "ai_task")
      end
    end
  end)
end

-- ---- handlers; rest.lua gives its own ways of answering ----

local success, refuse

local function log_in(_, _, _, body)
  if body.email ~= workspace.login.email or body.password ~= workspace.login.password then
    return refuse(401, "invalid email or password")
  end
  local token = "jwt-" .. state.uuid()
  local user = state.add_user { name = "Ann", email = body.email, entity_type = "human", role = "admin", token = token }
  return success { user = { id = user.id, email = user.email, name = user.name },
                   tokens = { access_token = token, refresh_token = state.uuid(), token_type = "Bearer" } }
end

local function page(items)
  return success { items = json.array(items), total = #items, page = 1, per_page = #items, total_pages = 1 }
end

local function get_workspaces() return page { state.data().workspace } end
local function get_projects() return page { state.data().project } end

local function add_bot(_, _, _, body)
  local token = "opr_" .. state.uuid():gsub("-", "") .. state.uuid():gsub("-", "")
  local bot = state.add_user { name = body.name, entity_type = "bot_mcp", token = token }
  return success { id = bot.id, name = bot.name, token = token, permissions = body.permissions, is_active = true }
end

local function put_user(_, user, id, body)
  local known = state.data().users[id]
  if user.role ~= "admin" then return refuse(403, "system admin required") end
  if not known then return refuse(404, "user not found") end
  if body.entity_type ~= "human" and body.entity_type ~= "bot" then
    return refuse(400, "entity_type must be human or bot")
  end
  known.entity_type, known.agent_type = body.entity_type, body.agent_type
  return success { id = id, entity_type = known.entity_type, agent_type = known.agent_type }
end

local function add_webhook(_, _, _, body)
  local bot = state.data().users[body.bot_user_id]
  if not bot or bot.entity_type ~= "bot" then return refuse(400, "bot_user_id must reference a bot user") end
  local hook = { id = state.uuid(), url = body.url, secret = body.secret, bot_user_id = body.bot_user_id,
                 active = body.active, events = body.events }
  table.insert(setting().webhooks, hook)
  return success { id = hook.id, url = hook.url, bot_user_id = hook.bot_user_id, active = hook.active,
                   events = json.array(hook.events) }
end

local function get_deliveries(_, _, id)
  local items = {}
  for _, delivery in ipairs(setting().deliveries) do
    if delivery.webhook_id == id then items[#items + 1] = delivery end
  end
  return page(items)
end

local function add_issue(_, _, _, body)
  if type(body.title) ~= "string" or body.title == "" then return refuse(400, "title is required") end
  local issue = state.put_issue { title = body.title, description = body.description, state = body.state,
                                  assignee_id = body.assignee_id }
  local bot = state.data().users[body.assignee_id]
  bot = bot and bot.entity_type == "bot" and bot.id or nil
  announce("issue.created", issue, bot)
  if bot then
    announce("issue.assigned", issue, bot)
    ask_worker(issue, bot)
  end
  local answer = {}
  for key, value in pairs(issue) do answer[key] = value end
  answer.comments, answer.label_list = nil, nil
  return success(answer)
end

function workspace.routes(success_of, refuse_of)
  success, refuse = success_of, refuse_of
  return {
    { "^/api/v1/auth/login$", nil, { POST = log_in }, open = true },
    { "^/api/v1/workspaces$", nil, { GET = get_workspaces } },
    { "^/api/v1/workspaces/([^/]+)/projects$", "workspace_id", { GET = get_projects } },
    { "^/api/v1/workspaces/([^/]+)/bots$", "workspace_id", { POST = add_bot } },
    { "^/api/v1/admin/users/([^/]+)$", "user_id", { PUT = put_user } },
    { "^/api/v1/workspaces/([^/]+)/webhooks$", "workspace_id", { POST = add_webhook } },
    { "^/api/v1/workspaces/[^/]+/webhooks/([^/]+)/deliveries$", "webhook_id", { GET = get_deliveries } },
    { "^/api/v1/projects/([^/]+)/issues$", "project_id", { POST = add_issue } },
  }
end

return workspace
