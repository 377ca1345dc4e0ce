-- What script/demo shows, once it has installed and built.

local process = require "support.process"

describe("the demonstration", function()
  it("ends well, and shows both ways that work comes", function()
    local code, out, err = process.run({ "lua5.4", "tests/demo/demo.lua" },
      { PATH = os.getenv "PATH", OPW_BUILD = os.getenv "OPW_BUILD", HOME = os.getenv "HOME" }, nil, 120)
    assert.equal(0, code, out .. err)
    local from = 1
    for _, word in ipairs { "1. From an assignment", "joined", "reported", "done", "2. The same through the tunnel",
                            "task.ack", "cut", "task.result", "It works." } do
      local at = out:find(word, from, true)
      assert.is_truthy(at, word .. ", in order:\n" .. out)
      from = at
    end
  end)
end)
