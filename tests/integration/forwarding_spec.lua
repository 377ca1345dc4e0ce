-- Agents of type webhook: what is forwarded, how it is signed, where it may go, and what becomes of it when the
-- receiver fails.

local daemon = require "support.daemon"
local event = require "support.event"
local gateway = require "support.gateway"
local http = require "support.http"
local openpr = require "support.openpr"
local process = require "support.process"
local sign = require "support.sign"
local uv = require "luv"
local wait = require "support.wait"

local SECRET = "forward-secret-of-the-test"
-- base64 of "openpr-webhook tests its forwards"
local STANDARD = "whsec_b3BlbnByLXdlYmhvb2sgdGVzdHMgaXRzIGZvcndhcmRz"

describe("forwarding", function()
  local d, g, o

  -- A daemon with one webhook agent; `agent` is laid over it, `more` over the configuration.
  local function start(agent, more)
    o, g = openpr.start(), gateway.start()
    d = daemon.prepare({ features = { webhook_forward = true } }, o)
    d.config.agents = { default = { type = "webhook", url = g.url .. "/hook?key=of-the-path", allow_private = true,
                                    secret = SECRET } }
    for name, value in pairs(agent or {}) do d.config.agents.default[name] = value end
    d:configure(more)
    d:start()
  end
  after_each(function()
    d:close()
    g:stop()
    o:stop()
  end)

  local function assign(issue, directives)
    issue = issue or o:knows(event.issue { description = directives })
    local body = issue:assigned()
    local answer = d:post(body).json
    assert.equal("dispatched", answer.status, event.json.encode(answer))
    return answer.run_id, issue, body
  end

  local function run()
    local id, issue, body = assign()
    return d:ended(id), issue, body
  end

  -- Waits until the run is put off, and says what for.
  local function put_off(id)
    return wait.eventually(function() return "the run is put off\n" .. d:log() end, function()
      local shown = d:json("show", "--json", id)
      return shown.state == "waiting" and shown.note ~= event.json.null and shown
    end)
  end

  it("sends the event's own bytes, signed, with its event and delivery, and reports the answer", function()
    start()
    local ended, issue, body = run()
    assert.same({ "success", "delivered", 1 }, { ended.outcome, ended.report, ended.attempt })
    local requests = g:requests "/hook"
    assert.equal(1, #requests)
    local request, envelope = requests[1], event.json.decode(body)
    assert.same({ "POST", "key=of-the-path", body }, { request.method, request.query, request.body })
    assert.equal("sha256=" .. sign.hmac(SECRET, body), request.headers["x-webhook-signature"])
    assert.equal("application/json", request.headers["content-type"])
    assert.same({ "issue.assigned", envelope.id },
                { request.headers["x-webhook-event"], request.headers["x-webhook-delivery"] })
    assert.is_nil(request.headers["webhook-id"])
    local comment = o:issue(issue.id).comments[1].body
    assert.matches("handed on to " .. g.url:gsub("%p", "%%%0"), comment)
    assert.matches("thank you", comment)
    -- A path may be a secret, and what was handed on is not done.
    assert.is_nil(comment:find("of-the-path", 1, true) or d:log():find("of-the-path", 1, true))
    assert.equal("in_progress", o:issue(issue.id).state)
    local file = assert(io.open(d:json("show", "--json", ended.run_id).log_path))
    assert.matches("POST " .. g.url:gsub("%p", "%%%0") .. ": 200", file:read "a")
    file:close()
  end)

  it("signs by Standard Webhooks, too, and lets method and headers be chosen", function()
    start { standard_webhooks = true, secret = STANDARD, method = "PUT",
            headers = { ["X-Api-Key"] = "key-of-the-receiver", ["Content-Type"] = "application/vnd.openpr+json" } }
    local ended, issue, body = run()
    assert.equal("success", ended.outcome)
    local request = g:requests("/hook")[1]
    local headers = request.headers
    assert.same({ "PUT", "key-of-the-receiver", "application/vnd.openpr+json" },
                { request.method, headers["x-api-key"], headers["content-type"] })
    assert.equal("sha256=" .. sign.hmac(STANDARD, body), headers["x-webhook-signature"])
    assert.equal(ended.run_id, headers["webhook-id"])
    assert.is_true(math.abs(os.time() - tonumber(headers["webhook-timestamp"])) < 60)
    local hex = sign.hmac("openpr-webhook tests its forwards",
                          ("%s.%s.%s"):format(headers["webhook-id"], headers["webhook-timestamp"], body))
    local octal = hex:gsub("..", function(byte) return ("\\%03o"):format(tonumber(byte, 16)) end)
    local _, base64 = process.run({ "sh", "-c", "printf '" .. octal .. "' | base64 -w0" }, { PATH = os.getenv "PATH" })
    assert.equal("v1," .. base64, headers["webhook-signature"])
    local _, printed = d:verb "print-config"
    assert.is_nil(printed:find("key-of-the-receiver", 1, true) or printed:find(STANDARD, 1, true))
    assert.equal(1, #o:issue(issue.id).comments)
  end)

  describe("a body that render builds", function()
    local function with_render(text)
      start(nil, { policies = { dir = "policies" } })
      assert(uv.fs_mkdir(d.dir .. "/policies", 448))
      daemon.write(d.dir .. "/policies/render.lua", text)
      assert.equal(0, (d:verb "reload"))
      return run()
    end

    it("is a table, sent as JSON", function()
      local ended = with_render [[return function(event) return { text = "New: " .. event.issue.title } end]]
      assert.equal("success", ended.outcome)
      local request = g:requests("/hook")[1]
      assert.matches("^New: ", event.json.decode(request.body).text)
      assert.equal("application/json", request.headers["content-type"])
      assert.equal("sha256=" .. sign.hmac(SECRET, request.body), request.headers["x-webhook-signature"])
    end)

    it("is a text, sent as it is", function()
      with_render [[return function(event) return "hello " .. event.name end]]
      local request = g:requests("/hook")[1]
      assert.same({ "hello issue.assigned", "text/plain; charset=utf-8" },
                  { request.body, request.headers["content-type"] })
    end)
  end)

  it("follows no redirect", function()
    start()
    g:fails { path = "^/hook$", status = 302, headers = { location = g.url .. "/elsewhere" } }
    local ended, issue = run()
    assert.equal("failure", ended.outcome)
    assert.matches("302: redirects are not followed", ended.cause)
    assert.same({}, g:requests "/elsewhere")
    assert.matches("redirects are not followed", o:issue(issue.id).comments[1].body)
  end)

  for _, target in ipairs { "http://127.0.0.1:%d/hook", "http://localhost:%d/hook", "http://[::1]:%d/hook",
                            "http://0x7f.1:%d/hook", "http://[::ffff:127.0.0.1]:%d/hook" } do
    it("never reaches a private address without allow_private: " .. target, function()
      o, g = openpr.start(), gateway.start()
      d = daemon.prepare({ features = { webhook_forward = true } }, o)
      d.env.http_proxy, d.env.no_proxy = g.url, "localhost" -- which would be asked otherwise
      d.config.openpr.api_url = (o.url:gsub("127%.0%.0%.1", "localhost"))
      d.config.agents = { default = { type = "webhook", url = target:format(g.port) } }
      d:configure()
      d:start()
      local ended = run()
      assert.equal("failure", ended.outcome)
      assert.matches("address is private", ended.cause)
      assert.same({}, g:requests "/hook")
    end)
  end

  for status, words in pairs { [401] = "not accepted", [403] = "not allowed", [404] = "nothing under that address",
                               [400] = "is this JSON%?", [410] = "does not want", [413] = "too large" } do
    it(("is over with %d, and says why"):format(status), function()
      start()
      g:fails { path = "^/hook$", status = status, body = '{"error":"is this JSON?"}' }
      local ended = run()
      assert.same({ "failure", 1 }, { ended.outcome, #g:requests "/hook" })
      assert.matches(tostring(status) .. ".*" .. words, ended.cause)
    end)
  end

  for _, fault in ipairs { { status = 500 }, { status = 503, headers = { ["retry-after"] = "1" } }, { status = 429 },
                           { close = true }, { garbage = true } } do
    it("comes again after " .. event.json.encode(fault) .. ", as the same message", function()
      start { standard_webhooks = true, secret = STANDARD }
      fault.path = "^/hook$"
      g:fails(fault)
      local ended = run()
      assert.same({ "success", 1 }, { ended.outcome, ended.attempt })
      local requests = g:requests "/hook"
      assert.equal(2, #requests)
      assert.equal(requests[1].headers["webhook-id"], requests[2].headers["webhook-id"])
      assert.equal(1, #o:requests("POST", "/comments"))
    end)
  end

  it("waits as long as Retry-After says", function()
    start()
    g:fails { path = "^/hook$", status = 503, headers = { ["retry-after"] = "60" } }
    local shown = put_off((assign()))
    assert.matches("503", shown.note)
    assert.is_true(shown.due > os.time() + 50 and shown.due < os.time() + 70
                   or shown.due > (os.time() + 50) * 1000 and shown.due < (os.time() + 70) * 1000, tostring(shown.due))
  end)

  it("gives up an answer that never comes, and one that never ends", function()
    start { timeout_secs = 1 }
    g:fails { path = "^/hook$", hang = true }
    g:fails { path = "^/hook$", body = ("x"):rep(5 * 1024 * 1024) }
    local ended = run()
    assert.equal("success", ended.outcome)
    assert.equal(3, #g:requests "/hook")
    assert.matches("larger than", d:log())
  end)

  it("waits for a target that is gone, and other agents' work on that issue goes on meanwhile", function()
    start(nil, { features = { cli_executor = true },
                 openpr = { bots = { helper = { token = "opr_" .. ("6"):rep(64) } } },
                 agents = { helper = { type = "cli", cli = "claude-code", env = { OPW_MARK = "/tmp/opw" } } } })
    o:control { users = { { id = event.other_bot.id, name = "helper", token = "opr_" .. ("6"):rep(64) } } }
    g:leave()
    local id, issue = assign()
    assert.matches("gave no answer", put_off(id).note)
    local helper = o:knows(event.issue { bot = { id = event.other_bot.id, name = "helper" } })
    assert.equal("success", d:ended(d:post((helper:assigned())).json.run_id, true).outcome)
    local mention = d:post((issue:mentioned { bot = event.other_bot.id, text = "@helper and you?" })).json
    assert.equal("dispatched", mention.status, event.json.encode(mention))
    assert.equal("success", d:ended(mention.run_id, true).outcome)
    assert.equal("waiting", d:json("show", "--json", id).state)
    g:back()
    local ended = d:ended(id)
    assert.same({ "success", 1 }, { ended.outcome, ended.attempt })
  end)

  it("leaves a target alone that keeps failing, says so, and tries it again", function()
    start()
    g:fails { path = "^/hook$", status = 500, times = 5 }
    local ids = {}
    for n = 1, 5 do ids[n] = assign() end
    wait.eventually("the circuit opens", function() return d:log():find "circuit open" end, 30)
    local before = #g:requests "/hook"
    local blocked = assign()
    assert.matches("left alone for a while", put_off(blocked).note)
    wait.eventually("the reason is told", function()
      local ready = http.request(d.dir .. "/admin.sock", "GET", "/api/ready").json
      for _, trouble in ipairs(ready.reasons) do
        if trouble.reason == "breaker_open" then return ready.ready and trouble.text:find(g.url, 1, true) end
      end
    end)
    assert.equal(before, #g:requests "/hook")
    assert.equal("success", d:ended(blocked).outcome)
    assert.matches("circuit closed", d:log())
    for _, id in ipairs(ids) do assert.equal("success", d:ended(id).outcome) end
  end)

  it("is the same message after kill -9, and a new one by retry", function()
    start { standard_webhooks = true, secret = STANDARD }
    g:fails { path = "^/hook$", hang = true }
    local id = assign()
    g:got("/hook", 1)
    d:kill9()
    d:start()
    local ended = d:ended(id)
    assert.equal("success", ended.outcome)
    local requests = g:got("/hook", 2)
    assert.equal(requests[1].headers["webhook-id"], requests[2].headers["webhook-id"])
    assert.equal(0, (d:verb("retry", id)))
    requests = g:got("/hook", 3)
    assert.are_not.equal(requests[1].headers["webhook-id"], requests[3].headers["webhook-id"])
  end)

  it("is cancelled while it waits for an answer, and while it waits for a next try", function()
    start()
    g:fails { path = "^/hook$", hang = true }
    local id = assign()
    g:got("/hook", 1)
    assert.equal(0, (d:verb("cancel", id)))
    assert.equal("cancelled", d:ended(id).outcome)
    g:fails { path = "^/hook$", status = 503, headers = { ["retry-after"] = "600" } }
    id = assign()
    put_off(id)
    assert.equal(0, (d:verb("cancel", id)))
    assert.equal("cancelled", d:ended(id).outcome)
  end)

  it("forwards AI tasks, which have no delivery of their own", function()
    start()
    local issue = o:knows(event.issue())
    local body, task = issue:task()
    o:knows(issue, task)
    local answer = d:post(body).json
    assert.equal("dispatched", answer.status, event.json.encode(answer))
    assert.equal("success", d:ended(answer.run_id).outcome)
    local request = g:requests("/hook")[1]
    assert.same({ body, task, "issue_assigned" }, { request.body, request.headers["x-webhook-delivery"],
                                                   request.headers["x-webhook-event"] })
    assert.equal("completed", o:task(task).status)
  end)
end)
