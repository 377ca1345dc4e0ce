local testing = require "openpr.testing"

local policies = testing.deploy()

local function told(fields) return policies.callback(testing.run(fields), testing.assigned()) end

local function has(whole, part) assert.is_truthy(whole:find(part, 1, true), whole) end

describe("policies/callback.lua", function()
  it("sets in_progress when an assignment starts, and says nothing", function()
    assert.same({ state = "in_progress" }, told { status = "started" })
  end)

  it("says nothing at all when a mention starts", function()
    assert.same({}, told { status = "started", kind = "mention" })
    assert.same({}, told { status = "started", kind = "other" })
  end)

  it("gives a success's final text and sets done", function()
    local report = told { final_text = "\nFixed **it**.\n", input_tokens = 1200, output_tokens = 345,
                          cost_usd = 0.4249 }
    assert.equal("done", report.state)
    assert.equal("Fixed **it**.\n\n---\nAgent `default` finished after 2 min 5 s, with 1200 tokens read and 345 "
      .. "written, for $0.42.", report.comment)
  end)

  it("answers a mention by a comment alone", function()
    for _, kind in ipairs { "mention", "other" } do
      local report = told { kind = kind }
      assert.is_nil(report.state)
      has(report.comment, "Fixed it.")
    end
  end)

  it("leaves out what is not known", function()
    local run = testing.run()
    run.duration = nil
    local report = policies.callback(run, testing.assigned())
    assert.equal("Fixed it.\n\n---\nAgent `default` finished.", report.comment)
  end)

  it("tells time in words", function()
    for ms, words in pairs { [400] = "0 s", [59400] = "59 s", [60000] = "1 min 0 s", [3599999] = "59 min 59 s",
                             [3600000] = "1 h 0 min", [9000500] = "2 h 30 min" } do
      has(told({ duration = ms }).comment, "finished after " .. words .. ".")
    end
  end)

  it("shows the output of an agent that said nothing", function()
    local report = told { final_text = " \n", tail = "last\n```\nlines" }
    has(report.comment, "Agent `default` left no final message. The end of its output:\n\n"
      .. "````text\nlast\n```\nlines\n````")
    assert.equal("done", report.state)
    has(told({ final_text = "", tail = "" }).comment, "It printed nothing.")
  end)

  it("closes the code that an agent left open", function()
    has(told({ final_text = "See:\n```lua\nx = 1" }).comment, "```lua\nx = 1\n```\n\n---\nAgent")
  end)

  local ends = { failure = "failed", timeout = "ran out of time", cancelled = "was stopped",
                 interrupted = "was interrupted" }
  for status, words in pairs(ends) do
    it("says how it ended and why, and leaves the state alone: " .. status, function()
      local report = told { status = status, outcome = status, exit_code = 3, cause = "API error 401\n`x`",
                            tail = "trying\nfailed", final_text = "not said" }
      assert.is_nil(report.state)
      assert.equal("**Agent `default` " .. words .. "** after 2 min 5 s.\n\nCause: `` API error 401 `x` ``\n\n"
        .. "Exit code: 3\n\nThe end of its output:\n\n```text\ntrying\nfailed\n```", report.comment)
    end)
  end

  it("names the signal that ended a run", function()
    local report = told { status = "failure", signal = 9 }
    assert.matches("^%*%*Agent `default` failed%*%* after 2 min 5 s%.\n\nIt was ended by signal 9%.\n\n",
      report.comment)
    assert.is_nil(report.comment:find "Exit code")
  end)

  it("says no more than is known of a bad end", function()
    local report = policies.callback({ run_id = "x", status = "interrupted", agent = "default", kind = "assignment" },
      testing.assigned())
    assert.equal("**Agent `default` was interrupted**.\n\nIt printed nothing.", report.comment)
  end)

  it("shows at most 4 KiB of the output, in whole characters", function()
    local comment = told({ status = "failure", tail = "start" .. ("é"):rep(100000) }).comment
    assert.is_true(#comment < 5000)
    assert.is_nil(comment:find("start", 1, true))
    assert.is_truthy(utf8.len(comment))
  end)

  it("bounds a comment, and its end stays ours", function()
    for _, final in ipairs { ("x"):rep(200000), ("```\n"):rep(30001), ("é`"):rep(60000), ("`"):rep(200000) } do
      local comment = told({ final_text = final }).comment
      assert.is_true(#comment <= 64 * 1024)
      assert.matches("%(cut: the message was longer%)\n\n%-%-%-\nAgent `default` finished after 2 min 5 s%.$", comment)
    end
    for _, tail in ipairs { ("`"):rep(300000), ("`\n"):rep(100000) } do
      assert.is_true(#told({ status = "timeout", tail = tail }).comment <= 64 * 1024)
    end
  end)

  it("has one line that puts a failed issue back", function()
    local file = assert(io.open "policies/callback.lua")
    local source, count = file:read("a"):gsub("\n  %-%- (failure = \"todo\",)", "\n  %1")
    file:close()
    assert.equal(1, count)
    local changed = testing.deploy { files = { ["policies/callback.lua"] = source } }
    local report = changed.callback(testing.run { status = "failure" }, testing.assigned())
    assert.equal("todo", report.state)
    assert.is_nil(changed.callback(testing.run { status = "failure", kind = "mention" }, testing.mentioned()).state)
  end)

  it("reports for every event that may have started a run", function()
    local events = { testing.created(), testing.mentioned(), testing.task(), testing.task "comment_requested" }
    for _, event in ipairs(events) do
      for _, status in ipairs { "success", "failure", "timeout", "cancelled", "interrupted" } do
        assert.is_string(policies.callback(testing.run { status = status }, event).comment)
      end
    end
  end)
end)
