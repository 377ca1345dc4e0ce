-- config.lua, policies and templates: what `check` says, what a reload changes, what is never shown.

local daemon = require "support.daemon"
local event = require "support.event"
local process = require "support.process"
local sign = require "support.sign"
local uv = require "luv"
local wait = require "support.wait"

describe("configuring", function()
  local d

  before_each(function() d = daemon.prepare() end)
  after_each(function() d:close() end)

  local function check(...)
    local code, out, err = d:verb("check", ...)
    return code, out .. err
  end

  local function write(name, text, mode)
    daemon.write(d.dir .. "/" .. name, text, mode)
  end

  it("finds nothing wrong with what is right", function()
    local code, said = check()
    assert.same({ 0, true }, { code, said:find "ok" ~= nil }, said)
  end)

  it("ships a config.lua that is valid as it stands, with every gate off", function()
    local code, out, err = process.run({ daemon.program, "--config", "config.lua", "check" }, d.env, uv.cwd())
    assert.equal(0, code, out .. err)
    local _, printed = process.run({ daemon.program, "--config", "config.lua", "print-config" }, d.env, uv.cwd())
    assert.is_truthy(printed:find("cli_executor = false", 1, true))
  end)

  it("names every mistake by its path, at once", function()
    d:configure { agents = { x = { type = "cli", cli = "bash" },
                             y = { type = "cli", cli = "codex", timeout_secs = "15m" } },
                  queue = { pth = "x" }, webhook = { listen = "nowhere" } }
    local code, said = check()
    assert.equal(2, code)
    for _, line in ipairs {
      'agents%.x%.cli: "bash" is not one of codex, claude%-code, opencode', "agents%.y%.timeout_secs: ",
      "queue%.pth: is not an option.*path", "webhook%.listen: ",
    } do
      assert.matches(line, said)
    end
  end)

  it("says it as JSON, too", function()
    d:configure { queue = { pth = "x" } }
    local code, out = d:verb("check", "--json")
    local value = event.json.decode(out)
    assert.same({ 2, false, 1 }, { code, value.ok, #value.mistakes })
  end)

  it("does not serve with a mistake", function()
    d:configure { queue = { pth = "x" } }
    local code, _, said = process.run({ daemon.program, "--config", d.dir .. "/config.lua" }, d.env, "/", 20)
    assert.equal(2, code)
    assert.matches("queue%.pth: is not an option", said)
  end)

  it("an unset variable is a warning for check and a mistake for serving", function()
    d:configure { webhook = { secret = daemon.source 'env "OPW_UNSET"' } }
    local code, said = check()
    assert.same({ 0, true }, { code, said:find "OPW_UNSET" ~= nil }, said)
    local serve_code, _, why = process.run({ daemon.program, "--config", d.dir .. "/config.lua" }, d.env, "/", 20)
    assert.same({ 2, true }, { serve_code, why:find "OPW_UNSET" ~= nil }, why)
  end)

  it("reads secrets from files that nobody else can read, and no others", function()
    write("secret", "s3cret\n")
    d:configure { webhook = { secret = daemon.source(("file %q"):format(d.dir .. "/secret")) } }
    d:start()
    assert.equal(200, d:post((event.issue():edited { people = true })).status)
    d:stop()
    d.child = nil
    assert(uv.fs_chmod(d.dir .. "/secret", 420)) -- 0644
    local code, said = check()
    assert.equal(2, code)
    assert.matches("secret", said)
  end)

  it("refuses a config.lua with a secret in it that others can read", function()
    assert(uv.fs_chmod(d.dir .. "/config.lua", 420))
    local code, said = check()
    assert.equal(2, code)
    assert.matches("webhook%.secret", said)
  end)

  it("a config.lua can do nothing but be read", function()
    for _, bad in ipairs { 'os.execute "id"', 'io.open "/etc/passwd"', 'require "os"', "while true do end", "x = 1" } do
      write("config.lua", bad .. "\nreturn {}")
      local code, said = check()
      assert.equal(2, code, bad)
      assert.matches("config%.lua:1", said)
    end
  end)

  it("prints itself with its defaults, without secrets, so that it can be read again", function()
    d:configure { openpr = { api_url = "http://127.0.0.1:1", token = "opr_hidden" } }
    local code, out = d:verb "print-config"
    assert.equal(0, code)
    assert.is_nil(out:find("s3cret", 1, true) or out:find("opr_hidden", 1, true))
    assert.matches("%*%*%*", out)
    assert.matches("max_attempts = 2", out)
    write("config.lua", out)
    assert.equal(0, (check()))
    local _, again = d:verb "print-config"
    assert.equal(out, again)
  end)

  it("prints the programs that were compiled in", function()
    local code, out = d:verb "whitelist"
    assert.equal(0, code)
    for _, name in ipairs { "codex", "claude%-code", "opencode" } do assert.matches(name, out) end
  end)

  it("says which program is missing", function()
    d:configure { executor = { path = "/nowhere" } }
    local _, said = check()
    assert.matches("claude", said)
  end)

  describe("policies and templates:", function()
    before_each(function()
      for _, name in ipairs { "policies", "templates" } do assert(uv.fs_mkdir(d.dir .. "/" .. name, 448)) end
      d:configure { policies = { dir = d.dir .. "/policies" }, templates = { dir = d.dir .. "/templates" } }
    end)

    it("check says which files are used", function()
      write("policies/route.lua", 'return rules { { "all", when.always, to "default" } }')
      local code, said = check()
      assert.equal(0, code, said)
      assert.is_truthy(said:find(d.dir .. "/policies/route.lua", 1, true))
      assert.matches("/policies/filter%.lua", said)
    end)

    local bad = {
      { "route.lua", '\nreturn rules { { "all", when.always, to "nobody" } }', 'route%.lua:2: no agent "nobody"' },
      { "filter.lua", "return function(event", "filter%.lua:1" },
      { "filter.lua", "return os.execute", "filter%.lua:1.*os" },
      { "filter.lua", "counter = 1\nreturn function() return accept end", "filter%.lua:1" },
      { "filter.lua", "return 42", "filter%.lua" },
    }
    for _, case in ipairs(bad) do
      it(("refuses %s: %s"):format(case[1], case[2]:gsub("\n", " ")), function()
        write("policies/" .. case[1], case[2])
        local code, said = check()
        assert.equal(2, code, said)
        assert.matches(case[3], said)
        local start_code = process.run({ daemon.program, "--config", d.dir .. "/config.lua" }, d.env, "/", 20)
        assert.equal(2, start_code)
      end)
    end

    it("refuses a template with an unknown placeholder, by file and line", function()
      write("templates/default.txt", "Work on this.\n\n{{issue_titel}}\n")
      local code, said = check()
      assert.equal(2, code)
      assert.matches("default%.txt:3.*issue_titel", said)
    end)
  end)

  describe("a reload", function()
    local function signed(secret)
      local body = event.issue():edited { people = true }
      return d:post(body, { ["x-webhook-signature"] = sign.hmac(secret, body) }).status
    end

    it("takes new secrets, and drops old ones", function()
      d:start()
      d:configure { webhook = { secret = "another" } }
      d.child:kill "sighup"
      wait.eventually("the new secret holds", function() return signed "another" == 200 end)
      assert.equal(401, signed(daemon.secret))
    end)

    it("that is bad changes nothing, and is said", function()
      d:start()
      d:configure { webhook = { secret = "another" }, queue = { pth = "x" } }
      local code, out, said = d:verb "reload"
      assert.equal(2, code)
      assert.matches("queue%.pth", out .. said)
      assert.same({ 200, 401 }, { signed(daemon.secret), signed "another" })
      d.child:kill "sighup"
      wait.eventually("it says so", function() return d:log():find("queue.pth", 1, true) end)
      assert.equal(200, signed(daemon.secret))
    end)

    it("of a bad policy leaves the old one in force", function()
      assert(uv.fs_mkdir(d.dir .. "/policies", 448))
      d:configure { policies = { dir = d.dir .. "/policies" } }
      write("policies/filter.lua", 'return rules { { "mine", when.always, ignore } }')
      d:start()
      write("policies/filter.lua", "return function(")
      assert.equal(2, (d:verb "reload"))
      assert.equal("mine", d:post((event.issue():assigned())).json.rule)
    end)
  end)

  it("safe mode in the environment wins over the file: all is decided, nothing is started or sent", function()
    d.env.OPENPR_WEBHOOK_SAFE_MODE = "yes"
    d:start()
    local issue = event.issue()
    local answer = d:post((issue:assigned())).json
    assert.equal("observed", answer.status)
    local refused = d:post((event.issue():task()))
    assert.same({ 503, "observed" }, { refused.status, refused.json.status })
    assert.same({}, d:json("runs", "--json"))
    assert.equal(0, d:stop())
    d.env.OPENPR_WEBHOOK_SAFE_MODE = nil
    d:start()
    local released = d:json("release", "--json", answer.event_id)
    assert.equal("dispatched", released.status)
    assert.equal("success", d:ended(released.run_id, true).outcome)
  end)

  it("finds ./config.lua by itself, and relative paths lie beside it", function()
    local code, out = process.run({ daemon.program, "check" }, d.env, d.dir)
    assert.equal(0, code, out)
    d:start()
    assert.is_truthy(uv.fs_stat(d.dir .. "/state/queue.db"))
    assert.equal("600", ("%o"):format(uv.fs_stat(d.dir .. "/state/queue.db").mode & 511))
    assert.equal("700", ("%o"):format(uv.fs_stat(d.dir .. "/state").mode & 511))
    assert.equal("600", ("%o"):format(uv.fs_stat(d.dir .. "/admin.sock").mode & 511))
  end)
end)
