-- The stand-in for OpenPR answers, and fails, as a live one was seen to.

package.path = "tests/support/?.lua;" .. package.path

local client = require "openpr.client"
local json = require "openpr.json"
local sha256 = require "openpr.sha256"
local socket = require "socket"

local BOT, ISSUE, TASK = "3f7a9c12-5d4e-4b8a-9c6f-0a1b2c3d4e5f", "a1b2c3d4-1111-4222-8333-444455556666",
  "4d5e6f70-8192-4d3e-af40-5b6c7d8e9fa0"

describe("the stand-in for OpenPR", function()
  local openpr

  setup(function()
    openpr = client.start()
  end)

  teardown(function()
    openpr:stop()
  end)

  before_each(function()
    openpr:control {
      reset = true,
      users = {
        { id = BOT, name = "ai-fixer", token = "opr_one" }, { name = "other", token = "opr_two" },
        { name = "Ann", token = "jwt", entity_type = "human", role = "admin" },
      },
      issues = { { id = ISSUE, title = "Login fails", assignee_id = BOT, labels = { { id = BOT, name = "bug" } } } },
      tasks = { { id = TASK, bot = BOT, issue = ISSUE } },
    }
  end)

  local function rest(method, path, body, token, more)
    local headers = { authorization = "Bearer " .. (token or "opr_one") }
    for name, value in pairs(more or {}) do
      headers[name] = value
    end
    local status, text = openpr:request(method, "/api/v1" .. path, body, headers)
    return status, json.decode(text) or text
  end

  local function tool(name, arguments, token)
    local call = { jsonrpc = "2.0", id = "7", method = "tools/call", params = { name = name, arguments = arguments } }
    local _, text = openpr:request("POST", "/mcp/rpc", call, { authorization = "Bearer " .. (token or "opr_one") })
    return json.decode(text).result
  end

  it("keeps issues, states and comments", function()
    assert.same({ 200, "in_progress" }, (function()
      local status, answer = rest("PUT", "/issues/" .. ISSUE, { state = "in_progress" })
      return { status, answer.data.state }
    end)())
    rest("POST", "/issues/" .. ISSUE .. "/comments", { content = " done \n" })
    local _, list = rest("GET", "/issues/" .. ISSUE .. "/comments")
    assert.equal(1, list.data.total)
    assert.equal("done", list.data.items[1].body)
    local issue = openpr:state().issues[1]
    assert.equal("in_progress", issue.state)
    assert.equal("done", issue.comments[1].body)
    local _, labels = rest("GET", "/issues/" .. ISSUE .. "/labels")
    assert.equal("bug", labels.data.items[1].name)
  end)

  it("answers HTTP 200 and a code to what a handler refuses", function()
    local function code(method, path, body, token)
      local status, answer = rest(method, path, body, token)
      assert.equal(200, status)
      return answer.code
    end
    assert.equal(401, code("GET", "/auth/me", nil, "opr_wrong"))
    assert.equal(404, code("GET", "/issues/" .. TASK))
    assert.equal(400, code("PUT", "/issues/" .. ISSUE, { state = "nonsense" }))
    assert.equal(400, code("POST", "/issues/" .. ISSUE .. "/comments", { content = " " }))
    assert.equal(500, code("POST", "/issues/" .. ISSUE .. "/comments", { content = "a\0b" }))
    assert.equal(403, code("POST", "/ai/callbacks/task/" .. TASK .. "/complete", { x = 1 }, "opr_two"))
  end)

  it("answers real HTTP errors to what no handler sees", function()
    assert.equal(400, (rest("GET", "/issues/..%2Fx")))
    assert.equal(400, (rest("PUT", "/issues/" .. ISSUE, "{broken")))
    assert.equal(422, (rest("PUT", "/issues/" .. ISSUE, { state = 7 })))
    assert.equal(405, (rest("PATCH", "/issues/" .. ISSUE, { state = "done" })))
    assert.equal(404, (rest("GET", "/nothing")))
  end)

  it("speaks English only when asked", function()
    local path = "/issues/" .. ISSUE .. "/comments"
    local _, chinese = rest("POST", path, { content = "" })
    local _, english = rest("POST", path, { content = "" }, nil, { ["accept-language"] = "en" })
    assert.equal("内容不能为空", chinese.message)
    assert.equal("Content is required", english.message)
  end)

  it("ends an AI task once, and fails it back to the queue", function()
    local path = "/ai/callbacks/task/" .. TASK
    local _, failed = rest("POST", path .. "/fail", { error_message = "no" })
    assert.same({ 0, "pending" }, { failed.code, failed.data.status })
    openpr:control { tasks = { { id = TASK, bot = BOT, issue = ISSUE, attempts = 3 } } }
    local _, last = rest("POST", path .. "/fail", { error_message = "no" })
    assert.equal("failed", last.data.status)
    openpr:control { tasks = { { id = TASK, bot = BOT, issue = ISSUE } } }
    local _, done = rest("POST", path .. "/complete", { summary = "ok" })
    local _, again = rest("POST", path .. "/complete", { summary = "ok" })
    assert.same({ 0, 400 }, { done.code, again.code })
  end)

  it("calls tools, and reports their failures as isError", function()
    assert.is_nil(tool("comments.create", { work_item_id = ISSUE, content = "hello" }).isError)
    assert.truthy(tool("comments.list", { work_item_id = ISSUE }).content[1].text:find('"body": "hello"', 1, true))
    local refused = tool("work_items.update", { work_item_id = ISSUE, state = "nonsense" })
    assert.is_true(refused.isError)
    assert.truthy(refused.content[1].text:find("^Error: API error 400 from /api/v1/issues/"))
    local denied = tool("work_items.get", { work_item_id = ISSUE }, "opr_x")
    assert.truthy(denied.content[1].text:find("API error 401 from /", 1, true))
    assert.equal(401, (openpr:request("POST", "/mcp/rpc", {})))
  end)

  it("mentions whoever's name stands behind an @, whatever is between", function()
    for _, text in ipairs { "@ann", "@\u{200b}ann please", "joe@ann.com", "plain ann", "＠ann" } do
      tool("comments.create", { work_item_id = ISSUE, content = text })
    end
    local mentions = {}
    for i, comment in ipairs(openpr:state().issues[1].comments) do
      mentions[i] = #comment.mentions
    end
    assert.same({ 1, 1, 1, 0, 0 }, mentions)
  end)

  it("fails on demand, as often as told, before or after the request took effect", function()
    local path = "/issues/" .. ISSUE .. "/comments"
    openpr:control { faults = { { method = "POST", path = "/comments$", status = 502, body = "<html>" },
      { method = "POST", path = "/comments$", close = true, handled = true } } }
    assert.equal(502, (rest("POST", path, { content = "one" })))
    local status = openpr:request("POST", "/api/v1" .. path, { content = "two" }, { authorization = "Bearer opr_one" })
    assert.is_nil(status)
    assert.equal(200, (rest("POST", path, { content = "three" })))
    local state = openpr:state()
    assert.same({ "two", "three" }, { state.issues[1].comments[1].body, state.issues[1].comments[2].body })
    assert.same({ 3, "502", "close", "200" },
      { #state.requests, state.requests[1].answer, state.requests[2].answer, state.requests[3].answer })
  end)

  it("goes on answering while a request hangs", function()
    openpr:control { faults = { { path = "/auth/me$", hang = true } } }
    local port = tonumber(openpr.url:match("%d+$"))
    local sock = assert(socket.connect("127.0.0.1", port))
    sock:send("GET /api/v1/auth/me HTTP/1.1\r\nhost: x\r\n\r\n")
    assert.equal(200, (rest("GET", "/issues/" .. ISSUE)))
    sock:close()
  end)

  it("signs what it sends", function()
    -- RFC 4231, test case 2
    assert.equal("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
      sha256.hmac("Jefe", "what do ya want for nothing?"))
    -- It can be its own receiver: an unknown path is answered 404, and the request is remembered.
    local sent = openpr:emit {
      url = openpr.url .. "/webhook", secret = "s3cret", event = "issue.assigned", issue = ISSUE, bot = BOT,
    }
    assert.equal(404, sent.status)
    local request = openpr:state().requests[1]
    assert.equal(sent.sent, request.body)
    assert.equal("sha256=" .. sha256.hmac("s3cret", request.body), request.headers["x-webhook-signature"])
    assert.same({ BOT }, request.json.data.changes.assignee_ids.added)
    assert.equal("ai-fixer", request.json.bot_context.bot_name)
  end)

  it("ends when its standard input is closed", function()
    local other = client.start()
    other:stop() -- waits for it
    assert.is_nil((other:request("GET", "/health")))
  end)
end)
