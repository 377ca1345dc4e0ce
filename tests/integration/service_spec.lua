-- The systemd unit: what systemd says of it, and that it fits the program, its configuration and the documents.

local daemon = require "support.daemon"
local process = require "support.process"
local uv = require "luv"

local env = { PATH = os.getenv "PATH", HOME = "/", LANG = "C.UTF-8" }
local build = uv.fs_realpath(os.getenv "OPW_BUILD" or "build/dev")

local function slurp(path)
  local file = assert(io.open(path))
  local text = file:read "a"
  file:close()
  return text
end

local unit = slurp "docker/openpr-webhook.service"
local function setting(name) return (assert(unit:match("\n" .. name .. "=([^\n]*)"), name)) end

describe("openpr-webhook.service", function()
  local d
  before_each(function() d = daemon.prepare() end)
  after_each(function() d:close() end)

  -- The unit as it is installed, with the program that it starts beside it.
  local function installed()
    local code, out, err = process.run({ "cmake", "--install", build, "--prefix", d.dir .. "/prefix" }, env, "/", 60)
    assert.equal(0, code, out .. err)
    return d.dir .. "/prefix/lib/systemd/system/openpr-webhook.service"
  end

  local function analyze(...)
    if process.run({ "sh", "-c", "command -v systemd-analyze" }, env, "/", 10) ~= 0 then return end
    local code, out, err = process.run({ "systemd-analyze", "--no-pager", ... }, env, "/", 60)
    return { code = code, out = out, err = err }
  end

  it("is one that systemd accepts without a word", function()
    local said = analyze("verify", "--man=no", installed())
    if not said then return pending "no systemd-analyze here" end
    assert.same({ code = 0, out = "", err = "" }, said)
  end)

  it("is exposed as docs/service.md says, and no more", function()
    local said = analyze("security", "--offline=true", installed())
    if not said then return pending "no systemd-analyze here" end
    local level = assert(said.out:match "Overall exposure level for [^:]+: ([%d.]+)", said.out .. said.err)
    assert.equal(slurp("docs/service.md"):match "exposure level is %*%*([%d.]+)%*%*", level)
  end)

  it("is started with the host, once enabled", function()
    assert.matches("\n%[Install%]\nWantedBy=multi%-user.target\n", unit)
  end)

  it("gives runs the time that its configuration gives them", function()
    local drain = slurp("docker/config.lua"):match "drain_secs = (%d+)"
    assert.equal(tonumber(drain) + 15, tonumber(setting "TimeoutStopSec"))
    drain = slurp("docker/container.lua"):match "drain_secs = (%d+)"
    assert.equal(tonumber(drain) + 15, tonumber(slurp("docker/compose.yaml"):match "stop_grace_period: (%d+)s"))
  end)

  it("says why each option is off that would break agents", function()
    local off = unit:match "what must stay off.*"
    for _, name in ipairs { "MemoryDenyWriteExecute", "ProtectKernelTunables", "ProtectKernelLogs", "ProtectProc",
                            "ProcSubset", "ProtectControlGroups", "PrivateUsers", "PrivateNetwork", "DynamicUser" } do
      assert.is_nil(unit:match("\n" .. name .. "="), name)
      assert.is_truthy(off:match("\n# [^\n]*%f[%w]" .. name), name)
    end
  end)

  -- With the paths of the host moved into a folder of ours; nothing else of it is changed.
  it("starts, with its configuration and credentials, a daemon that its verbs reach", function()
    local config = slurp "docker/config.lua"
    local function move(from, to)
      local moved, n = config:gsub(from:gsub("%p", "%%%0"), (to:gsub("%%", "%%%%")))
      assert.is_true(n > 0, from)
      config = moved
    end
    move("/run/credentials/openpr-webhook.service", d.dir .. "/credentials")
    move("/var/lib/openpr-webhook", d.dir)
    move("/run/openpr-webhook", d.dir)
    move("/opt/repos", d.dir .. "/repo")
    move("0.0.0.0:8091", "127.0.0.1:0")
    daemon.write(d.dir .. "/config.lua", config)
    assert(uv.fs_mkdir(d.dir .. "/credentials", 448))
    for name in unit:gmatch "\nLoadCredential=([%w-]+):" do
      daemon.write(d.dir .. "/credentials/" .. name, name .. "\n", 256)
    end
    d:start()
    assert.equal(0, (d:verb "reload"))
    assert.same({}, d:json("runs", "--json"))
    assert.equal(0, d:stop())
    d.child = nil
  end)
end)
