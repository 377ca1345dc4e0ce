local lazy = require "openpr.lazy"

describe("a lazy table", function()
  local made, table_
  local makers = {
    one = function(owner) made = made + 1 return { owner } end,
    two = function() made = made + 1 return false end,
  }

  before_each(function()
    made = 0
    table_ = lazy.new(makers, "me", function(_, name) error("no " .. name, 0) end,
      function(_, name) error("not " .. name, 0) end)
  end)

  it("makes a member when it is asked for, once", function()
    assert.equal(0, made)
    local one = table_.one
    assert.same({ "me" }, one)
    assert.equal(one, table_.one)
    assert.equal(1, made)
    assert.is_false(table_.two)
  end)

  it("knows no other names, and takes none", function()
    assert.error_matches(function() return table_.three end, "no three")
    assert.error_matches(function() table_.three = 1 end, "not three")
  end)

  it("shows all of them to who looks at all", function()
    local names = {}
    for name in pairs(table_) do names[#names + 1] = name end
    table.sort(names)
    assert.same({ "one", "two" }, names)
    for _ in pairs(table_) do made = made end
    assert.equal(2, made)
    assert.same({ "one", "two" }, lazy.names(makers))
  end)

  it("keeps what was changed when the rest is made", function()
    table_.one = table_.one and "mine"
    lazy.fill(table_)
    assert.equal("mine", rawget(table_, "one"))
    assert.is_false(rawget(table_, "two"))
    assert.has_no.errors(function() lazy.fill(table_) lazy.fill {} lazy.fill(nil) lazy.fill "x" end)
  end)

  it("has nothing in common with another of the same makers", function()
    local other = lazy.new(makers, "you", error, error)
    table_.one[1] = "spoiled"
    assert.same({ "you" }, other.one)
  end)
end)
