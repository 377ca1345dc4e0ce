-- The tunnel's connection: who is connected to, what is shown to whom, and what happens when it cannot stand.

local control_plane = require "support.control_plane"
local daemon = require "support.daemon"
local wait = require "support.wait"

describe("the tunnel", function()
  local d, plane

  before_each(function()
    plane = control_plane.start()
    d = daemon.prepare(plane:config())
  end)
  after_each(function()
    d:close()
    plane:stop()
  end)

  local function logged(text, seconds)
    return wait.eventually(function() return "the log says " .. text .. ":\n" .. d:log() end, function()
      return d:log():find(text, 1, true)
    end, seconds)
  end

  -- Nothing of the handshake has reached the other side, although the daemon tried.
  local function nobody_was_told(tries)
    local state = plane:until_state("it tries", function(state) return state.accepted >= tries and state end)
    assert.same({ 0, {} }, { state.stood, state.handshakes })
  end

  it("stands, by a handshake that shows the token to a verified server", function()
    d:start()
    local state = plane:connected()
    local shake = state.handshakes[1]
    assert.same({ "GET", "/api/v1/agent-tunnel", "Bearer " .. plane.token, "127.0.0.1:" .. plane.port },
                { shake.method, shake.path, shake.headers.authorization, shake.headers.host })
    assert.same({ "websocket", "Upgrade", "13" },
                { shake.headers.upgrade, shake.headers.connection, shake.headers["sec-websocket-version"] })
    assert.is_nil(shake.headers["sec-websocket-extensions"])
    logged("msg=\"tunnel up\"")
    assert.is_nil(d:log():find(plane.token, 1, true))
  end)

  it("takes the path and the query as they are", function()
    d:configure { tunnel = { url = plane.url .. "/?host=a%20b" } }
    d:start()
    assert.equal("/api/v1/agent-tunnel/?host=a%20b", plane:connected().handshakes[1].path)
  end)

  local strangers = {
    { "unknown", "unable to get local issuer certificate" }, { "expired", "certificate has expired" },
    { "other_host", "no alternative certificate subject name" },
  }
  for _, case in ipairs(strangers) do
    it("tells a server nothing whose certificate is " .. case[1], function()
      plane:ask { certificate = case[1] }
      d:start()
      nobody_was_told(2)
      logged(case[2])
      logged "again_in_seconds="
      plane:ask { certificate = "good" }
      plane:connected()
    end)
  end

  it("trusts tunnel.ca_file, and without it the system's store", function()
    d:configure { tunnel = { ca_file = plane.dir .. "/other-ca.pem" } }
    d:start()
    nobody_was_told(1)
    d:stop()
    d.config.tunnel.ca_file = nil
    d:configure()
    d:start()
    nobody_was_told(2)
  end)

  it("shows a client's certificate, where it has one", function()
    plane:ask { client_ca = true }
    d:start()
    nobody_was_told(1)
    d:stop()
    d:configure { tunnel = { client_cert = plane.dir .. "/client.pem", client_key = plane.dir .. "/client.key" } }
    d:start()
    plane:connected()
  end)

  local refusals = {
    { 401, "the control plane does not know tunnel.token (401)" },
    { 403, "the control plane does not let tunnel.token in (403)" },
    { 404, "there is no tunnel at the path of tunnel.url (404)" },
    { 302, "answers the handshake with 302, and redirects are not followed", "location: https://example.com/\r\n" },
    { 503, "answers the handshake with 503" },
  }
  for _, case in ipairs(refusals) do
    it("says so when it is answered " .. case[1] .. ", and comes back", function()
      plane:ask { faults = { refuse = { status = case[1], headers = case[3], times = 2 } } }
      d:start()
      logged(case[2])
      local state = plane:connected()
      assert.equal(3, #state.handshakes)
    end)
  end

  local SWITCHED = "HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
  local answers = {
    { "another key's answer", SWITCHED .. "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
      "Sec-WebSocket-Accept is not that of our key" },
    { "an extension", SWITCHED .. "{accept}\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
      "extensions or a sub-protocol" },
    { "no HTTP", "\0\1\2 nothing of the kind\r\n\r\n", "does not answer in HTTP/1.1" },
    { "another protocol", (SWITCHED:gsub("websocket", "h2c")) .. "{accept}\r\n\r\n",
      "something else than WebSocket" },
    { "a folded header", "HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\n x\r\n\r\n", "a bad header" },
    { "a head without end", "HTTP/1.1 101 Yes\r\n" .. ("X: y\r\n"):rep(2000), "longer than 8192 bytes" },
  }
  for _, case in ipairs(answers) do
    it("does not take " .. case[1] .. " for a handshake", function()
      plane:ask { faults = { answer = { text = case[2] } } }
      d:start()
      logged(case[3])
      plane:connected(2) -- the control plane believed in the first
    end)
  end

  it("takes what is glued to the handshake", function()
    plane:ask { faults = { answer = { text = "HTTP/1.1 101 Yes\r\nupgrade: WebSocket\r\nconnection: keep-alive, upgrade"
      .. "\r\nsec-websocket-accept: {accept}\r\n\r\n", more = "8903616263" } } }
    d:start()
    plane:until_state("the ping is answered", function(state) return state.pongs == 1 end)
  end)

  it("goes through an HTTP proxy with a password, and speaks TLS to the server through it", function()
    local proxy = "http://user:%s@127.0.0.1:" .. plane.proxy_port
    d:configure { tunnel = { proxy = proxy:format "pass-word" } }
    d:start()
    local state = plane:connected()
    assert.same({ "CONNECT 127.0.0.1:" .. plane.port .. " HTTP/1.1" }, { state.proxied[#state.proxied] })
    assert.is_nil(d:log():find("pass-word", 1, true))
    d:stop()
    d:configure { tunnel = { proxy = proxy:format "wrong-word" } }
    d:start()
    logged "407"
    assert.equal(1, plane:state().stood)
  end)

  it("asks no proxy of the environment's about this machine when it is not encrypted", function()
    local open = control_plane.start { plain = true }
    d:configure { tunnel = { url = open.url } }
    d.config.tunnel.ca_file = nil
    d:configure()
    d.env.http_proxy = "http://user:pass-word@127.0.0.1:" .. plane.proxy_port
    d:start()
    open:connected()
    assert.same({}, plane:state().proxied)
    open:stop()
  end)

  it("stays off in safe mode, without the gate, and without a word about it", function()
    d:configure { features = { wss_tunnel = false } }
    d:start()
    wait.pause(0.5)
    assert.equal(0, plane:state().accepted)
    assert.equal(0, (d:verb "reload"))
    d:configure { features = { wss_tunnel = true }, executor = { safe_mode = true } }
    assert.equal(0, (d:verb "reload"))
    wait.pause(0.5)
    assert.equal(0, plane:state().accepted)
    d:configure { executor = { safe_mode = false } }
    assert.equal(0, (d:verb "reload"))
    plane:connected()
    d:configure { features = { wss_tunnel = false } }
    assert.equal(0, (d:verb "reload"))
    local state = plane:until_state("it goes", function(state) return #state.open == 0 and state end)
    assert.equal(1001, state.closes[1].code)
    assert.equal(1, state.stood)
  end)

  it("follows a reload: another token is shown at once, what is not its own changes nothing", function()
    d:start()
    plane:connected()
    d:configure { executor = { max_concurrent = 1 } }
    assert.equal(0, (d:verb "reload"))
    plane:ask { token = "another-token-of-this-host" }
    d:configure { tunnel = { token = "another-token-of-this-host" } }
    assert.equal(0, (d:verb "reload"))
    local state = plane:connected(2)
    assert.equal(2, #state.handshakes)
    assert.equal(1001, state.closes[1].code)
  end)

  it("says goodbye when the daemon stops", function()
    d:start()
    plane:connected()
    assert.equal(0, d:stop())
    d.child = nil
    local state = plane:state()
    assert.same({ {}, 1, 1001 }, { state.open, #state.closes, state.closes[1].code })
  end)

  it("stops at once while nobody answers the handshake", function()
    plane:ask { faults = { stall = true } }
    d:start()
    plane:until_state("it tries", function(state) return state.accepted == 1 end)
    local from = wait.now()
    assert.equal(0, d:stop())
    d.child = nil
    assert.is_true(wait.now() - from < 5)
  end)

  it("comes back after an outage: one connection, waiting longer each time", function()
    plane:ask { faults = { refuse = { status = 503, times = 0 } } }
    d:start()
    wait.pause(4)
    -- 0.2, 0.4, 0.8 and 1.6 seconds make 3; with a fifth of jitter the sixth try may be within 4
    local tries = #plane:state().handshakes
    assert.is_true(tries >= 4 and tries <= 6, tries)
    plane:ask { faults = { refuse = false } }
    local state = plane:connected()
    assert.equal(1, state.stood)
  end)
end)
