local s = require "openpr.schema"

local outside = {} -- a stand-in for a value that did not come

local function context()
  return s.context {
    folder = "/etc/app",
    source = function(text) return text == "from outside" and 'env "X"' or nil end,
    unresolved = function(value) if value == outside then return "X is not set", false end end,
  }
end

local function check(node, value)
  local ctx = context()
  local out = s.check(node, value, "at", ctx)
  return out, ctx.mistakes, ctx
end

local function accepts(node, value, expected)
  local out, mistakes = check(node, value)
  assert.same({}, mistakes)
  assert.same(expected, out)
end

local function refuses(node, value, ...)
  local out, mistakes = check(node, value)
  assert.same({ ... }, mistakes)
  return out
end

describe("a schema", function()
  it("keeps booleans, and takes nothing else for one", function()
    accepts(s.boolean {}, false, false)
    accepts(s.boolean { default = true }, nil, true)
    refuses(s.boolean {}, 0, "at: expected true or false, got a number")
    refuses(s.boolean {}, "true", "at: expected true or false, got a text")
  end)

  it("bounds numbers", function()
    local node = s.integer { min = 1, max = 9, default = 3 }
    accepts(node, nil, 3)
    accepts(node, 9.0, 9)
    assert.equal("integer", math.type((check(node, 9.0))))
    refuses(node, 0, "at: must be at least 1")
    refuses(node, 10, "at: must be at most 9")
    refuses(node, 1.5, "at: must be a whole number")
    refuses(node, 0 / 0, "at: must be a finite number")
    refuses(node, math.huge, "at: must be a finite number")
    refuses(node, -math.huge, "at: must be a finite number")
    refuses(node, "3", "at: expected a number, got a text")
  end)

  it("gives durations as milliseconds", function()
    accepts(s.duration { default = 0.05 }, nil, 50)
    accepts(s.duration {}, 2, 2000)
    accepts(s.duration {}, 0.0004, 0)
    accepts(s.duration { plain = 86400000, max = 3650 }, 30, 2592000000)
    refuses(s.duration { plain = 86400000, max = 3650 }, 3651, "at: must be at most 3650")
    refuses(s.duration { min = 1, max = 300 }, 0.5, "at: must be at least 1 * seconds")
    refuses(s.duration { min = 1, max = 300 }, 301, "at: must be at most 5 * minutes")
  end)

  it("gives sizes as whole bytes", function()
    accepts(s.size { default = 4 << 20 }, nil, 4194304)
    accepts(s.size {}, 1.5 * 1024, 1536)
    refuses(s.size {}, 0.5, "at: must be a whole number")
    refuses(s.size { max = 1 << 20 }, 1e300, "at: must be at most 1 * MiB")
  end)

  it("makes paths whole", function()
    accepts(s.path {}, "a", "/etc/app/a")
    accepts(s.path {}, "./a//b/.", "/etc/app/a/b")
    accepts(s.path {}, "../a", "/etc/app/../a")
    accepts(s.path {}, "/a/", "/a")
    accepts(s.path {}, ".", "/etc/app")
    accepts(s.path { default = "state" }, nil, "/etc/app/state")
    refuses(s.path {}, "~/a", 'at: no "~" is expanded here: write the whole path')
    refuses(s.path {}, "", "at: must not be empty")
  end)

  it("refuses texts that are none", function()
    refuses(s.string {}, 7, "at: expected a text, got a number")
    refuses(s.string {}, {}, "at: expected a text, got a table")
    refuses(s.string {}, print, "at: expected a text, got a function")
    refuses(s.string {}, "", "at: must not be empty")
    refuses(s.string {}, "a\nb", "at: must not hold control characters")
    refuses(s.string { lines = true }, "a\0b", "at: must not hold control characters")
    refuses(s.string {}, "\xff", "at: is not UTF-8 text")
    refuses(s.string {}, ("x"):rep(65537), "at: is longer than 65536 bytes")
    accepts(s.string { empty = true }, "", "")
    accepts(s.string { lines = true }, "a\nb", "a\nb")
  end)

  it("asks a rule, and takes what it gives back", function()
    local node = s.string { rule = function(text)
      if #text < 3 then return text:upper() end
      return nil, "is too long"
    end }
    accepts(node, "ab", "AB")
    refuses(node, "abc", 'at: "abc" is too long')
    refuses(node, 'a"b\\c', 'at: "a\\34b\\92c" is too long')
    refuses(node, ("x"):rep(100), 'at: "' .. ("x"):rep(60) .. '..." is too long')
  end)

  it("never shows a secret, nor what came from outside", function()
    local function rule() return nil, "is wrong" end
    refuses(s.string { rule = rule, secret = true }, "hunter2", "at: is wrong")
    refuses(s.string { rule = rule }, "from outside", 'at: the value of env "X" is wrong')
    refuses(s.string { rule = function() return nil, "is wrong", true end }, "user:hunter2@host", "at: is wrong")
    refuses(s.choice { values = { "a", "b" } }, "from outside", 'at: the value of env "X" is not one of a, b')
  end)

  it("remembers secrets, and which of them stand in the file", function()
    local node = s.record { { "a", s.string { secret = true } }, { "b", s.string { secret = true } },
                            { "c", s.string {} } }
    local _, _, ctx = check(node, { a = "literal", b = "from outside", c = "plain" })
    assert.same({ "literal", "from outside" }, ctx.secrets)
    assert.same({ "at.a" }, ctx.literals)
  end)

  it("offers the choices", function()
    local node = s.choice { values = { "a", "b" }, absent = { c = "c is for later" } }
    accepts(node, "b", "b")
    refuses(node, "c", "at: c is for later")
    refuses(node, "d", 'at: "d" is not one of a, b')
    refuses(node, true, "at: expected a text, got true or false")
    refuses(s.choice { values = {} }, "d", 'at: "d" is not one of an empty list')
  end)

  it("takes lists, and not what only looks like one", function()
    local node = s.list { item = s.integer {} }
    accepts(node, {}, {})
    accepts(node, { 3, 4 }, { 3, 4 })
    refuses(node, { 1, "x", 3 }, "at[2]: expected a number, got a text")
    refuses(node, { 1, nil, 3 }, "at: expected a list, as { a, b }, got a table")
    refuses(node, { a = 1 }, "at: expected a list, as { a, b }, got a table")
    refuses(node, 1, "at: expected a list, as { a, b }, got a number")
    local many = {}
    for n = 1, 1001 do many[n] = n end
    refuses(node, many, "at: has more than 1000 entries")
  end)

  it("takes maps in a fixed order", function()
    local node = s.map { item = s.integer {}, key_rule = function(key) if #key > 3 then return "is too long" end end }
    accepts(node, { a = 1, b = 2 }, { a = 1, b = 2 })
    refuses(node, { b = "x", a = "y", long_one = 1, [1] = 1, [true] = 1 },
            "at[true or false]: needs a name: write NAME = ...", "at[1]: needs a name: write NAME = ...",
            "at.a: expected a number, got a text", "at.b: expected a number, got a text", "at.long_one: is too long")
  end)

  it("names the option that was meant", function()
    local node = s.record { { "listen", s.string {} }, { "timeout_secs", s.integer {} } }
    refuses(node, { lsiten = "x" }, 'at.lsiten: is not an option; did you mean "listen"?')
    refuses(node, { timeout = 1 }, 'at.timeout: is not an option; did you mean "timeout_secs"?')
    refuses(node, { other = 1 }, "at.other: is not an option; there are listen, timeout_secs")
    refuses(node, { ["a b"] = 1 }, 'at["a b"]: is not an option; there are listen, timeout_secs')
    refuses(node, { [3] = 1 }, "at[3]: is not an option; there are listen, timeout_secs")
  end)

  it("goes on after a mistake, and says once what is missing", function()
    local node = s.record { { "a", s.integer { required = true } }, { "b", s.record { { "c", s.boolean {} } } } }
    refuses(node, { b = { c = 1 } }, "at.a: is required", "at.b.c: expected true or false, got a number")
    refuses(node, { a = outside }, "at.a: X is not set")
  end)

  it("fills records that are not there, but for optional ones", function()
    local inner = { { "c", s.integer { default = 1 } } }
    accepts(s.record { { "b", s.record(inner) } }, {}, { b = { c = 1 } })
    accepts(s.record { { "b", s.record { optional = true, inner[1] } } }, {}, {})
  end)

  it("takes no table with a metatable", function()
    local sly = setmetatable({}, { __index = function() return 1 end })
    refuses(s.record { { "a", s.integer {} } }, sly, "at: expected a table, got a table")
    refuses(s.list { item = s.integer {} }, sly, "at: expected a list, as { a, b }, got a table")
    refuses(s.map { item = s.integer {} }, sly, "at: expected a table, got a table")
  end)

  it("is not led round by a table that holds itself", function()
    local loop = {}
    loop.loop = loop
    refuses(s.record { { "a", s.integer {} } }, loop, "at.loop: is not an option; there are a")
    refuses(s.map { item = s.integer {} }, loop, "at.loop: expected a number, got a table")
  end)

  it("stops noting after a hundred mistakes, and counts on", function()
    local ctx = context()
    local many = {}
    for n = 1, 150 do many[n] = "x" end
    s.check(s.list { item = s.integer {} }, many, "at", ctx)
    assert.same({ 100, 50 }, { #ctx.mistakes, ctx.dropped })
  end)

  it("writes values as config.lua would", function()
    local cases = {
      { s.duration {}, 7200000, "2 * hours" }, { s.duration {}, 90000, "90 * seconds" },
      { s.duration {}, 1001, "1001 * milliseconds" }, { s.duration {}, 0, "0" },
      { s.duration { plain = 1000 }, 1500, "1.5" }, { s.duration { plain = 1000 }, 900000, "900" },
      { s.size {}, 1 << 30, "1 * GiB" }, { s.size {}, 1536 << 10, "1536 * KiB" }, { s.size {}, 1000, "1000" },
      { s.string {}, 'a"b\\c\nd\re', [["a\"b\\c\nd\13e"]] }, { s.boolean {}, false, "false" }, { s.integer {}, 7, "7" },
    }
    for _, case in ipairs(cases) do assert.equal(case[3], s.value_literal(case[1], case[2])) end
  end)
end)
