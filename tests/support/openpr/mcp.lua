-- OpenPR's MCP server: POST /mcp/rpc, over the REST API beside it, in the words of a live one.

local json = require "openpr.json"
local rest = require "openpr.rest"
local state = require "openpr.state"

local mcp = {}

local function json_response(status, value, headers)
  headers = headers or {}
  headers["content-type"] = "application/json"
  headers.connection = "close"
  return { status = status, headers = headers, body = json.encode(value) }
end

local function rpc_error(id, code, message)
  return json_response(200, { jsonrpc = "2.0", id = id, error = { code = code, message = message } })
end

local function failed(text)
  return { content = json.array { { type = "text", text = "Error: " .. text } }, isError = true }
end

local refusals = {
  [401] = "the OpenPR API rejected the credential this call was made with; check that the bot token presented is "
    .. "correct, enabled and not expired",
}

-- One request to the API as the caller: the envelope, or nil and why.
local function ask_api(request, method, path, body)
  local response = rest.answer {
    method = method, path = path, query = "", body = body and json.encode(body) or "",
    headers = { authorization = request.headers.authorization, ["content-type"] = "application/json" },
  }
  if response.status ~= 200 then
    return nil, ("HTTP %d from %s: %s"):format(response.status, path, response.body)
  end
  local envelope = response.value
  if envelope.code ~= 0 then
    return nil, ("API error %d from %s: %s"):format(envelope.code, path, refusals[envelope.code] or envelope.message)
  end
  return envelope
end

-- ---- mentions: what follows an @, up to a delimiter, against the members' names, as substrings either way ----

local delimiters = { "@", "\n", "\r", ",", "，", "。", ".", "!", "！", "?", "？", ";", "；", ":" }

local function name_at(content, from)
  local last = #content
  for _, delimiter in ipairs(delimiters) do
    local at = content:find(delimiter, from, true)
    last = at and math.min(last, at - 1) or last
  end
  return content:sub(from, last):match("^%s*(.-)%s*$"):lower()
end

local function find_mentions(content)
  local found, users = {}, {}
  for _, user in pairs(state.data().users) do
    users[#users + 1] = user
  end
  table.sort(users, function(a, b) return a.name < b.name end)
  local at = content:find("@", 1, true)
  while at do
    local name = name_at(content, at + 1)
    for _, user in ipairs(name ~= "" and users or {}) do
      local own = user.name:lower()
      if own:find(name, 1, true) or name:find(own, 1, true) then
        found[#found + 1] = user.id
        break
      end
    end
    at = content:find("@", at + 1, true)
  end
  return found
end

-- ---- tools ----

local function issue_path(arguments, rest_of_path)
  return "/api/v1/issues/" .. arguments.work_item_id .. (rest_of_path or "")
end

local tools = {
  ["work_items.get"] = function(request, arguments)
    return ask_api(request, "GET", issue_path(arguments))
  end,
  ["work_items.update"] = function(request, arguments)
    local body = {}
    for name, value in pairs(arguments) do
      body[name] = name ~= "work_item_id" and value or nil
    end
    return ask_api(request, "PUT", issue_path(arguments), body)
  end,
  ["work_items.list_labels"] = function(request, arguments)
    return ask_api(request, "GET", issue_path(arguments, "/labels"))
  end,
  ["labels.list"] = function(request)
    return ask_api(request, "GET", "/api/v1/workspaces/" .. state.data().workspace.id .. "/labels")
  end,
  ["comments.list"] = function(request, arguments)
    return ask_api(request, "GET", issue_path(arguments, "/comments"))
  end,
  ["comments.create"] = function(request, arguments)
    if type(arguments.content) ~= "string" then
      return nil, "Invalid input: missing field `content`"
    end
    local mentions = json.array(find_mentions(arguments.content))
    return ask_api(request, "POST", issue_path(arguments, "/comments"),
      { content = arguments.content, mentions = mentions })
  end,
}

-- The tool's project, whose policy may forbid it: nil when all is well, else why not.
local function check_policy(request, tool, arguments)
  if tool == "labels.list" then -- the workspace's: no project has a say in it
    return nil
  end
  local id = arguments.work_item_id
  if not id then
    return ("Tool '%s' carries no work_item_id, so the owning project cannot be resolved and the project agent policy "
      .. "cannot be evaluated"):format(tool)
  end
  if type(id) ~= "string" or id ~= id:lower() or not state.is_uuid(id) then
    return ("Invalid input: work_item_id '%s' is not a canonical UUID"):format(tostring(id))
  end
  local _, why = ask_api(request, "GET", issue_path(arguments))
  if why then
    return ("Failed to resolve owning project for work item %s: %s"):format(id, why)
  end
  if state.data().policy_disabled[tool] then
    return ("Tool '%s' is disabled by project agent policy for project %s"):format(tool, state.data().project.id)
  end
end

local function call_tool(request, params)
  local tool, arguments = tools[params.name], params.arguments or {}
  if not tool then
    return failed(("Tool '%s' requires a project_id, so the project agent policy cannot be evaluated without one")
      :format(tostring(params.name)))
  end
  local why = check_policy(request, params.name, arguments)
  local envelope
  if not why then
    envelope, why = tool(request, arguments)
  end
  if why then
    return failed(why)
  end
  return { content = json.array { { type = "text", text = json.pretty(envelope) } } }
end

function mcp.answer(request)
  if request.method ~= "POST" then
    return { status = 405, headers = { allow = "POST" }, body = "" }
  end
  if not (request.headers.authorization or ""):find("^Bearer .") then
    return json_response(401, { error = "Missing Authorization: Bearer <opr_ bot token>." },
      { ["www-authenticate"] = "Bearer" })
  end
  local call, why = json.decode(request.body)
  if type(call) ~= "table" then
    return { status = 400, body = "Failed to parse the request body as JSON: " .. tostring(why) }
  end
  if not call.jsonrpc or not call.method then
    return { status = 422, body = "Failed to deserialize the JSON body into the target type: missing field" }
  end
  if call.jsonrpc ~= "2.0" then
    return rpc_error(call.id, -32600, "Invalid jsonrpc version")
  end
  if call.method ~= "tools/call" then
    return rpc_error(call.id, -32601, "Unknown method: " .. tostring(call.method))
  end
  local params = call.params
  if type(params) ~= "table" or type(params.name) ~= "string" then
    return rpc_error(call.id, -32602, "Missing params")
  end
  local result = call_tool(request, params)
  if call.id == nil then
    return json_response(202, { status = "accepted" })
  end
  return json_response(200, { jsonrpc = "2.0", id = call.id, result = result })
end

return mcp
