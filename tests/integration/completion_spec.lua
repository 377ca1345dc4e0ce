-- docker/completion.bash, in a real bash: what is offered after some words.

local daemon = require "support.daemon"
local event = require "support.event"
local openpr = require "support.openpr"
local process = require "support.process"

describe("completion", function()
  local d, o

  setup(function()
    o = openpr.start()
    d = daemon.prepare({}, o):start()
  end)
  teardown(function()
    d:close()
    o:stop()
  end)

  -- What is offered for the last of these words.
  local function offered(...)
    local words = { ... }
    local script = [[
      . "$0"
      COMP_WORDS=("$@")
      COMP_CWORD=$(($# - 1))
      $(complete -p openpr-webhook | sed 's/.*-F \([^ ]*\).*/\1/')
      printf '%s\n' "${COMPREPLY[@]}"
    ]]
    local code, out, err = process.run({ "bash", "-c", script, "docker/completion.bash", daemon.program,
                                         table.unpack(words) }, d.env, nil, 60)
    assert.equal(0, code, err)
    local found = {}
    for word in out:gmatch "[^\n]+" do found[#found + 1] = word end
    return found
  end

  it("offers the verbs", function()
    assert.same({ "runs", "retry", "release", "reload" }, offered "r")
    assert.same({ "print-config", "print-reference" }, offered "print")
    local verbs = 0
    for _ in select(2, d:verb "--help"):gmatch "\n  [%l-]+ " do verbs = verbs + 1 end
    assert.equal(verbs, #offered "")
  end)

  it("offers the options of a verb, and none of another's", function()
    assert.same({ "--config", "--help", "--json", "--report" }, offered("retry", "--"))
    assert.same({ "--json" }, offered("--config", "/etc/x.lua", "check", "--j"))
    assert.same({ "--config", "--help", "--version" }, offered "--")
  end)

  it("offers the runs and events there are", function()
    local answer = d:post((o:knows(event.issue {}):assigned())).json
    d:ended(answer.run_id)
    local config = d.dir .. "/config.lua"
    assert.same({ answer.run_id }, offered("--config", config, "show", ""))
    assert.same({ answer.event_id }, offered("-c", config, "release", answer.event_id:sub(1, 8)))
    assert.same({}, offered("--config", config, "drain", ""))
  end)
end)
