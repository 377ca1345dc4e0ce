-- Policy workers that are busy, an OpenPR that is silent, and many events: what is kept, and what it costs.

local daemon = require "support.daemon"
local event = require "support.event"
local http = require "support.http"
local openpr = require "support.openpr"
local process = require "support.process"
local sign = require "support.sign"
local uv = require "luv"
local wait = require "support.wait"

local function send(d, body)
  local connection = http.connect(d.port, 60)
  connection:send(http.text("POST", "/webhook", { ["x-webhook-signature"] = sign.hmac(daemon.secret, body) }, body))
  return connection
end

describe("busy policy workers", function()
  it("cost no event: it is stored undecided, answered held, and decided as soon as one is free", function()
    local d = daemon.prepare { executor = { max_concurrent = 4 } }
    assert(uv.fs_mkdir(d.dir .. "/policies", 448))
    -- Slow, and within its limit.
    daemon.write(d.dir .. "/policies/filter.lua", [[
      return function(event)
        local n = 0
        for i = 1, 3e7 do n = n + i % 7 end
        return accept
      end
    ]])
    d:configure { policies = { dir = d.dir .. "/policies", time_limit = daemon.source "10 * seconds" } }
    d:start()
    local open, bodies, total = {}, {}, 24
    for n = 1, total do
      bodies[n] = event.issue():assigned()
      open[n] = send(d, bodies[n])
    end
    local seen = { held = 0, dispatched = 0 }
    local asked = wait.now()
    for n = 1, total do
      local response = assert(http.read(open[n]))
      open[n]:close()
      assert.equal(202, response.status, response.body)
      seen[response.json.status] = seen[response.json.status] + 1
    end
    assert.is_true(wait.now() - asked < 10) -- OpenPR's patience
    assert.is_true(seen.held > 0, event.json.encode(seen))
    wait.eventually(function() return "all have run\n" .. d:log() end, function()
      local count = 0
      for _, run in ipairs(d:json("runs", "--json", "--limit", "100")) do
        if run.outcome == "success" then count = count + 1 end
      end
      return count == total
    end, 90)
    assert.same({}, d:json("events", "--json", "--status", "held"))
    for n = 1, total, 5 do assert.equal("duplicate", d:post(bodies[n]).json.status) end
    d:close()
  end)
end)

describe("a silent OpenPR", function()
  it("costs an AI task less than the time after which OpenPR gives up", function()
    local o = openpr.start()
    o:fails { hang = true, times = 0, path = "^/api" }
    local d = daemon.prepare({}, o):start()
    local issue = event.issue()
    local open = {}
    for n = 1, 3 do open[n] = send(d, (issue:task { id = event.id() })) end
    local asked = wait.now()
    for n = 1, 3 do
      local response = assert(http.read(open[n]))
      open[n]:close()
      assert.equal(503, response.status)
      assert.is_truthy(response.headers["retry-after"])
    end
    assert.is_true(wait.now() - asked < 10)
    -- Events are not kept waiting for it.
    asked = wait.now()
    assert.equal("dispatched", d:post((event.issue():assigned())).json.status)
    assert.is_true(wait.now() - asked < 3)
    d:close()
    o:stop()
  end)
end)

describe("many events", function()
  local d

  before_each(function() d = daemon.prepare():start() end)
  after_each(function() d:close() end)

  local function read(name)
    local file = assert(io.open("/proc/" .. d.child.pid .. "/" .. name))
    local text = file:read "a"
    file:close()
    return text
  end
  local function status(field) return tonumber(read("status"):match(field .. ":%s*(%d+)")) end

  local function descriptors()
    local count = 0
    for _ in uv.fs_scandir_next, assert(uv.fs_scandir("/proc/" .. d.child.pid .. "/fd")) do count = count + 1 end
    return count
  end

  -- Over connections that are kept: the point is the events.
  local function post_many(count, make)
    local lanes = {}
    for n = 1, 8 do lanes[n] = http.connect(d.port, 60) end
    local function text(body)
      return ("POST /webhook HTTP/1.1\r\nhost: x\r\nx-webhook-signature: %s\r\ncontent-length: %d\r\n\r\n%s"):format(
        sign.hmac(daemon.secret, body), #body, body)
    end
    for _ = 1, count // #lanes do
      for _, lane in ipairs(lanes) do lane:send(text(make())) end
      for _, lane in ipairs(lanes) do
        local response = assert(http.read(lane))
        assert.is_true(response.status == 200 or response.status == 202, response.status)
      end
    end
    for _, lane in ipairs(lanes) do lane:close() end
  end

  it("leave no descriptor, no thread, no zombie and no memory behind", function()
    if not process.sees_all then return pending "descriptors are seen by root alone" end
    local issue = event.issue()
    local function ignored() return (issue:edited { people = true }) end
    post_many(400, ignored)
    wait.pause(1)
    local fds, threads, memory = descriptors(), status "Threads", status "VmRSS"
    post_many(2000, ignored)
    wait.eventually("descriptors are closed", function() return descriptors() <= fds end)
    assert.equal(threads, status "Threads")
    if not daemon.sanitized then
      assert.is_true(status "VmRSS" - memory < 8 * 1024, ("%d -> %d KiB"):format(memory, status "VmRSS"))
    end
    for child in read("task/" .. d.child.pid .. "/children"):gmatch "%d+" do
      assert.is_nil(io.open("/proc/" .. child .. "/stat"):read("a"):match "%) Z", "zombie " .. child)
    end
  end)

  it("that are runs leave none either", function()
    if not process.sees_all then return pending "descriptors are seen by root alone" end
    local function all_ended(count)
      wait.eventually(function() return count .. " have ended\n" .. d:log() end, function()
        return d:json("events", "--json") and select(2, d:log():gsub("msg=ended", "")) >= count
      end, 60)
    end
    d:post((event.issue():assigned()))
    all_ended(1)
    wait.pause(0.5)
    local fds, threads = descriptors(), status "Threads"
    for _ = 1, 16 do d:post((event.issue { description = "STAND-IN: double-fork" }:assigned())) end
    all_ended(17)
    -- Four policy workers and four connections to OpenPR may have come to stay; a leak would be one for each run.
    wait.eventually(function() return ("%d descriptors, not %d"):format(descriptors(), fds) end,
                    function() return descriptors() <= fds + 8 end)
    assert.equal(threads, status "Threads")
    for child in read("task/" .. d.child.pid .. "/children"):gmatch "%d+" do
      assert.is_nil(io.open("/proc/" .. child .. "/stat"):read("a"):match "%) Z", "zombie " .. child)
    end
  end)
end)
