-- The recipes that write prompts and reports.

local testing = require "openpr.testing"

describe("hand-over", function()
  local policies = testing.deploy { dir = "../hand-over" }
  local function told(fields) return policies.callback(testing.run(fields), testing.assigned()) end

  it("puts what is done to a review", function()
    assert.same({ state = "in_progress" }, told { status = "started" })
    assert.same({ state = "in_review", comment = "Fixed it." }, told {})
    assert.equal("Done.", told({ final_text = " " }).comment)
  end)

  it("calls a person for what failed, and for what the agent hands over itself", function()
    assert.same({ state = "todo", comment = "@maintainers: this needs a person.\n\nAgent `default`: timeout." },
      told { status = "timeout" })
    assert.same({ state = "todo", comment = "@maintainers: this needs a person.\n\nNEEDS HUMAN: no access." },
      told { final_text = "NEEDS HUMAN: no access.\n" })
  end)

  it("leaves the state of a mentioned issue alone", function()
    for _, status in ipairs { "started", "success", "failure" } do
      assert.is_nil(told({ kind = "mention", status = status }).state)
    end
  end)
end)

describe("quiet-failures", function()
  local policies = testing.deploy { dir = "../quiet-failures" }
  local function told(fields) return policies.callback(testing.run(fields), testing.assigned()) end

  it("shows nothing of a failing agent's output", function()
    for status, words in pairs { failure = "could not finish", timeout = "took too long",
                                 interrupted = "was interrupted" } do
      assert.same({ state = "todo", comment = ("`default` %s. Somebody will look at it."):format(words) },
        told { status = status, tail = "secret", cause = "secret", final_text = "secret" })
    end
    assert.same({}, told { status = "cancelled" })
  end)

  it("gives the answer of one that succeeded", function()
    assert.same({ state = "in_review", comment = "Fixed it." }, told {})
    assert.same({ comment = "Fixed it." }, told { kind = "mention" })
    assert.same({ state = "in_progress" }, told { status = "started" })
    assert.same({}, told { status = "started", kind = "mention" })
  end)
end)

describe("project-hints", function()
  local policies = testing.deploy { dir = "../project-hints" }

  it("puts a project's hint below the prompt", function()
    local plain = policies.render(testing.assigned()).prompt
    assert.is_nil(plain:find("For this project", 1, true))
    local web = policies.render(testing.assigned { project = { key = "WEB" } }).prompt
    assert.matches("^You are the coding agent default%.", web)
    assert.matches("\n\nFor this project: Run `npm test` before you end%. Do not touch `vendor/`%.\n$", web)
  end)

  it("does so for mentions", function()
    local event = testing.mentioned { project = { key = "API" }, completion = testing.completion() }
    local prompt = policies.render(event).prompt
    assert.matches("mentioned you in a comment", prompt)
    assert.matches("\n\nFor this project: Run `make check`", prompt)
  end)
end)
