-- What tools know of the policy API (lua/meta/ for the language server, lua/luacheck/ for luacheck) is what there is.

local event = require "openpr.event"
local sandbox = require "openpr.sandbox"
local testing = require "openpr.testing"
local meta = dofile "tests/support/meta.lua"

local classes, globals = meta.read()
local host = testing.host {}

-- Names of tables, with those of their functions and values, as a policy sees them: { name -> type or { ... } }.
local function environment()
  local env = sandbox.new({ hook = "filter", file = "x", host = host, fail = error, complain = error },
                          { agents = {}, labels = {}, templates = {} })
  local found = {}
  for name, value in pairs(env) do
    found[name] = type(value)
    if type(value) == "table" and name ~= "agents" and name ~= "labels" then
      found[name] = {}
      for field, item in pairs(value) do found[name][field] = type(item) end
    end
  end
  return found
end

local real = environment()
-- Verdicts are tables with nothing in them that a policy needs.
for _, name in ipairs { "accept", "cancel", "drop", "ignore" } do real[name] = "table" end

local function keys(map)
  local list = {}
  for key in pairs(map) do list[#list + 1] = key end
  table.sort(list)
  return list
end

describe("lua/meta/openpr.lua", function()
  it("tells of every name of the environment but Lua's own, and of no other", function()
    local wanted = {}
    for name in pairs(real) do wanted[name] = true end
    for _, name in ipairs(sandbox.BASE) do wanted[name] = nil end
    for name in pairs(sandbox.LIBRARIES) do wanted[name] = nil end
    wanted.getmetatable, wanted.setmetatable = nil, nil
    assert.same(keys(wanted), keys(globals))
  end)

  it("tells what kind of thing each is", function()
    for name, kind in pairs(globals) do
      local there = type(real[name]) == "table" and "table" or real[name]
      local told = kind:find "^openpr%." and "table" or kind:find "^table" and "table" or kind
      assert.equal(there, told, name)
    end
  end)

  for name, class in pairs { text = "Text", log = "Log", json = "Json", when = "When" } do
    it("tells of every member of " .. name .. ", and of no other", function()
      assert.same(keys(real[name]), keys(classes[class]))
      for field, told in pairs(classes[class]) do
        local wanted = real[name][field] == "function" and "fun" or "openpr.Condition"
        assert.equal(wanted, told.type:match "^fun" or told.type, name .. "." .. field)
      end
    end)
  end

  local function bodies()
    local list = {}
    for _, folder in ipairs { "recorded", "events" } do
      local pipe = assert(io.popen("ls -d tests/fixtures/" .. folder .. "/*"))
      for path in pipe:lines() do
        local file = assert(io.open(path, "rb"))
        local whole = file:read "a"
        file:close()
        local ok, body = pcall(host.json_decode, path:match "%.http$" and whole:match "\r?\n\r?\n(.*)$" or whole)
        if ok and type(body) == "table" then list[path] = body end
      end
      pipe:close()
    end
    return list
  end

  it("tells of every field of every event that OpenPR sends, and of no other", function()
    local seen, count = {}, 0
    for path, body in pairs(bodies()) do
      for _, completion in ipairs { false, testing.completion() } do
        local one = event.new({ body = body, completion = completion or nil, ours = { testing.BOT } }, {})
        assert.is_nil(meta.differences(one, "Event", classes, seen), path)
        count = count + 1
      end
    end
    assert.is_true(count > 40)
    assert.same({}, meta.unseen(seen, classes, "Event", "Named", "Actor", "Bot", "Issue", "Comment", "Task"))
  end)

  it("holds for what is no event at all", function()
    for _, body in ipairs { {}, { event = 7 }, { task_id = "x" } } do
      assert.is_nil(meta.differences(event.new({ body = body }, {}), "Event", classes, {}))
    end
  end)

  it("would notice what it does not tell of", function()
    local one = event.new({ body = testing.assigned().body }, {})
    one.issue.colour = "red"
    assert.equal("Issue.colour is not told of", meta.differences(one, "Event", classes, {}))
    one.issue.colour, one.issue.known = nil, nil
    assert.equal("Issue.known is missing", meta.differences(one, "Event", classes, {}))
    one.issue.known, one.kind = true, "surprise"
    assert.matches("^Event.kind is a string %(surprise%), not ", meta.differences(one, "Event", classes, {}))
  end)
end)

describe("lua/luacheck/policy.lua", function()
  local std = dofile "lua/luacheck/policy.lua"

  it("knows every name of the environment and what is in it, and no other", function()
    local told = {}
    for key, value in pairs(std.read_globals) do
      local name, fields = type(key) == "string" and key or value, type(value) == "table" and value.fields
      told[name] = fields and keys(fields) or "any"
    end
    local there = {}
    for name, value in pairs(real) do there[name] = type(value) == "table" and keys(value) or "any" end
    assert.same(there, told)
  end)

  it("is what luacheck is given for policies", function()
    local known = setmetatable({ stds = {}, dofile = dofile, files = setmetatable({}, { __index = function(t, k)
      t[k] = {}
      return t[k]
    end }) }, { __newindex = function() end })
    assert(loadfile(".luacheckrc", "t", known))()
    assert.same(std, known.stds.policy)
    assert.equal("policy", known.files.policies.std)
  end)

  -- In a folder with the .luacheckrc of docs/policies.md and this route: what luacheck says.
  local function checked(route)
    local file = assert(io.open "docs/policies.md")
    local config = assert(file:read("a"):match "<!%-%- luacheckrc %-%->\n```lua\n(.-)```")
    file:close()
    local root = assert(io.popen "pwd"):read "l"
    local count
    config, count = config:gsub("/usr/share/openpr%-webhook/", root .. "/")
    assert.equal(1, count)
    local folder = assert(io.popen "mktemp -d"):read "l"
    os.execute(("mkdir -p '%s/policies/spec'"):format(folder))
    for path, text in pairs { [".luacheckrc"] = config, ["policies/route.lua"] = route,
                              ["policies/spec/x_spec.lua"] = 'it("x", function() assert.equal(1, 1) end)\n' } do
      local out = assert(io.open(folder .. "/" .. path, "w"))
      out:write(text)
      out:close()
    end
    local out = io.popen(("cd '%s' && luacheck --no-color --codes --formatter plain . 2>&1; rm -rf '%s'"):format(folder,
      folder))
    local said = out:read "a"
    out:close()
    return said
  end

  it("works as docs/policies.md says", function()
    assert.equal("", (checked "return function(event) return when.label(event.issue.key) and to 'codex' end\n"))
    assert.matches("route.lua:1:%d+: %(W113%) accessing undefined variable 'print'", checked "return print\n")
    assert.matches("%(W143%) accessing undefined field 'clipp'", checked "return text.clipp\n")
    assert.matches("%(W122%) setting read%-only field 'clip'", checked "text.clip = nil return text\n")
  end)
end)
