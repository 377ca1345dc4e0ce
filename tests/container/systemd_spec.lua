-- The installed service under a real systemd: a Debian of its own, booted by systemd-nspawn beside the stand-in OpenPR.

package.path = "tests/container/?.lua;" .. package.path
local base = require "support.base"
local daemon = require "support.daemon"
local event = require "support.event"
local http = require "support.http"
local openpr = require "support.openpr"
local process = require "support.process"
local uv = require "luv"
local wait = require "support.wait"

-- Answers as claude does, after saying what it may do: its user, and where it could write.
local agent = [[
#!/bin/sh
cat >/dev/null
(setsid sleep 1000 >/dev/null 2>&1 &)
{
	id -un
	for folder in /etc /usr/local /home /root /opt /opt/repos /var/lib/openpr-webhook /tmp; do
		if touch "$folder/written" 2>/dev/null; then echo "$folder"; fi
	done
	grep -E '^(NoNewPrivs|CapBnd)' /proc/self/status
} >/opt/repos/allowed.txt
sleep "$(cat /opt/agent/seconds)"
cat /opt/agent/answer.jsonl
]]

local function lines(text)
  local list = {}
  for line in text:gmatch "[^\n]+" do list[#list + 1] = line end
  return list
end

describe("the service under systemd", function()
  local why = base.lacking "systemd-nspawn"
  if why then
    it("starts, reloads and stops", function() return pending(why .. " here") end)
    return
  end

  local dir, root, o, port, machine, first

  local function put(path, text, mode) daemon.write(root .. path, text, mode or 420) end

  local function install()
    base.run(120, "tar", "-C", root, "-xf", base.make())
    base.run(10, "cp", "/etc/resolv.conf", root .. "/etc/resolv.conf")
    local libraries = base.slurp "docker/Dockerfile":match "(libcurl4.-lua%-cjson)"
    if daemon.sanitized then libraries = libraries .. " libasan8 libubsan1" end
    local apt = "apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "
      .. "systemd systemd-sysv procps git " .. libraries
    base.run(600, "systemd-nspawn", "-q", "--register=no", "--keep-unit", "--console=pipe", "-D", root, "sh", "-c", apt)
    base.run(60, "env", "DESTDIR=" .. root, "cmake", "--install", base.build, "--prefix", "/usr/local")
  end

  local function configure()
    local config = base.slurp(root .. "/etc/openpr-webhook/config.lua")
    for from, to in pairs { ["0%.0%.0%.0:8091"] = "127.0.0.1:" .. port, ["http://127%.0%.0%.1:8081"] = o.url,
                            ["cli_executor = false"] = "cli_executor = true" } do
      local n
      config, n = config:gsub(from, to)
      assert(n == 1, from)
    end
    put("/etc/openpr-webhook/config.lua", config)
    put("/etc/openpr-webhook/webhook-secret", daemon.secret .. "\n", 384)
    put("/etc/openpr-webhook/bot-token", o.token .. "\n", 384)
    for _, folder in ipairs { "/opt/repos", "/opt/agent" } do assert(uv.fs_mkdir(root .. folder, 493)) end
    put("/opt/agent/seconds", "0")
    put("/opt/agent/answer.jsonl", base.slurp "tests/fixtures/streams/claude-ok.jsonl")
    put("/usr/local/bin/claude", agent, 493)
    base.run(10, "mkdir", "-p", root .. "/etc/systemd/system/openpr-webhook.service.d")
    put("/etc/systemd/system/openpr-webhook.service.d/test.conf",
        "[Service]\nEnvironment=ASAN_OPTIONS=detect_leaks=0\nWatchdogSec=20\n")
  end

  -- Runs a command in the machine: exit code and what it says.
  local function inside(...)
    local code, out, err = process.run({ "nsenter", "--all", "--target", first, ... }, base.env, "/", 120)
    return code, out .. err
  end
  local function systemctl(...)
    local code, said = inside("systemctl", ...)
    assert(code == 0, said)
    return said
  end
  local function property(name) return (systemctl("show", "--value", "-p", name, "openpr-webhook"):gsub("\n$", "")) end
  local function log() return select(2, inside("journalctl", "--no-pager", "-n", "60", "-u", "openpr-webhook")) end

  local function boot()
    machine = process.spawn({ "/usr/bin/systemd-nspawn", "-q", "--register=no", "--keep-unit", "--console=pipe", "-b",
                              "-D", root }, base.env, dir .. "/console", "/")
    wait.eventually(function() return "it boots\n" .. base.slurp(dir .. "/console") end, function()
      assert(not machine:ended(), base.slurp(dir .. "/console"))
      first = base.slurp(("/proc/%d/task/%d/children"):format(machine.pid, machine.pid)):match "%d+"
      return first and inside("systemctl", "is-active", "--quiet", "multi-user.target") == 0
    end, 120)
  end

  setup(function()
    dir = assert(uv.fs_mkdtemp "/tmp/opw-systemd-XXXXXX")
    root = dir .. "/root"
    assert(uv.fs_mkdir(root, 493))
    o, port = openpr.start(), base.free_port()
    install()
    configure()
    boot()
    assert.equal(0, (inside("systemd-sysusers")))
    assert.equal(0, (inside("chown", "openpr-webhook:", "/opt/repos")))
  end)
  teardown(function()
    if first then inside("systemctl", "--force", "--force", "poweroff") end
    if machine then
      if not pcall(machine.wait, machine, 30) then machine:kill "sigkill" end
      machine:wait(30)
    end
    o:stop()
    base.run(120, "rm", "-rf", dir)
  end)

  local function ready()
    local answered, response = pcall(http.request, port, "GET", "/ready")
    return answered and response and response.status == 200
  end

  local function post()
    local issue = o:knows(event.issue {})
    local answer = daemon.post({ port = port }, (issue:assigned())).json
    assert.equal("dispatched", answer.status)
    return answer.run_id, issue
  end
  local function run_of(id)
    local code, text = inside("openpr-webhook", "--config", "/etc/openpr-webhook/config.lua", "show", "--json", id)
    return code == 0 and event.json.decode(text) or {}
  end
  local function newest()
    local _, text = inside("openpr-webhook", "--config", "/etc/openpr-webhook/config.lua", "runs", "--json")
    return event.json.decode(text)[1]
  end
  local function reported(issue)
    wait.eventually(function() return "it is reported\n" .. log() end,
                    function() return #o:issue(issue.id).comments == 1 and o:issue(issue.id).state == "done" end, 90)
  end

  it("is ready when it serves, with secrets that only its user can read", function()
    systemctl("enable", "--now", "openpr-webhook")
    assert.is_true(ready()) -- at once: the start has waited for it
    assert.matches("^listening on ", property "StatusText")
    local _, modes = inside("sh", "-c", "cd /run/credentials/openpr-webhook.service && stat -c '%n %a %U' . *")
    assert.equal(". 500 openpr-webhook\nbot-token 400 openpr-webhook\nwebhook-secret 400 openpr-webhook\n", modes)
    assert.equal("yes", property "Delegate")
  end)

  it("does the main job, as its user, where the unit lets it write, and leaves nothing behind", function()
    local id, issue = post()
    reported(issue)
    assert.equal("success", run_of(id).outcome)
    assert.same({ "openpr-webhook", "/opt/repos", "/var/lib/openpr-webhook", "/tmp", "CapBnd:\t0000000000000000",
                  "NoNewPrivs:\t1" }, lines(base.slurp(root .. "/opt/repos/allowed.txt")))
    wait.eventually("no process is left", function() return inside("pgrep", "sleep") == 1 end, 30)
  end)

  it("reloads, and fails a reload with a mistake without a change", function()
    systemctl("reload", "openpr-webhook")
    assert.equal("reloaded", property "StatusText")
    local good = base.slurp(root .. "/etc/openpr-webhook/config.lua")
    put("/etc/openpr-webhook/config.lua", (good:gsub("timeout_secs = %d+", "timeout_secs = 'soon'")))
    assert.not_equal(0, (inside("systemctl", "reload", "openpr-webhook")))
    assert.equal("active", property "ActiveState")
    assert.matches("executor%.timeout_secs", log())
    assert.is_true(ready())
    put("/etc/openpr-webhook/config.lua", good)
    systemctl("reload", "openpr-webhook")
  end)

  it("is started anew after a kill -9, and runs again what was cut off", function()
    put("/opt/agent/seconds", "5")
    local id, issue = post()
    wait.eventually("it runs", function() return run_of(id).state == "running" end, 30)
    local restarts = tonumber(property "NRestarts")
    assert.equal(0, (inside("kill", "-KILL", property "MainPID")))
    wait.eventually(function() return log() end,
                    function() return tonumber(property "NRestarts") > restarts and ready() end, 60)
    reported(issue)
    assert.same({ "success", 2 }, { newest().outcome, newest().attempt })
  end)

  it("lets a run finish when it is stopped", function()
    put("/opt/agent/seconds", "3")
    local id, issue = post()
    wait.eventually("it runs", function() return run_of(id).state == "running" end, 30)
    systemctl("stop", "openpr-webhook")
    assert.same({ "success", "0" }, { property "Result", property "ExecMainStatus" })
    assert.is_nil(uv.fs_stat(root .. "/run/credentials/openpr-webhook.service/bot-token"))
    systemctl("start", "openpr-webhook")
    put("/opt/agent/seconds", "0")
    reported(issue)
    assert.same({ "success", 1 }, { run_of(id).outcome, run_of(id).attempt })
  end)

  it("is ended and started anew when it hangs", function()
    local restarts, pid = tonumber(property "NRestarts"), property "MainPID"
    assert.equal(0, (inside("kill", "-STOP", pid)))
    wait.eventually(function() return log() end,
                    function() return tonumber(property "NRestarts") > restarts and ready() end, 90)
    assert.matches("Watchdog timeout", log())
  end)
end)
