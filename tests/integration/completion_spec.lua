-- `completion bash` in a real bash, and `completion zsh` in a real zsh: what is offered after some words.

local daemon = require "support.daemon"
local event = require "support.event"
local openpr = require "support.openpr"
local process = require "support.process"

local function names(list, pattern)
  local found = {}
  for name in list:gmatch(pattern) do found[#found + 1] = name end
  return found
end

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
      . <("$1" completion bash)
      COMP_WORDS=("$@")
      COMP_CWORD=$(($# - 1))
      $(complete -p openpr-webhook | sed 's/.*-F \([^ ]*\).*/\1/')
      printf '%s\n' "${COMPREPLY[@]}"
    ]]
    local argv = { "bash", "-c", script, "bash", daemon.program, table.unpack(words) }
    local code, out, err = process.run(argv, d.env, nil, 60)
    assert.equal(0, code, err)
    local found = {}
    for word in out:gmatch "[^\n]+" do found[#found + 1] = word end
    return found
  end

  it("offers the verbs", function()
    assert.same({ "rules", "replay", "runs", "retry", "release", "reload" }, offered "r")
    assert.same({ "print-config", "print-reference" }, offered "print")
    assert.same(names(select(2, d:verb "--help"), "\n  ([%l-]+) "), offered "")
  end)

  it("offers the options of a verb, and none of another's", function()
    assert.same({ "--config", "--help", "--json", "--report" }, offered("retry", "--"))
    assert.same({ "--json" }, offered("--config", "/etc/x.lua", "check", "--j"))
    assert.same({ "--config", "--help", "--version" }, offered "--")
    for _, verb in ipairs(names(select(2, d:verb "--help"), "\n  ([%l-]+) ")) do
      local options = names(select(2, d:verb(verb, "--help")), "\n  (%-%-[%l-]+)")
      assert.same({ "--config", "--help", table.unpack(options) }, offered(verb, "--"), verb)
    end
  end)

  it("offers what an option or a verb can have", function()
    assert.same({ "issue.assigned" }, offered("send", "--example", "issue.as"))
    assert.same({}, offered("runs", "--limit", ""))
    assert.same({ "bash", "zsh" }, offered("completion", ""))
    assert.same({ "retry" }, offered("--limit", "5", "ret"))
  end)

  it("offers the runs and events there are", function()
    local answer = d:post((o:knows(event.issue {}):assigned())).json
    d:ended(answer.run_id)
    local config = d.dir .. "/config.lua"
    assert.same({ answer.run_id }, offered("--config", config, "show", ""))
    assert.same({ answer.event_id }, offered("-c", config, "release", answer.event_id:sub(1, 8)))
    assert.same({}, offered("--config", config, "drain", ""))
  end)

  it("knows no other shell", function()
    local code, out, why = d:verb("completion", "fish")
    assert.same({ 2, "" }, { code, out })
    assert.matches("bash and zsh", why)
  end)

  -- Typed into a zsh that has a terminal: what stands on the line after <Tab>.
  local function typed(line)
    local script = [[
      zmodload zsh/zpty
      zpty shell zsh -f -i
      zpty -w shell "PS1=; bindkey -e; autoload -Uz compinit; compinit -u -D -d $2/zcompdump"
      zpty -w shell "eval \"\$($1 completion zsh)\"; openpr-webhook() { $1 \"\$@\" }"
      zpty -w shell "tell() { print -r -- \"<\$BUFFER>\" >$2/new; mv $2/new $2/typed }; zle -N tell; bindkey '^T' tell"
      zpty -w shell "print -r -- re''ady"
      zpty -r shell seen "*ready*"
      rm -f $2/typed
      zpty -n -w shell "$3"$'\t\C-t'
      for ((i = 0; i < 500; i++)); do
        [ -e $2/typed ] && break
        sleep 0.1
      done
      zpty -d shell
    ]]
    local env = { TERM = "dumb", COLUMNS = "200" }
    for name, value in pairs(d.env) do env[name] = value end
    local code, _, err = process.run({ "zsh", "-fc", script, "zsh", daemon.program, d.dir, line }, env, nil, 60)
    assert.equal(0, code, err)
    local file = assert(io.open(d.dir .. "/typed"))
    local text = file:read "a"
    file:close()
    return (text:match "^<(.-) ?>")
  end

  it("works in zsh as well", function()
    assert.equal("openpr-webhook drain", typed "openpr-webhook dra")
    assert.equal("openpr-webhook re", typed "openpr-webhook re") -- more than one
    assert.equal("openpr-webhook release --discard", typed "openpr-webhook release --d")
    assert.equal("openpr-webhook send --example issue.assigned", typed "openpr-webhook send --example issue.as")
    assert.equal("openpr-webhook completion zsh", typed "openpr-webhook completion z")
    local answer = d:post((o:knows(event.issue {}):assigned())).json
    d:ended(answer.run_id)
    local line = ("openpr-webhook --config %s/config.lua release "):format(d.dir)
    assert.equal(line .. answer.event_id, typed(line .. answer.event_id:sub(1, 30)))
  end)
end)
