local sandbox = require "openpr.sandbox"
local testing = require "openpr.testing"

local FILE = "policies/filter.lua"

local function deploy(source, opts)
  opts = opts or {}
  opts.files = { [FILE] = source }
  return testing.deploy(opts)
end

-- What the filter of this source says of an event; `source` is the body of its function.
local function run(source, opts)
  local policies = deploy("return function(event)\n" .. source .. "\nend", opts)
  assert.same({}, policies.mistakes)
  return policies.decide(testing.assigned()), policies
end

-- What it returns as the reason of `ignore`.
local function said(source)
  return run("return ignore(tostring((function() " .. source .. " end)()))").reason
end

describe("a policy", function()
  local outside = { "io", "os", "debug", "package", "require", "load", "loadstring", "dofile", "loadfile", "coroutine",
                    "collectgarbage", "print", "warn", "rawset", "xpcall", "_G", "newproxy", "arg", "jit" }
  for _, name in ipairs(outside) do
    it("has no " .. name, function()
      assert.matches(('^policies/filter.lua:2: no such name "%s"'):format(name),
        deploy(("local x\nx = %s\nreturn x"):format(name)).mistakes[1])
      assert.error_matches(function() run("return " .. name) end, ('no such name "%s" in a policy'):format(name))
    end)
  end

  it("is told that what other Lua programs have is out of reach", function()
    for _, name in ipairs(outside) do
      local told = deploy("return " .. name).mistakes[1]
      local known = not ({ newproxy = true, arg = true, jit = true })[name]
      assert.equal(known, told:find("files, processes and the network are out of its reach", 1, true) ~= nil, told)
    end
  end)

  it("has no string.dump", function() assert.equal("nil", said "return string.dump") end)

  it("is told the nearest name", function()
    assert.same({ 'policies/filter.lua:3: no such name "agnets" in a policy (did you mean "agents"?)' },
      deploy("\n\nlocal x = agnets.codex\nreturn x").mistakes)
  end)

  it("cannot make a global", function()
    assert.same({ "policies/filter.lua:2: policies have no globals: write `local counter`" },
      deploy("-- count\ncounter = 1").mistakes)
    assert.error_matches(function() run "function helper() end" end, "write `local helper`")
  end)

  it("cannot be bytecode", function()
    local mistakes = deploy(string.dump(function() end)).mistakes
    assert.matches("^policies/filter.lua:1: ", mistakes[1])
  end)

  it("cannot get at a shared metatable", function()
    assert.equal("nil", said 'return getmetatable("")')
    assert.equal("nil", said "return getmetatable(when.always)")
    assert.equal("nil", said "return getmetatable(accept)")
    assert.equal("nil", said "return getmetatable(_ENV)")
    assert.equal("nil", said "return getmetatable(rules { { 'x', when.always, accept } })")
    assert.equal("nil", said "return when.always.__index or when.always.__call")
  end)

  it("cannot replace a metatable of ours", function()
    for _, value in ipairs { "when", "when.always", "accept", "_ENV", "to" } do
      assert.error_matches(function() run(("setmetatable(%s, {})"):format(value)) end,
        value == "to" and "table expected" or "the metatable of this value cannot be set")
    end
  end)

  it("cannot have a finalizer", function()
    assert.error_matches(function() run "setmetatable({}, { __gc = function() end })" end, "no finalizers")
    assert.error_matches(function() run "setmetatable({}, { __gc = true })" end, "no finalizers")
  end)

  it("may use metatables of its own", function()
    assert.equal("5", said "local t = setmetatable({}, { __index = function(_, k) return #k end }) return t.abcde")
    assert.equal("true", said "local m = {} return getmetatable(setmetatable({}, m)) == m")
    assert.equal("nil", said "return rawget(setmetatable({}, { __index = { x = 1 } }), 'x')")
  end)

  it("has patterns and the whole of table, math and utf8", function()
    assert.equal("b", said "return ('abc'):match('a(.)c')")
    assert.equal("3,2,1", said [[
      local t = { 1, 2, 3 }
      table.sort(t, function(a, b) return a > b end)
      return table.concat(t, ",")]])
    assert.equal("2", said "return utf8.len('é✓')")
    assert.equal("integer", said "return math.type(3)")
  end)

  for library, names in pairs(sandbox.LIBRARIES) do
    it("has of " .. library .. " what the sandbox names, and nothing else", function()
      local count = said(("local n = 0 for _ in pairs(%s) do n = n + 1 end return n"):format(library))
      assert.equal(tostring(#names), count)
      for _, name in ipairs(names) do assert.is_not_nil(_G[library][name]) end
    end)
  end

  it("lacks nothing of the libraries but string.dump", function()
    -- Asked of a Lua of its own: the test tools add to these tables.
    local ask = [[lua5.4 -e 'for _, l in ipairs { "string", "table", "math", "utf8" } do
      for name in pairs(_G[l]) do print(l, name) end end']]
    -- Deprecated since Lua 5.3, and there only where Lua was built with them.
    local old = { atan2 = true, cosh = true, frexp = true, ldexp = true, log10 = true, pow = true, sinh = true,
                  tanh = true }
    local pipe, count = assert(io.popen(ask)), 0
    for line in pipe:lines() do
      local library, name = line:match "^(%w+)\t(%w+)$"
      local listed = name == "dump" or (library == "math" and old[name])
      for _, known in ipairs(sandbox.LIBRARIES[library]) do listed = listed or known == name end
      assert.is_true(listed, line)
      count = count + 1
    end
    pipe:close()
    assert.is_true(count > 50)
  end)

  it("sees all that it has, however it looks", function()
    local counts = [[local n = 0 for _ in %s do n = n + 1 end return n]]
    for _, of in ipairs { "_ENV", "when" } do
      local all = said(counts:format("pairs(" .. of .. ")"))
      assert.equal(all, said(counts:format("next, " .. of)))
      assert.is_true(tonumber(all) >= 20)
    end
    assert.equal("function", said "return type(rawget(when, 'event'))")
    assert.equal("function", said "return type(rawget(_ENV, 'tostring'))")
    assert.equal("nil", said "return rawget(_ENV, 'io')")
  end)

  it("keeps nothing for the next event", function()
    local spoil = [[
      local seen = string.seen
      string.seen, string.upper, table.insert, math.pi = true, nil, nil, 3
      agents.default, agents.mine = nil, {}
      labels.x, text.clip, log.info, json.encode = "y", nil, nil, nil
      accept.action, when.always.test = "ignore", nil
      event.payload.data, event.issue.title, event.actor = nil, nil, nil
      math.randomseed(7)
      return ignore(tostring(seen))]]
    local policies = deploy("local count = 0\nreturn function(event) count = count + 1\n" .. spoil .. "\nend")
    for _ = 1, 3 do assert.equal("nil", policies.decide(testing.assigned()).reason) end
    assert.equal("A", ("a"):upper())
    assert.equal("default", testing.deploy().decide(testing.assigned()).targets[1].agent)
  end)

  it("counts from the start each time", function()
    local policies = deploy "local n = 0\nreturn function() n = n + 1 return ignore(tostring(n)) end"
    for _ = 1, 3 do assert.equal("1", policies.decide(testing.assigned()).reason) end
  end)

  it("does not see how another one seeded chance", function()
    local policies = deploy [[return function()
      local before = math.random(1 << 40)
      math.randomseed(42)
      return ignore(tostring(before))
    end]]
    local seen = {}
    for _ = 1, 5 do
      local reason = policies.decide(testing.assigned()).reason
      assert.is_nil(seen[reason])
      seen[reason] = true
    end
  end)

  it("sees the agents without any secret, and cannot change them", function()
    assert.equal("claude-code", said "return agents.default.cli")
    assert.equal("default", said "return agents.default.name")
    assert.equal("nil", said "return agents.nobody")
  end)

  it("knows the time of its event", function() assert.equal("1790756401", said "return now()") end)

  it("reads and writes JSON", function()
    assert.equal('[1,"a"]', said "return json.encode { 1, 'a' }")
    assert.equal("3", said "return json.decode('{\"x\":[1,2,3]}').x[3]")
    assert.error_matches(function() run "json.decode 'no'" end, "json.decode: ")
    assert.error_matches(function() run "json.encode(print_it)" end, "no such name")
    assert.error_matches(function() run "return json.encode { function() end }" end, "json.encode: ")
  end)

  it("logs lines that name it", function()
    local _, policies = run 'log.info("%s has %d\\nlines", event.issue.key, 2) log.warn "100%" return accept'
    assert.same({ "info policies/filter.lua: CORE-A1B2C3D4 has 2 lines", "warn policies/filter.lua: 100%" },
      policies.logged)
    assert.error_matches(function() run 'log.info("%d", "x")' end, "log.info: ")
  end)

  it("names its line when it fails", function()
    local _, why = pcall(run, "\nlocal x = event.nothing.more\nreturn accept")
    assert.matches("policies/filter.lua:3: attempt to index a nil value", why)
    _, why = pcall(run, "error('mine')")
    assert.matches("policies/filter.lua:2: mine", why)
    _, why = pcall(run, "\nagents.x = to 'nobody'")
    assert.matches('policies/filter.lua:3: no agent "nobody" in config.lua %(have: default%)', why)
    _, why = pcall(run, "return to 'nobody'")
    assert.matches('policies/filter.lua: no agent "nobody"', why)
  end)

  it("can catch its own errors", function()
    assert.equal("false", said "return (pcall(function() error 'x' end))")
  end)
end)
