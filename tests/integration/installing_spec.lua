-- cmake --install into a prefix of its own: the program runs from anywhere, with the policies that were installed.

local daemon = require "support.daemon"
local process = require "support.process"
local uv = require "luv"

local env = { PATH = os.getenv "PATH", HOME = os.getenv "HOME" or "/" }
local build = uv.fs_realpath(os.getenv "OPW_BUILD" or "build/dev")

describe("installing", function()
  local d
  before_each(function() d = daemon.prepare() end)
  after_each(function() d:close() end)

  it("gives a program that finds its own policies and templates", function()
    local prefix = d.dir .. "/prefix"
    local code, out, err = process.run({ "cmake", "--install", build, "--prefix", prefix }, env, "/", 60)
    assert.equal(0, code, out .. err)
    local program = prefix .. "/bin/openpr-webhook"
    code, out, err = process.run({ program, "--config", d.dir .. "/config.lua", "check" }, d.env, "/", 30)
    assert.equal(0, code, out .. err)
    assert.is_truthy(out:find(prefix .. "/share/openpr-webhook/policies/filter.lua", 1, true), out)
    assert.is_truthy(uv.fs_stat(prefix .. "/share/openpr-webhook/templates/default.txt"))
    assert.is_truthy(uv.fs_stat(prefix .. "/share/openpr-webhook/config.lua"))
  end)

  it("brings recipes with specs that pass, and what specs need", function()
    local prefix = d.dir .. "/prefix"
    local code, out, err = process.run({ "cmake", "--install", build, "--prefix", prefix }, env, "/", 60)
    assert.equal(0, code, out .. err)
    d:configure { policies = { time_limit = daemon.sanitized and 2 or 0.2 } }
    d.env.PATH = env.PATH
    code, out, err = process.run({ prefix .. "/bin/openpr-webhook", "--config", d.dir .. "/config.lua", "test",
                                   prefix .. "/share/openpr-webhook/policies/examples/spec" }, d.env, "/", 120)
    assert.equal(0, code, out .. err)
    assert.matches("share/openpr%-webhook/policies/examples/by%-label/route.lua +%d+ +%d+  100.0 %%", out)
  end)

  it("honours DESTDIR", function()
    local code, out, err = process.run({ "cmake", "--install", build, "--prefix", "/usr" },
                                       { PATH = env.PATH, HOME = env.HOME, DESTDIR = d.dir .. "/stage" }, "/", 60)
    assert.equal(0, code, out .. err)
    local program = d.dir .. "/stage/usr/bin/openpr-webhook"
    code, out, err = process.run({ program, "--config", d.dir .. "/config.lua", "check" }, d.env, "/", 30)
    assert.equal(0, code, out .. err)
  end)

  local function slurp(path)
    local file = assert(io.open(path))
    local text = file:read "a"
    file:close()
    return text
  end

  -- Every file below the stage, without it.
  local function listed(stage)
    local code, out, err = process.run({ "find", stage, "-type", "f" }, env, "/", 30)
    assert.equal(0, code, err)
    local files = {}
    for path in out:gmatch "[^\n]+" do files[#files + 1] = path:sub(#stage + 1) end
    return files
  end

  local function install(stage, prefix)
    local code, out, err = process.run({ "cmake", "--install", build, "--prefix", prefix },
                                       { PATH = env.PATH, HOME = env.HOME, DESTDIR = stage }, "/", 60)
    assert.equal(0, code, out .. err)
    return out
  end

  it("puts each file where docs/service.md says, and nothing else", function()
    local stage, documented = d.dir .. "/stage", {}
    install(stage, "/usr/local")
    for path in slurp("docs/service.md"):gmatch "\n| `([^`]+)` |" do
      documented[path:match "^/" and path or "/usr/local/" .. path] = true
    end
    for _, path in ipairs(listed(stage)) do
      local known = documented[path] and path or path:match "^/usr/local/share/openpr%-webhook/" -- a folder
      assert.is_truthy(known and documented[known], path)
      if known == path then documented[path] = nil end
    end
    documented["/usr/local/share/openpr-webhook/"] = nil
    for _, path in ipairs { "policies/filter.lua", "policies/examples", "templates/default.txt", "lua/meta/openpr.lua",
                            "lua/luacheck", "config.lua" } do
      assert.is_truthy(uv.fs_stat(stage .. "/usr/local/share/openpr-webhook/" .. path), path)
    end
    assert.same({}, documented)
    local unit = slurp(stage .. "/usr/local/lib/systemd/system/openpr-webhook.service")
    assert.matches("\nExecStart=/usr/local/bin/openpr%-webhook %-%-config /etc/openpr%-webhook/config.lua\n", unit)
    assert.is_nil(unit:find("/usr/bin/", 1, true))
  end)

  it("names the configuration of a prefix of its own in the unit", function()
    local prefix = d.dir .. "/prefix"
    local code, out, err = process.run({ "cmake", "--install", build, "--prefix", prefix }, env, "/", 60)
    assert.equal(0, code, out .. err)
    local unit = slurp(prefix .. "/lib/systemd/system/openpr-webhook.service")
    assert.is_truthy(unit:find(("\nExecStart=%s/bin/openpr-webhook --config %s/etc/openpr-webhook/config.lua\n")
                               :format(prefix, prefix), 1, true), unit)
    assert.is_truthy(uv.fs_stat(prefix .. "/etc/openpr-webhook/config.lua"))
  end)

  it("keeps a configuration that is there, and so does script/uninstall", function()
    local stage = d.dir .. "/stage"
    local config, queue = stage .. "/etc/openpr-webhook/config.lua", stage .. "/var/lib/openpr-webhook/queue.db"
    install(stage, "/usr")
    daemon.write(config, "-- mine\n")
    assert.matches("Kept: " .. config:gsub("%p", "%%%0"), (install(stage, "/usr")))
    assert.equal("-- mine\n", slurp(config))

    assert.equal(0, (process.run({ "mkdir", "-p", stage .. "/var/lib/openpr-webhook" }, env, "/", 10)))
    daemon.write(queue, "")
    local uninstall = { uv.cwd() .. "/script/uninstall", "--prefix", "/usr" }
    local with = { PATH = env.PATH, DESTDIR = stage }
    local code, out, err = process.run(uninstall, with, "/", 30)
    assert.equal(0, code, err)
    assert.is_truthy(out:find("kept: " .. stage .. "/etc/openpr-webhook\n", 1, true), out)
    local left = listed(stage)
    table.sort(left)
    assert.same({ "/etc/openpr-webhook/config.lua", "/var/lib/openpr-webhook/queue.db" }, left)
    assert.equal("-- mine\n", slurp(config))
    assert.equal(1, (process.run(uninstall, with, "/", 30))) -- nothing is left to remove
    assert.equal(2, (process.run({ uninstall[1], "--prefix", "usr" }, with, "/", 30)))
  end)
end)
