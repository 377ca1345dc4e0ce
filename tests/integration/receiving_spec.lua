-- POST /webhook up to the decision: signatures, timestamps, shapes, and what strangers may not do.

local daemon = require "support.daemon"
local event = require "support.event"
local http = require "support.http"
local sign = require "support.sign"
local socket = require "socket"
local wait = require "support.wait"

-- A person's event: answered at once, `ignored`.
local function harmless(more)
  more = more or {}
  more.people = true
  return (event.issue():edited(more))
end

describe("receiving", function()
  local d

  setup(function()
    d = daemon.prepare({ webhook = { secrets = { daemon.secret, "second" }, secret = daemon.source "nil",
                                     max_body = 64 * 1024 } }):start()
  end)
  teardown(function() d:close() end)

  local function refused(status, words, response)
    assert.equal(status, response.status)
    assert.equal("string", type(response.json and response.json.error), response.body)
    assert.matches(words, response.json.error)
  end

  it("says that it is well", function()
    local response = http.request(d.port, "GET", "/health")
    assert.same({ 200, "ok" }, { response.status, response.body })
  end)

  it("does not name its server software", function()
    assert.is_nil(http.request(d.port, "GET", "/health").headers.server)
  end)

  it("knows no other path and no other method", function()
    assert.equal(404, http.request(d.port, "GET", "/").status)
    assert.equal(404, http.request(d.port, "POST", "/webhook/x", {}, "{}").status)
    assert.equal(404, http.request(d.port, "GET", "/api/runs").status)
    assert.equal(405, http.request(d.port, "GET", "/webhook").status)
  end)

  describe("checks signatures:", function()
    local body = harmless()
    local good = sign.hmac(daemon.secret, body)
    local function post(headers, text)
      return http.request(d.port, "POST", "/webhook", headers, text or harmless())
    end
    local function signed(text, value)
      return { ["x-webhook-signature"] = value or "sha256=" .. sign.hmac(daemon.secret, text) }
    end

    it("accepts lower-case hex with the prefix", function()
      assert.equal(200, post({ ["x-webhook-signature"] = "sha256=" .. good }, body).status)
    end)

    it("accepts upper-case hex, and no prefix", function()
      local text = harmless()
      assert.equal(200, post(signed(text, "sha256=" .. sign.hmac(daemon.secret, text):upper()), text).status)
      text = harmless()
      assert.equal(200, post(signed(text, sign.hmac(daemon.secret, text)), text).status)
    end)

    it("accepts the other header", function()
      local text = harmless()
      assert.equal(200, post({ ["x-openpr-signature"] = "sha256=" .. sign.hmac(daemon.secret, text) }, text).status)
    end)

    it("accepts every configured secret", function()
      local text = harmless()
      assert.equal(200, post(signed(text, "sha256=" .. sign.hmac("second", text)), text).status)
    end)

    it("refuses a request without one", function()
      refused(401, "signature", post({}))
    end)

    for what, value in pairs {
      ["another secret's"] = "sha256=" .. sign.hmac("wrong", body),
      ["one digit changed"] = "sha256=" .. good:sub(1, -2) .. (good:sub(-1) == "0" and "1" or "0"),
      ["one digit short"] = "sha256=" .. good:sub(1, -2),
      ["one digit long"] = "sha256=" .. good .. "0",
      ["not hex"] = "sha256=" .. ("z"):rep(64),
      ["empty"] = "sha256=",
      ["another algorithm's name"] = "sha1=" .. good,
    } do
      it("refuses " .. what, function()
        refused(401, "signature", post({ ["x-webhook-signature"] = value }, body))
      end)
    end

    it("covers every byte of the body", function()
      refused(401, "signature", post(signed(body), (body:gsub("Login", "login"))))
      refused(401, "signature", post(signed(body), body .. " "))
    end)

    it("parses nothing before", function()
      refused(401, "signature", post({}, "{"))
      refused(400, "JSON", d:post "{")
    end)
  end)

  describe("checks the time:", function()
    it("accepts what is a little old or ahead", function()
      assert.equal(200, d:post(harmless { at = -280 }).status)
      assert.equal(200, d:post(harmless { at = 280 }).status)
    end)

    it("refuses what is old or far ahead", function()
      refused(401, "timestamp", d:post(harmless { at = -320 }))
      refused(401, "timestamp", d:post(harmless { at = 320 }))
    end)

    it("refuses a webhook event without a valid one", function()
      refused(400, "timestamp", d:post((harmless():gsub('"timestamp":"[^"]*",', ""))))
      refused(400, "timestamp", d:post((harmless():gsub('"timestamp":"[^"]*"', '"timestamp":"yesterday"'))))
      refused(400, "timestamp", d:post((harmless():gsub('"timestamp":"[^"]*"', '"timestamp":1790000000'))))
    end)
  end)

  describe("understands shapes:", function()
    it("ignores what it does not know", function()
      for _, body in ipairs { "{}", "[]", '"text"', '{"delivery":{"id":"x"},"event":{"name":"flow.started"}}' } do
        local response = d:post(body)
        assert.equal(200, response.status, body)
        assert.equal("ignored", response.json.status)
      end
    end)

    it("gives every known shape an event_id", function()
      local response = d:post(harmless())
      assert.equal("ignored", response.json.status)
      assert.matches("^%x+%-%x+%-7%x+%-%x+%-%x+$", response.json.event_id)
      assert.is_string(response.json.rule)
    end)

    it("answers a delivery that it has seen with the first one's id", function()
      local body = harmless()
      local first, again = d:post(body).json, d:post(body).json
      assert.same({ "duplicate", first.event_id }, { again.status, again.event_id })
    end)

    it("takes any UTF-8 and refuses what is none", function()
      assert.equal(200, d:post((harmless():gsub("Login fails", "Пожар 🔥 \\u0000"))).status)
      refused(400, ".", d:post((harmless():gsub("Login fails", "\xff\xfe"))))
    end)
  end)

  describe("keeps its limits:", function()
    local function raw(text) return http.raw(d.port, text) end

    it("a body of max_body and not a byte more", function()
      local body = harmless()
      local most = body .. (" "):rep(64 * 1024 - #body)
      assert.equal(200, d:post(most).status)
      assert.equal(413, (d:post(most .. " ")).status)
    end)

    it("a chunked body too", function()
      local body = harmless()
      local head = "POST /webhook HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n"
      local function chunked(text)
        return ("%sx-webhook-signature: %s\r\n\r\n%x\r\n%s\r\n0\r\n\r\n"):format(head, sign.hmac(daemon.secret, text),
                                                                            #text, text)
      end
      assert.equal(200, raw(chunked(body)).status)
      local response = raw(chunked(body .. (" "):rep(100 * 1024)))
      assert.is_true(response == nil or response.status == 413)
    end)

    it("16 KiB of head", function()
      refused(431, ".", raw("GET /health HTTP/1.1\r\nhost: x\r\nx-a: " .. ("a"):rep(17 * 1024) .. "\r\n\r\n"))
      assert.equal(200, raw("GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-a: " .. ("a"):rep(8 * 1024)
        .. "\r\n\r\n").status)
    end)

    for what, head in pairs {
      ["two different lengths"] = "host: x\r\ncontent-length: 2\r\ncontent-length: 3\r\n",
      ["two equal lengths"] = "host: x\r\ncontent-length: 2\r\ncontent-length: 2\r\n",
      ["a length and chunks"] = "host: x\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n",
      ["two hosts"] = "host: x\r\nhost: y\r\ncontent-length: 2\r\n",
      ["no host"] = "content-length: 2\r\n",
      ["a folded line"] = "host: x\r\nx-a: 1\r\n 2\r\ncontent-length: 2\r\n",
      ["a bare line feed"] = "host: x\nx-a: 1\r\ncontent-length: 2\r\n",
      ["a blank before the colon"] = "host: x\r\ncontent-length : 2\r\n",
      ["a signed length"] = "host: x\r\ncontent-length: +2\r\n",
    } do
      it("refuses " .. what .. " and closes", function()
        local connection = http.connect(d.port)
        connection:send("POST /webhook HTTP/1.1\r\n" .. head .. "\r\n{}")
        local response = http.read(connection)
        assert.is_true(response == nil or response.status == 400, response and response.status)
        connection:settimeout(5)
        assert.equal("closed", select(2, connection:receive(1)))
        connection:close()
      end)
    end

    it("speaks HTTP/1.1 alone", function()
      local response = raw("GET /health HTTP/1.1\r\nhost: x\r\nconnection: close, upgrade, http2-settings\r\n"
        .. "upgrade: h2c\r\nhttp2-settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n")
      assert.equal(200, response.status)
      response = raw "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"
      assert.is_true(response == nil or response.status >= 400)
    end)
  end)
end)

describe("a crowd", function()
  local d
  before_each(function()
    d = daemon.prepare({ webhook = { max_connections = 16, head_timeout = 3, max_body = 1024 * 1024,
                                     max_unverified = 2 * 1024 * 1024 } }):start()
  end)
  after_each(function() d:close() end)

  it("of idle connections keeps nobody out", function()
    local idle = {}
    for n = 1, 40 do
      idle[n] = http.connect(d.port, 2)
      idle[n]:send "POST /webhook HTTP/1.1\r\nhost: x\r\n"
    end
    assert.equal(200, d:post(harmless()).status)
    for _, connection in ipairs(idle) do connection:close() end
  end)

  it("that dawdles is sent away", function()
    local slow = http.connect(d.port, 10)
    slow:send "POST /webhook HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{"
    local started = wait.now()
    repeat
      local _, why = slow:receive(1)
    until why == "closed" or why == "timeout"
    slow:close()
    assert.is_true(wait.now() - started < 9)
  end)

  it("of unsigned bodies holds no more than max_unverified", function()
    local open, chunk = {}, ("x"):rep(64 * 1024)
    local function resident()
      return tonumber(io.open("/proc/" .. d.child.pid .. "/status"):read("a"):match "VmRSS:%s*(%d+)")
    end
    local before = resident()
    for n = 1, 14 do
      open[n] = socket.connect("127.0.0.1", d.port)
      open[n]:settimeout(1)
      open[n]:send("POST /webhook HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n")
      for _ = 1, 14 do open[n]:send(chunk) end
    end
    assert.equal(200, d:post(harmless()).status)
    if not daemon.sanitized then assert.is_true(resident() - before < 8 * 1024, resident() - before) end
    for _, connection in ipairs(open) do connection:close() end
  end)
end)
