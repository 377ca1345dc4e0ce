-- The admin listener of the real program: who gets in, by which door, and what is behind none.

local daemon = require "support.daemon"
local event = require "support.event"
local http = require "support.http"
local openpr = require "support.openpr"
local process = require "support.process"
local socket = require "socket"
local uv = require "luv"

local TOKEN = "0123456789abcdef0123456789abcdef"

local function free_port()
  local listener = assert(socket.bind("127.0.0.1", 0))
  local _, port = listener:getsockname()
  listener:close()
  return math.tointeger(port)
end

describe("the admin listener", function()
  local d, o

  before_each(function() o = openpr.start() end)
  after_each(function()
    d:close()
    o:stop()
  end)

  local function assign()
    local answer = d:post((o:knows(event.issue {}):assigned())).json
    return d:ended(answer.run_id).run_id, answer.event_id
  end

  it("is a socket for its owner alone, unless told otherwise", function()
    d = daemon.prepare({}, o):start()
    local st = assert(uv.fs_stat(d.dir .. "/admin.sock"))
    assert.equal("socket", st.type)
    assert.equal(384, st.mode & 511) -- 0600
    assert.equal(200, http.request(d.dir .. "/admin.sock", "GET", "/api/status").status)
  end)

  it("is nowhere on the webhook's port", function()
    d = daemon.prepare({}, o):start()
    local id = assign()
    for _, path in ipairs { "/metrics", "/api", "/api/", "/api/status", "/api/runs", "/api/runs/" .. id, "/api/stream",
                            "/api/runs/" .. id .. "/log", "/api/ready", "/api/events", "//api/status",
                            "/api/../api/runs", "/health/../api/status", "/%61pi/status" } do
      for _, method in ipairs { "GET", "POST" } do
        assert.equal(404, http.request(d.port, method, path, nil, method == "POST" and "" or nil).status, path)
      end
    end
    for _, path in ipairs { "/api/drain", "/api/reload", "/api/runs/" .. id .. "/cancel" } do
      assert.equal(404, http.request(d.port, "POST", path, nil, "").status)
    end
    assert.equal(404, http.request(d.port, "GET", "/metrics", { authorization = "Bearer " .. TOKEN }).status)
  end)

  it("serves all verbs over TCP with a token, past any proxy", function()
    local port = free_port()
    d = daemon.prepare({ admin = { listen = "127.0.0.1:" .. port, token = TOKEN } }, o):start()
    d.env.http_proxy = "http://127.0.0.1:9" -- would get the token
    assert.is_nil(uv.fs_stat(d.dir .. "/admin.sock"))
    local id, event_id = assign()
    assert.equal(id, d:json("runs", "--json")[1].run_id)
    assert.equal(event_id, d:json("events", "--json")[1].event_id)
    local again = d:json("retry", "--json", id).run_id
    d:ended(again)
    for _, verb in ipairs { { "retry", "--report", again }, { "reload" }, { "drain" } } do
      local code, _, why = d:verb(table.unpack(verb))
      assert.equal(0, code, why)
    end
    local code, _, why = d:verb("release", event_id)
    assert.equal(1, code)
    assert.matches("not", why)
    assert.is_nil(d:log():find(TOKEN, 1, true))
    local _, printed = d:verb "print-config"
    assert.is_nil(printed:find(TOKEN, 1, true))
  end)

  it("refuses over TCP who has no token, a wrong one, or a web page", function()
    local port = free_port()
    d = daemon.prepare({ admin = { listen = "127.0.0.1:" .. port, token = TOKEN } }, o):start()
    local good = { authorization = "Bearer " .. TOKEN }
    assert.equal(200, http.request(port, "GET", "/api/runs", good).status)
    for _, headers in ipairs { {}, { authorization = "Bearer wrong" }, { authorization = "Basic " .. TOKEN } } do
      for _, path in ipairs { "/api/runs", "/metrics", "/api/nowhere", "/", "/api/drain" } do
        local answer = http.request(port, path == "/api/drain" and "POST" or "GET", path, headers)
        assert.same({ 401, "Bearer" }, { answer.status, answer.headers["www-authenticate"] })
      end
    end
    local page = { authorization = good.authorization, origin = "http://127.0.0.1:" .. port }
    assert.equal(403, http.request(port, "POST", "/api/drain", page).status)
    local rebound = http.raw(port, "GET /api/runs HTTP/1.1\r\nHost: evil.example\r\nAuthorization: Bearer " .. TOKEN
                             .. "\r\nConnection: close\r\n\r\n")
    assert.equal(403, rebound.status)
    d:configure { admin = { token = ("x"):rep(32) } }
    local code, _, why = d:verb "drain"
    assert.equal(1, code)
    assert.matches("admin%.token", why)
    assert.is_false(d:log():find("draining", 1, true) ~= nil)
  end)

  it("does not start where anybody else listens, and says where", function()
    local other = assert(socket.bind("127.0.0.1", 0))
    local _, port = other:getsockname()
    d = daemon.prepare({ admin = { listen = "127.0.0.1:" .. math.tointeger(port), token = TOKEN } }, o)
    local code, _, why = d:verb "serve"
    assert.equal(1, code)
    assert.matches("admin%.listen: cannot listen on 127%.0%.0%.1", why)
    other:close()
  end)
end)

describe("the log", function()
  local d
  after_each(function() d:close() end)

  it("is JSON when asked for, line by line, and the level can be changed by a reload", function()
    local cjson = require "cjson"
    d = daemon.prepare { log = { format = "json" } }
    d.child = process.spawn({ daemon.program, "--config", d.dir .. "/config.lua" }, d.env, d.dir .. "/log", "/")
    require("support.wait").eventually("it listens", function()
      d.port = tonumber(d:log():match '"msg":"listening","address":"127%.0%.0%.1:(%d+)"')
      return d.port
    end, 30)
    d:post((event.issue {}:assigned()))
    d:configure { log = { level = "error" } }
    assert.equal(0, (d:verb "reload"))
    local before = #d:log()
    d:post((event.issue {}:assigned()))
    assert.equal(before, #d:log())
    local seen = {}
    for line in d:log():gmatch "[^\n]+" do
      local fact = cjson.decode(line)
      assert.matches("^%d+%-%d+%-%d+T[%d:.]+Z$", fact.ts)
      assert.is_truthy(({ info = true, warn = true, error = true })[fact.level])
      seen[fact.msg] = fact
    end
    assert.is_string(seen.decided.event)
    assert.is_string(seen.decided.issue)
  end)
end)
