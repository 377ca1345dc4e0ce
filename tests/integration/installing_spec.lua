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

  it("honours DESTDIR", function()
    local code, out, err = process.run({ "cmake", "--install", build, "--prefix", "/usr" },
                                       { PATH = env.PATH, HOME = env.HOME, DESTDIR = d.dir .. "/stage" }, "/", 60)
    assert.equal(0, code, out .. err)
    local program = d.dir .. "/stage/usr/bin/openpr-webhook"
    code, out, err = process.run({ program, "--config", d.dir .. "/config.lua", "check" }, d.env, "/", 30)
    assert.equal(0, code, out .. err)
  end)
end)
