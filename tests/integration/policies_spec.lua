-- The specs of the shipped policies and of policies/examples/, by `openpr-webhook test`: in real workers.

local cjson = require "cjson"
local daemon = require "support.daemon"
local process = require "support.process"
local uv = require "luv"

-- A sanitizer makes a worker some ten times slower; these specs are not about time.
local LIMIT = daemon.sanitized and 2000 or 200

local function run(specs)
  local d = daemon.prepare { policies = { dir = uv.cwd() .. "/policies", time_limit = LIMIT / 1000 },
                             templates = { dir = uv.cwd() .. "/templates" } }
  d.env.PATH = os.getenv "PATH"
  local code, out, err = process.run({ daemon.program, "--config", d.dir .. "/config.lua", "test", "--json", specs },
                                     d.env, uv.cwd(), 240)
  d:close()
  local ok, told = pcall(cjson.decode, out)
  return ok and told or { tests = {}, coverage = {} }, code, err
end

-- Specs of which at least so many are tests, and the policies that they are about, for `ls`.
local function check(what, specs, least, wanted)
  describe(what .. ", in real workers:", function()
    local told, code, err = run(specs)

    for _, test in ipairs(told.tests) do
      it(test.name, function() assert.equal("success", test.status, test.message) end)
    end

    it("all of them ran", function()
      assert.equal(0, code, err)
      assert.is_true(#told.tests >= least)
    end)

    it("every policy is counted", function()
      local counted, there = {}, {}
      for _, file in ipairs(told.coverage) do counted[#counted + 1] = file.file end
      local pipe = assert(io.popen("ls " .. wanted .. " | LC_ALL=C sort"))
      for path in pipe:lines() do there[#there + 1] = path end
      pipe:close()
      assert.same(there, counted)
    end)

    for _, file in ipairs(told.coverage) do
      it("run every line of " .. file.file, function() assert.same({}, file.missed, file.error) end)
      it("come to every rule of " .. file.file, function() assert.same({}, file.never_decided or {}) end)
    end
  end)
end

check("the shipped policies", "tests/spec/policies", 150, "policies/*.lua")
check("the recipes", "policies/examples/spec", 80, "policies/examples/*/*.lua | grep -v /spec/")
