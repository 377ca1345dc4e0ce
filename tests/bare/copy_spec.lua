-- What a new user does, in a copy of the tree without git: README.md's demo, and its own build and installation.

local process = require "support.process"
local uv = require "luv"

local env = { PATH = os.getenv "PATH", HOME = os.getenv "HOME" or "/", LANG = "C.UTF-8" }

local function slurp(path)
  local file = assert(io.open(path))
  local text = file:read "a"
  file:close()
  return text
end

describe("a fresh copy", function()
  local dir

  setup(function()
    dir = assert(uv.fs_mkdtemp "/tmp/opw-copy-XXXXXX")
    local copy = "tar -c --exclude=./build --exclude=./state --exclude=.git . | tar -x -C " .. dir
    local code, _, why = process.run({ "sh", "-c", copy }, env, uv.cwd(), 60)
    assert(code == 0, why)
  end)
  teardown(function() process.run({ "rm", "-rf", dir }, env, "/", 60) end)

  it("script/demo shows every step, and ends well", function()
    local code, out, err = process.run({ dir .. "/script/demo" }, env, "/", 600)
    assert.equal(0, code, out .. err)
    local at = 1
    for _, word in ipairs { "received", "decided", "started", "in_progress", "reported", "done" } do
      at = out:find(word, at, true)
      assert.is_truthy(at, word .. " in:\n" .. out)
    end
    assert.is_nil(out:find("\27", 1, true)) -- no colours in a pipe
  end)

  it("README.md's installation works", function()
    local block = slurp(dir .. "/README.md"):match "```sh run\n(.-)```"
    block = block:gsub("/usr/local", dir .. "/prefix")
    local code, out, err = process.run({ "sh", "-euc", block }, env, dir, 600)
    assert.equal(0, code, out .. err)
    code, out, err = process.run({ dir .. "/prefix/bin/openpr-webhook", "--version" }, env, "/")
    assert.equal(0, code, out .. err)
  end)

  it("the doors say what they do", function()
    for name in uv.fs_scandir_next, assert(uv.fs_scandir(dir .. "/script")) do
      local code, out, err = process.run({ dir .. "/script/" .. name, "--help" }, env, "/")
      assert.equal(0, code, name .. err)
      assert.matches("^Usage: script/" .. name, out)
      assert.not_equal(0, (process.run({ dir .. "/script/" .. name, "--nonsense" }, env, "/")), name)
    end
  end)
end)
