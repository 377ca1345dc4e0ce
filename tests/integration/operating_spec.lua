-- docs/operating.md, walked through: each of its blocks is run in order, in one folder, against a daemon that its own
-- command starts; what a block says is printed must be printed.

local daemon = require "support.daemon"
local process = require "support.process"
local uv = require "luv"
local wait = require "support.wait"

local file = assert(io.open "docs/operating.md")
local manual = file:read "a"
file:close()

-- The blocks in order: { kind, word, text }.
local blocks = {}
for kind, word, text in manual:gmatch "\n```(%l+) ?(%l*)\n(.-)\n```" do
  blocks[#blocks + 1] = { kind = kind, word = word, text = text }
end

local function free_port()
  local socket = uv.new_tcp()
  socket:bind("127.0.0.1", 0)
  local port = socket:getsockname().port
  socket:close()
  return port
end

-- A line of the manual as a pattern; "…" stands for anything.
local function pattern(line)
  local parts = {}
  for plain in (line .. "…"):gmatch "(.-)…" do parts[#parts + 1] = plain:gsub("%W", "%%%0") end
  return table.concat(parts, "[^\n]-"):gsub("%% ", " +"):gsub(" %+[ +]*", " +")
end

describe("docs/operating.md", function()
  local top, child, env, said
  local port = tostring(free_port())

  setup(function()
    top = assert(uv.fs_mkdtemp "/tmp/opw-XXXXXX")
    assert(uv.fs_mkdir(top .. "/bin", 448))
    assert(uv.fs_symlink(daemon.program, top .. "/bin/openpr-webhook"))
    for _, name in ipairs { "claude", "codex" } do
      local script = '#!/bin/sh\n[ -e "%s/busy" ] && export STAND_IN="sleep 600"\nexec "%s" "$@"\n'
      daemon.write(top .. "/bin/" .. name, script:format(top, uv.fs_realpath("tests/support/agents/" .. name)), 448)
    end
    env = { PATH = top .. "/bin:" .. os.getenv "PATH", HOME = top, LANG = "C.UTF-8", OPW_MARK = top,
            ASAN_OPTIONS = "abort_on_error=0:detect_leaks=0" }
  end)

  teardown(function()
    if child then
      child:kill "sigterm"
      child:wait(40)
    end
    process.run({ "rm", "-rf", top }, { PATH = "/usr/bin:/bin" })
  end)

  -- Runs shell as a person would, one block after another in one shell: variables and the folder are kept.
  local function shell(text)
    local script = "set -ae\ncd " .. top .. "\n[ ! -e " .. top .. "/vars ] || . " .. top .. "/vars\n" .. text
      .. "\nprintf 'cd %q\\n' \"$PWD\" >" .. top .. "/vars\n"
      .. "for name in EVENT RUN OPENPR_WEBHOOK_SECRET; do\n"
      .. "  [ -z \"${!name}\" ] || printf '%s=%q\\n' $name \"${!name}\" >>" .. top .. "/vars\ndone\n"
    local code, out, err = process.run({ "bash", "-c", script }, env, top, 120)
    return code, out .. err
  end

  -- Waits until the newest runs, as jq shows them, are so.
  local function runs_are(filter, wanted)
    wait.eventually(wanted, function()
      local _, out = shell(("openpr-webhook runs --json | jq -r '%s'"):format(filter))
      return out:match "%S+" == wanted
    end, 60)
  end

  local function serve(text)
    local secret = assert(io.open(top .. "/vars")):read("a"):match "OPENPR_WEBHOOK_SECRET=(%x+)"
    local own = { OPENPR_WEBHOOK_SECRET = secret }
    for name, value in pairs(env) do own[name] = value end
    child = process.spawn({ top .. "/bin/" .. text }, own, top .. "/log", top .. "/walk")
    wait.eventually("it listens", function()
      assert(not child:ended(), io.open(top .. "/log"):read "a")
      return io.open(top .. "/log"):read("a"):find "msg=listening"
    end, 30)
  end

  for n, block in ipairs(blocks) do
    local first = block.text:match "[^\n]*"
    if block.kind == "sh" and block.word == "serve" then
      it("block " .. n .. " serves: " .. first, function() serve(block.text) end)
    elseif block.kind == "sh" then
      it("block " .. n .. " runs: " .. first, function()
        local text = block.text:gsub("8091", port)
        if block.word == "busy" then
          runs_are('all(.state == "ended")', "true")
          daemon.write(top .. "/busy", "")
        end
        local code, out = shell(text)
        said = out
        assert.equal(0, code, out)
        if block.word == "busy" then
          os.remove(top .. "/busy")
          runs_are(".[0].outcome", "cancelled")
        end
      end)
    elseif block.kind == "text" then
      it("block " .. n .. " is what it prints: " .. first, function()
        for line in block.text:gmatch "[^\n]+" do assert.matches(pattern(line), said) end
      end)
    end
  end

  it("has been read whole", function()
    local count = 0
    for _ in manual:gmatch "\n```" do count = count + 1 end
    assert.equal(count, 2 * #blocks)
    assert.is_true(#blocks >= 25)
  end)

  it("has a page of the JSON that is what the verbs print", function()
    local _, out = shell "cat urgent.json | openpr-webhook explain --json -"
    local result = require "support.event".json.decode(out)
    local page = manual:match "| `explain %-%-json`.-\n\n"
    for name in pairs(result) do assert.is_truthy(page:find("`" .. name, 1, true), name) end
  end)
end)
