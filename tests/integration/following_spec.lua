-- logs, and what the admin listener sends as it happens: /api/stream and /api/runs/RUN/log.

local cjson = require "cjson"
local daemon = require "support.daemon"
local event = require "support.event"
local http = require "support.http"
local openpr = require "support.openpr"
local process = require "support.process"
local wait = require "support.wait"

-- Reads chunks of an open answer; each call of the result gives the next event, or nil at the end.
local function events_of(connection)
  local function header()
    local lines = {}
    repeat
      local line = assert(connection:receive "*l")
      lines[#lines + 1] = line
    until line == ""
    return lines
  end
  local head, text, over = header(), "", false
  assert(head[1]:match "^HTTP/1.1 200", head[1])
  assert(table.concat(head, "\n"):lower():match "content%-type: text/event%-stream")
  return function()
    while true do
      local block, rest = text:match "^(.-)\n\n(.*)$"
      if block then
        text = rest
        local found = { id = block:match "id: ([^\n]+)", kind = block:match "event: ([^\n]+)" }
        found.data = block:match "data: ([^\n]+)"
        found.json = found.data and cjson.decode(found.data)
        if found.kind then return found end
      elseif over then
        return nil
      else
        local size = tonumber(connection:receive "*l" or "0", 16)
        text = text .. (size > 0 and assert(connection:receive(size)) or "")
        connection:receive "*l"
        over = size == 0
      end
    end
  end
end

describe("following", function()
  local d, o

  before_each(function() o = openpr.start() end)
  after_each(function()
    d:close()
    o:stop()
  end)

  local function assign(directives)
    return d:post((o:knows(event.issue { description = directives }):assigned())).json.run_id
  end
  local function state(id) return d:json("show", "--json", id).state end
  local function running(id) wait.eventually("it runs", function() return state(id) == "running" end) end

  describe("logs", function()
    it("prints what the agent printed, as text and as JSON", function()
      d = daemon.prepare({}, o):start()
      local id = assign "STAND-IN: final All is well."
      d:ended(id)
      local code, out, why = d:verb("logs", id)
      assert.equal(0, code, why)
      local file = assert(io.open(d:json("show", "--json", id).log_path)):read "a"
      assert.equal(file, out)
      assert.matches("All is well%.", out)
      code, out = d:verb("logs", "--json", id)
      assert.equal(0, code)
      local text, last = {}, nil
      for line in out:gmatch "[^\n]+" do
        last = cjson.decode(line)
        text[#text + 1] = last.text
      end
      assert.equal(file, table.concat(text))
      assert.same({ event = "end", state = "ended", outcome = "success" }, last)
    end)

    it("-f goes on until the run has ended, from before its start", function()
      d = daemon.prepare({ executor = { max_concurrent = 1 } }, o):start()
      local first = assign "STAND-IN: sleep 2"
      local second = assign "STAND-IN: sleep 2\nSTAND-IN: final Second."
      local code, _, why = d:verb("logs", second)
      assert.equal(1, code)
      assert.matches("logs %-f", why)
      local out
      code, out = d:verb("logs", "-f", second)
      assert.equal(0, code)
      assert.matches("Second%.", out)
      assert.equal("ended", state(second))
      code, out = d:verb("logs", "--follow", "--json", first)
      assert.equal(0, code)
      assert.matches('"event": *"end"', out)
    end)

    it("hides secrets, also those that lie across two pieces", function()
      local secret = ("k"):rep(30) .. "SECRET" .. ("v"):rep(30)
      d = daemon.prepare({ agents = { default = { env = { API_KEY = secret } } } }, o):start()
      local id = assign ""
      d:ended(id)
      local path = d:json("show", "--json", id).log_path
      local filler = ("x"):rep(65536 - 33)
      daemon.write(path, filler .. secret .. "\n" .. filler:sub(1, 50000) .. secret)
      local code, out = d:verb("logs", id)
      assert.equal(0, code)
      assert.equal(filler .. "[secret]\n" .. filler:sub(1, 50000) .. "[secret]", out)
      local plain = http.request(d.dir .. "/admin.sock", "GET", "/api/runs/" .. id .. "/log")
      assert.is_nil(plain.body:find("SECRET", 1, true))
      assert.equal("text/plain; charset=utf-8", plain.headers["content-type"])
      d:stop()
      d.child = nil
      code, out = d:verb("logs", id)
      assert.equal(0, code)
      assert.equal(filler .. "[secret]\n" .. filler:sub(1, 50000) .. "[secret]", out)
    end)

    it("does not let it steer a terminal", function()
      d = daemon.prepare({}, o):start()
      local id = assign ""
      d:ended(id)
      daemon.write(d:json("show", "--json", id).log_path, "a\27[2Jb\194\155c\rd\te\nf\255g")
      local _, out = d:verb("logs", id) -- no terminal: as it is, but for what is no UTF-8
      assert.equal("a\27[2Jb\194\155c\rd\te\nf\u{fffd}g", out)
      local command = ("%s --config %s/config.lua logs %s"):format(daemon.program, d.dir, id)
      local code, seen = process.run({ "script", "-qec", command, "/dev/null" }, d.env, "/", 30)
      if code == 127 then return pending "no script(1) here" end
      assert.equal("a?[2Jb?c?d\te\nf\u{fffd}g\n", (seen:gsub("\r\n", "\n")))
    end)

    it("reads a large one in bounded memory, through the daemon too", function()
      d = daemon.prepare({}, o)
      d.env.ASAN_OPTIONS = d.env.ASAN_OPTIONS .. ":quarantine_size_mb=1" -- what was freed counts, too
      d:start()
      local id = assign ""
      d:ended(id)
      local file = assert(io.open(d:json("show", "--json", id).log_path, "w"))
      local line = ("0123456789abcdef"):rep(64) .. "\n"
      for _ = 1, 60 * 1024 do file:write(line) end
      file:close()
      local function rss()
        return tonumber(io.open("/proc/" .. d.child.pid .. "/status"):read("a"):match "VmHWM:%s+(%d+) kB")
      end
      local before = rss()
      local command = ("%s --config %s/config.lua logs %s | wc -c"):format(daemon.program, d.dir, id)
      local code, out = process.run({ "sh", "-c", command }, d.env, "/", 120)
      assert.equal(0, code)
      assert.equal(#line * 60 * 1024, tonumber(out))
      assert.is_true(rss() - before < 40 * 1024, ("%d kB more"):format(rss() - before))
    end)

    it("without a daemon reads the file, and does not wait for what cannot come", function()
      d = daemon.prepare({}, o):start()
      local ended = assign "STAND-IN: final Kept."
      d:ended(ended)
      local cut = assign "STAND-IN: sleep 60"
      running(cut)
      d:kill9()
      d.child, d.killed = nil, true
      local code, out, why = d:verb("logs", "-f", ended)
      assert.equal(0, code, why)
      assert.matches("Kept%.", out)
      code, out, why = d:verb("logs", "-f", cut)
      assert.is_string(out)
      assert.equal(1, code)
      assert.matches("no daemon runs", why)
    end)

    it("says what is wrong and what helps", function()
      d = daemon.prepare({}, o):start()
      local id = assign ""
      d:ended(id)
      os.remove(d:json("show", "--json", id).log_path)
      local code, _, why = d:verb("logs", id)
      assert.equal(1, code)
      assert.matches("not kept", why)
      code, _, why = d:verb("logs", "01900000-0000-7000-8000-000000000000")
      assert.equal(1, code)
      assert.matches("no run", why)
      code, _, why = d:verb("logs", "nonsense")
      assert.equal(2, code)
      assert.matches("openpr%-webhook runs", why)
      local admin = d.dir .. "/admin.sock"
      assert.equal(400, http.request(admin, "GET", "/api/runs/" .. id .. "/log?follow=2").status)
      assert.equal(400, http.request(admin, "GET", "/api/runs/x/log").status)
      assert.equal(405, http.request(admin, "POST", "/api/runs/" .. id .. "/log").status)
    end)
  end)

  describe("the API", function()
    it("tells what happens, and goes on where a client was", function()
      d = daemon.prepare({}, o):start()
      local admin = http.connect(d.dir .. "/admin.sock", 30)
      admin:send "GET /api/stream HTTP/1.1\r\nHost: localhost\r\n\r\n"
      local next_event = events_of(admin)
      local id = assign "STAND-IN: final Seen."
      local seen, ids = {}, {}
      repeat
        local one = assert(next_event())
        ids[#ids + 1] = one.id
        seen[#seen + 1] = one.kind .. " " .. (one.json.state or one.json.status or one.json.what)
        if one.kind ~= "event" then assert.equal(id, one.json.run_id) end
      until one.kind == "report" and one.json.what == "comment"
      admin:close()
      assert.equal("event dispatched", seen[1])
      local text = table.concat(seen, ", ")
      assert.matches("run waiting, .*run running, .*run ended, .*report comment", text)
      -- Behind the second fact comes the third; a number of another daemon means that something was missed.
      local again = http.connect(d.dir .. "/admin.sock", 30)
      again:send("GET /api/stream HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: " .. ids[2] .. "\r\n\r\n")
      assert.equal(ids[3], events_of(again)().id)
      again:close()
      for _, stale in ipairs { "deadbeef-3", "x", ids[1]:gsub("%d+$", "999999"), ids[1] .. "x" } do
        local late = http.connect(d.dir .. "/admin.sock", 30)
        late:send("GET /api/stream HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: " .. stale .. "\r\n\r\n")
        assert.equal("lost", events_of(late)().kind, stale)
        late:close()
      end
    end)

    it("sends a log as it grows, then the end", function()
      d = daemon.prepare({}, o):start()
      local id = assign "STAND-IN: sleep 2\nSTAND-IN: final Grown."
      local admin = http.connect(d.dir .. "/admin.sock", 30)
      admin:send("GET /api/runs/" .. id:upper() .. "/log?follow=1 HTTP/1.1\r\nHost: localhost\r\n\r\n")
      local next_event, text = events_of(admin), ""
      local one
      repeat
        one = assert(next_event())
        text = text .. (one.json.text or "")
      until one.kind == "end"
      assert.same({ state = "ended", outcome = "success" }, one.json)
      assert.matches("Grown%.", text)
      assert.is_nil(next_event())
      admin:close()
    end)

    it("has a bound on open streams, drops who does not read, and goes on for others", function()
      d = daemon.prepare({}, o):start()
      local admin, open = d.dir .. "/admin.sock", {}
      for n = 1, 16 do
        open[n] = http.connect(admin)
        open[n]:send "GET /api/stream HTTP/1.1\r\nHost: localhost\r\n\r\n"
        assert(open[n]:receive "*l")
      end
      local refused = http.request(admin, "GET", "/api/stream")
      assert.same({ 503, "5" }, { refused.status, refused.headers["retry-after"] })
      assert.equal(200, http.request(admin, "GET", "/api/runs").status)
      for n = 1, 16 do open[n]:close() end
      local id = assign ""
      d:ended(id)
      -- Who has gone is noticed at the next fact, at the latest.
      wait.eventually("there is room again", function()
        return http.request(admin, "GET", "/api/runs/" .. id .. "/log").status == 200
      end, 40)
      local file = assert(io.open(d:json("show", "--json", id).log_path, "w"))
      for _ = 1, 64 do file:write(("y"):rep(1 << 20)) end
      file:close()
      local lazy = http.connect(admin)
      lazy:send("GET /api/runs/" .. id .. "/log HTTP/1.1\r\nHost: localhost\r\n\r\n")
      assert(lazy:receive "*l")
      wait.pause(12) -- it had 10 s to take a piece
      local total = 0
      repeat
        local piece, why, rest = lazy:receive(65536)
        total = total + #(piece or rest or "")
        assert(piece or why == "closed", why)
      until not piece
      assert.is_true(total < 32 << 20)
      lazy:close()
    end)

    it("ends its streams when the daemon stops", function()
      d = daemon.prepare({}, o):start()
      local admin = http.connect(d.dir .. "/admin.sock", 30)
      admin:send "GET /api/stream HTTP/1.1\r\nHost: localhost\r\n\r\n"
      local next_event = events_of(admin)
      assert.equal(0, d:stop())
      d.child = nil
      assert.is_nil(next_event())
      admin:close()
    end)
  end)
end)
