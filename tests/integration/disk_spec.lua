-- A queue whose disk is full: nothing is acknowledged that is not kept, and all goes on when there is room again.

local daemon = require "support.daemon"
local event = require "support.event"
local http = require "support.http"
local metrics = require "support.metrics"
local openpr = require "support.openpr"
local process = require "support.process"
local uv = require "luv"
local wait = require "support.wait"

local tools = { PATH = "/usr/sbin:/usr/bin:/sbin:/bin" }

-- A small file system at a new folder, which only root may mount; nil elsewhere.
local function mount()
  local disk = assert(uv.fs_mkdtemp "/tmp/opw-disk-XXXXXX")
  local code = process.run({ "mount", "-t", "tmpfs", "-o", "size=6m,mode=0700", "tmpfs", disk }, tools)
  if code == 0 then return disk end
  uv.fs_rmdir(disk)
end

local function unmount(disk)
  process.run({ "umount", "-l", disk }, tools)
  uv.fs_rmdir(disk)
end

local probe = uv.getuid() == 0 and mount()
if not probe then -- tests/unit/store/writer_test.c fills a database, too
  pending "a full disk: only root may mount a small one"
  return
end
unmount(probe)

describe("a full disk", function()
  local d, o, disk

  before_each(function()
    disk = assert(mount())
    o = openpr.start()
    d = daemon.prepare({ queue = { path = disk .. "/queue.db" }, executor = { drain_secs = 2 } }, o):start()
  end)
  after_each(function()
    d:close()
    o:stop()
    unmount(disk)
  end)

  local function fill()
    local fd = assert(uv.fs_open(disk .. "/filler", "w", 384))
    for _, size in ipairs { 65536, 4096, 512 } do
      repeat
        local written = uv.fs_write(fd, ("x"):rep(size))
      until not written or written < size
    end
    uv.fs_close(fd)
  end

  local function empty() assert(uv.fs_unlink(disk .. "/filler")) end
  local function ready() return http.request(d.port, "GET", "/ready").status end

  -- An assignment that does not fit beside what is there.
  local function large()
    local issue = o:knows(event.issue { description = ("large "):rep(20000) })
    return issue, (issue:assigned())
  end

  it("is answered 503 with Retry-After, /ready says it, and it is over when there is room again", function()
    fill()
    local refused, body
    for _ = 1, 8 do -- SQLite may find room for the first ones in its log file
      local _, text = large()
      local response = d:post(text)
      if response.status == 503 then
        refused, body = response, text
        break
      end
      assert.equal(202, response.status)
    end
    assert(refused, "never refused")
    assert.is_truthy(refused.json.error)
    assert.is_truthy(tonumber(refused.headers["retry-after"]))
    assert.equal(503, ready())
    local why = http.request(d.dir .. "/admin.sock", "GET", "/api/ready")
    assert.same({ 503, "disk_full", true }, { why.status, why.json.reasons[1].reason, why.json.reasons[1].turns })
    assert.equal("ok", http.request(d.port, "GET", "/health").body)
    empty()
    wait.eventually(function() return "it is ready again\n" .. d:log() end, function() return ready() == 200 end)
    local answer = d:post(body)
    assert.same({ 202, "dispatched" }, { answer.status, answer.json.status }) -- nothing of the first try was kept
    assert.equal("success", d:ended(answer.json.run_id).outcome)
    assert.is_true(metrics.balanced(d).value("openpr_webhook_events_total", { status = "unavailable" }) >= 1)
    local log = d:log()
    assert.is_truthy(log:find("msg=trouble reason=disk_full", 1, true))
    assert.is_truthy(log:find('msg="trouble is over" reason=disk_full', 1, true))
  end)

  it("keeps the outcome of a run that ends meanwhile, and reports it later, once", function()
    local issue = o:knows(event.issue { description = "STAND-IN: sleep 2\nSTAND-IN: final Kept in mind." })
    local id = d:post((issue:assigned())).json.run_id
    wait.eventually("it runs", function() return d:json("show", "--json", id).state == "running" end)
    wait.eventually("in_progress is set", function() return o:issue(issue.id).state == "in_progress" end)
    fill()
    wait.eventually(function() return "the end cannot be stored\n" .. d:log() end, function()
      return d:log():find('msg="not stored" run=' .. id, 1, true)
    end)
    assert.equal(0, #o:issue(issue.id).comments)
    empty()
    local run = d:ended(id)
    assert.same({ "success", "delivered", 1 }, { run.outcome, run.report, run.attempt })
    assert.equal(1, #o:issue(issue.id).comments)
    assert.matches("Kept in mind%.", o:issue(issue.id).comments[1].body)
  end)

  it("does not keep the daemon from stopping", function()
    local issue = o:knows(event.issue { description = "STAND-IN: sleep 1" })
    local id = d:post((issue:assigned())).json.run_id
    wait.eventually("it runs", function() return d:json("show", "--json", id).state == "running" end)
    fill()
    wait.eventually(function() return "the end cannot be stored\n" .. d:log() end, function()
      return d:log():find('msg="not stored" run=' .. id, 1, true)
    end)
    d.child:kill "sigterm"
    assert.equal(0, (d.child:wait(40)))
    empty()
    d:start()
    wait.eventually(function() return "it is reported\n" .. d:log() end,
                    function() return #o:issue(issue.id).comments == 1 end, 30)
  end)
end)
