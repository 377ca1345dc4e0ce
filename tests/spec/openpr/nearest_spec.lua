local nearest = require "openpr.nearest"

describe("the nearest name", function()
  local names = { "accept", "agents", "ignore", "issue_title", "when" }
  local cases = {
    { "agnets", "agents" }, { "Accept", "accept" }, { "isue_title", "issue_title" }, { "wen", "when" },
    { "acecpt", "accept" },
    { "hwen", "when" }, { "hwne", nil },
    { "something", nil }, { "", nil }, { "xy", nil }, { ("a"):rep(100000), nil }, { 7, nil },
  }
  for n, case in ipairs(cases) do
    it(("is %s: %d"):format(tostring(case[2]), n), function() assert.equal(case[2], nearest(case[1], names)) end)
  end
  it("passes over names that are too long to compare", function()
    assert.is_nil(nearest("accept", { ("accept"):rep(10000) }))
  end)
end)
