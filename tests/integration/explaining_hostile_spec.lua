-- `explain`, attacked: secrets, terminals, policies that fail and spin, events of any size and shape.

local daemon = require "support.daemon"
local event = require "support.event"
local openpr = require "support.openpr"

local KEY = "sk-explain-0123456789"

describe("explain, attacked,", function()
  local d, o

  before_each(function()
    o = openpr.start()
    d = daemon.prepare({ agents = { default = { env = { PROVIDER_KEY = KEY } } } }, o)
  end)
  after_each(function()
    d:close()
    o:stop()
  end)

  local function write(name, text)
    daemon.write(d.dir .. "/" .. name, text)
    return d.dir .. "/" .. name
  end

  local function explained(body, ...) return d:json("explain", "--json", write("event.json", body), ...) end

  it("shows no secret, not even one that the issue quotes", function()
    local issue = event.issue { title = "Is it " .. KEY .. "?", description = daemon.secret .. " and " .. o.token }
    write("event.json", (issue:assigned()))
    for _, json in ipairs { "--json", false } do
      local code, out = d:verb("explain", d.dir .. "/event.json", json or nil)
      assert.equal(0, code)
      assert.is_nil(out:find(KEY, 1, true))
      assert.is_nil(out:find(o.token, 1, true))
      assert.matches("%[secret%]", out)
      assert.matches("PROVIDER_KEY", out)
    end
  end)

  it("lets no text of a stranger steer the terminal", function()
    local evil = "a\27[2Jbc\u{9b}31m\u{202e}d\7\8\r\127e"
    local issue = event.issue { title = evil, description = evil }
    write("route.lua", [[return rules { { "t", when.field "issue.title", to "default" } }]])
    d:configure { policies = { dir = d.dir } }
    local code, out, why = d:verb("explain", write("event.json", (issue:assigned())))
    assert.equal(0, code, why)
    assert.matches("a%?%[2Jb", out)
    assert.is_nil(out:find "[\0-\8\11-\31\127]")
    assert.is_nil(out:find("\u{9b}", 1, true))
    assert.is_nil(out:find("\u{202e}", 1, true))
  end)

  describe("of bad policies", function()
    local function with(filter)
      write("filter.lua", filter)
      d:configure { policies = { dir = d.dir } }
      return (event.issue():assigned())
    end

    it("names the line that raises, after the rules before it", function()
      local result = explained(with [[return rules {
        { "first", when.gone, accept },
        { "bad", function(event) return event.nothing.here end, accept } }]])
      assert.same({ "hold", "held", 202 }, { result.decision.verdict, result.answer.status, result.answer.http })
      assert.matches("policies/filter.lua:3: .*nothing", result.failure)
      assert.same({ "first", "bad" }, { result.policies[1].tried[1].rule, result.policies[1].tried[2].rule })
      local _, out = d:verb("explain", d.dir .. "/event.json")
      assert.matches("2 fails +bad", out)
    end)

    it("ends one that spins, and says where", function()
      local places = { ["while true do end"] = "policies/filter.lua:1: took longer",
                       ["return (('a'):rep(60000):find '.-.-.-b')"] = 'policies/filter.lua, rule "spins": took' }
      for spin, where in pairs(places) do
        local result = explained(with(('return rules { { "spins", function() %s end, accept } }'):format(spin)))
        assert.equal("held", result.answer.status)
        assert.matches("policies/filter.lua", result.decision.reason)
        local said = table.concat(result.warnings, "\n")
        -- On a busy machine the worker's own timer may be the first to notice, and names the rule.
        assert.is_truthy(said:find(where, 1, true) or said:find('rule "spins": no answer', 1, true)
          or said:find('rule "spins": took longer', 1, true), said)
      end
    end)

    it("shows the built-in report where the callback fails, and the problem where render does", function()
      write("callback.lua", "return function() error 'no words' end")
      write("render.lua", "return function() error 'no prompt' end")
      local result = explained(with "return function() return accept end")
      local run = result.runs[1]
      assert.matches("no prompt", run.problems[1])
      assert.is_false(run.starts)
      assert.matches("no words", run.reports.failure.failure)
      assert.matches("Agent default: failure", run.reports.failure.comment)
    end)
  end)

  describe("of hostile events", function()
    it("takes a large one", function()
      local body = event.issue { title = ("t"):rep(100000), description = ("d"):rep(3 * 1024 * 1024) }:assigned()
      local result = explained(body)
      assert.equal("dispatched", result.answer.status)
      assert.is_true(#event.json.encode(result.policies) < 100000)
      local code, out = d:verb("explain", d.dir .. "/event.json")
      assert.equal(0, code)
      assert.is_true(#out < 100000)
      assert.matches("bytes more", out)
    end)

    it("refuses what is none, as the webhook does", function()
      for body, why in pairs { ["{"] = "JSON", ["[" .. ("["):rep(100) .. ("]"):rep(100) .. "]"] = "deep", [""] = "JSON",
                               ['{"event":"x"}'] = "`id`" } do
        local code, out, said = d:verb("explain", write("event.json", body))
        assert.same({ 1, "" }, { code, out })
        assert.matches("400", said)
        assert.matches(why, said)
      end
      local result = explained '{"hello":1}'
      assert.same({ 200, "ignored" }, { result.answer.http, result.answer.status })
      assert.equal(0, (d:verb("explain", d.dir .. "/event.json")))
    end)

    it("with 10,000 rules tells the last one and how many are left out", function()
      local parts = { "return rules {" }
      for n = 1, 10000 do parts[#parts + 1] = ("{ 'rule %d', when.event 'x' & when.human, accept },"):format(n) end
      parts[#parts + 1] = "{ 'at last', when.always, ignore 'enough' } }"
      write("filter.lua", table.concat(parts, "\n"))
      d:configure { policies = { dir = d.dir, time_limit = 5 } }
      local result = explained((event.issue():assigned()))
      assert.same({ "at last", 500, 9501 },
        { result.decision.rule, #result.policies[1].tried, result.policies[1].left_out })
      local _, out = d:verb("explain", d.dir .. "/event.json")
      assert.matches("9501 more were tried", out)
    end)
  end)
end)
