-- config.lua as the operator sees it, through the loader that core/config calls.  What needs a machine (the limits,
-- modes of real files, folders) is in tests/unit/config/.

local loader = require "openpr.config_loader"

local SECRET = "correct-horse-battery"

-- A host whose one file is the text; env and files (text and mode by path) can be added.
local function host_of(text, options)
  local env = { OPENPR_WEBHOOK_SECRET = SECRET, OPENPR_BOT_TOKEN = "opr_token" }
  for name, value in pairs(options.env or {}) do env[name] = value or nil end
  local files = { ["/etc/app/config.lua"] = { text, options.mode or 384 } } -- 0600
  for path, file in pairs(options.files or {}) do files[path] = file end
  return {
    getenv = function(name) return env[name] end,
    readfile = function(path)
      if not files[path] then return nil, "No such file or directory" end
      return files[path][1], nil, files[path][2]
    end,
    json_decode = function(value) return value end,
    json_encode = function(value) return value end,
  }
end

local function load_text(text, options)
  options = options or {}
  local request = { path = "/etc/app/config.lua", folder = "/etc/app", client = options.client,
                    executors = { "codex", "claude-code", "opencode", "plain" },
                    reporters = { "codex", "claude-code", "opencode" }, variables = { "LD_*", "ENV" } }
  return loader.load(request, host_of(text, options))
end

local WEBHOOK = 'webhook = { secret = env "OPENPR_WEBHOOK_SECRET" }, '

local function load_table(fields, options) return load_text("return { " .. WEBHOOK .. fields .. " }", options) end

local function mistakes(fields, options)
  local report = load_table(fields, options)
  assert.is_nil(report.failure)
  table.sort(report.mistakes)
  return report.mistakes
end

local function failure(text, options) return load_text(text, options).failure end

describe("config.lua", function()
  it("is shipped without a mistake, and starts nothing", function()
    local file = assert(io.open "config.lua")
    local report = load_text(file:read "a")
    file:close()
    assert.is_nil(report.failure)
    assert.same({}, report.mistakes)
    assert.same({}, report.warnings)
    assert.is_false(report.config.features.cli_executor)
    assert.equal(SECRET, report.config.webhook.secrets[1])
    assert.same({}, { report.config.tunnel })
  end)

  it("is shipped so that what it lacks is only its two variables", function()
    local file = assert(io.open "config.lua")
    local report = load_text(file:read "a", { env = { OPENPR_WEBHOOK_SECRET = false, OPENPR_BOT_TOKEN = false } })
    file:close()
    table.sort(report.mistakes)
    assert.same({ "openpr.token: environment variable OPENPR_BOT_TOKEN is not set",
                  "webhook.secret: environment variable OPENPR_WEBHOOK_SECRET is not set" }, report.mistakes)
  end)

  it("can use the sample of its documentation", function()
    local file = assert(io.open "docs/config.md")
    local sample = file:read("a"):match "```lua\n(.-)```"
    file:close()
    local report = load_text(sample, { env = { CODEX_API_KEY = "sk-1234567890" } })
    assert.is_nil(report.failure)
    assert.same({}, report.mistakes)
  end)

  it("takes the table that the design publishes, but for what this build lacks", function()
    assert.same({}, mistakes [[
      features = { cli_executor = false, wss_tunnel = false, webhook_forward = false, custom_agent = false },
      executor = { working_dir = "/opt/repos", timeout_secs = 900, safe_mode = false, max_concurrent = 2 },
      openpr   = { api_url = "http://127.0.0.1:8081", token = env "OPENPR_BOT_TOKEN", callback = "api" },
      agents   = { default = { type = "cli", cli = "claude-code", prompt_template = "default.txt" } },
      tunnel   = { url = "wss://openpr.example.com/api/v1/agent-tunnel", agent_id = "host-1", token = "a-token",
                   hmac_secret = "tunnel-secret-0123" },
      queue    = { path = "/var/lib/openpr-webhook/queue.db" },
      policies = { dir = "policies", time_limit = 50 * milliseconds, memory_limit = 16 * MiB },
      admin    = { listen = "unix:/run/openpr-webhook/admin.sock" }]])
  end)

  it("has units", function()
    local config = load_table([[queue = { max_output = 2 * GiB, keep_days = 1 },
      executor = { timeout_secs = 2 * hours + 3 * minutes + 4 * seconds }, policies = { time_limit = 7 * milliseconds,
      memory_limit = 3 * MiB + 5 * KiB }]]).config
    assert.same({ 2 << 30, 86400000, 7384000, 7, (3 << 20) + (5 << 10) },
                { config.queue.max_output, config.queue.keep_days, config.executor.timeout_secs,
                  config.policies.time_limit, config.policies.memory_limit })
  end)

  local listens = {
    { "0.0.0.0:8091", true }, { "localhost:0", true }, { "[::1]:8091", true }, { "[::]:65535", true },
    { "8091", false }, { ":8091", false }, { "::1:8091", false }, { "h:65536", false }, { "h:-1", false },
    { "h:", false }, { "h:80a", false }, { "a b:80", false }, { "h:0x50", false }, { "http://h:80", false },
  }
  for _, case in ipairs(listens) do
    it((case[2] and "listens on %s" or "cannot listen on %s"):format(case[1]), function()
      local report = load_text(('return { webhook = { secret = %q, listen = %q } }'):format(SECRET, case[1]))
      assert.equal(case[2] and 0 or 1, #report.mistakes)
    end)
  end

  local urls = {
    { "http://127.0.0.1:8081", true }, { "https://openpr.example.com/base/", true }, { "http://[::1]:80", true },
    { "ftp://h", false }, { "http://", false }, { "http:///x", false }, { "http://:80", false },
    { "http://h:99999", false }, { "h:80", false }, { "http://h/?a=b", false }, { "http://h/#x", false },
    { "http://h h", false }, { "HTTP://h", false },
  }
  for _, case in ipairs(urls) do
    it((case[2] and "reports to %s" or "cannot report to %s"):format(case[1]), function()
      assert.equal(case[2] and 0 or 1, #mistakes(('openpr = { api_url = %q, token = "t-o-k" }'):format(case[1])))
    end)
  end

  it("takes the slash off the end of a URL", function()
    assert.equal("http://h/base", load_table('openpr = { api_url = "http://h/base//" }').config.openpr.api_url)
  end)

  it("takes files of templates by name alone", function()
    for _, name in ipairs { "../x", "a/b", "/etc/passwd", ".hidden", "..", "" } do
      local agent = ('{ type = "cli", cli = "codex", working_dir = "/", prompt_template = %q }'):format(name)
      local list = mistakes("agents = { a = " .. agent .. " }")
      assert.equal(1, #list, name)
      assert.matches("^agents%.a%.prompt_template: ", list[1])
    end
  end)

  it("looks programs up in whole paths alone", function()
    for _, path in ipairs { "bin", ".", "/bin:", ":/bin", "/bin::/usr/bin", "/bin:bin" } do
      assert.equal(1, #mistakes(('executor = { path = %q }'):format(path)), path)
    end
    assert.same({}, mistakes 'executor = { path = "/bin:/usr/bin" }')
    local function path(value) return load_table("", { env = { PATH = value } }).config.executor.path end
    assert.equal("/bin:/usr/bin", path "/bin::.:/usr/bin:bin:")
    assert.equal("/usr/local/bin:/usr/bin:/bin", path ".")
    assert.equal("/usr/local/bin:/usr/bin:/bin", path(false))
  end)

  it("takes an address for the admin listener only with a token, and only of this machine", function()
    local function admin(text) return mistakes("admin = { " .. text .. " }") end
    local token = 'token = "0123456789abcdef"'
    assert.same({ "admin.token: is required with an address and port; `openssl rand -hex 32` makes one" },
                admin 'listen = "127.0.0.1:8092"')
    for _, host in ipairs { "127.0.0.1", "localhost", "[::1]", "127.1.2.3" } do
      assert.same({}, admin(('listen = "%s:8092", %s'):format(host, token)), host)
    end
    for _, host in ipairs { "0.0.0.0", "[::]", "192.168.1.1", "box.lan", "127.0.0.1.evil.example" } do
      assert.matches("^admin%.listen: is an address that other machines reach",
                     admin(('listen = "%s:8092", %s'):format(host, token))[1], 1, host)
      assert.same({}, admin(('listen = "%s:8092", allow_remote = true, %s'):format(host, token)), host)
    end
    assert.matches("fewer than 16 bytes", admin('listen = "127.0.0.1:8092", token = "0123456789abcde"')[1])
    for _, wrong in ipairs { "127.0.0.1:0", "127.0.0.1", "unix:", "./admin.sock", "127.0.0.1:99999" } do
      assert.equal(1, #admin(('listen = "%s", %s'):format(wrong, token)), wrong)
    end
    local config = load_table('admin = { listen = "127.0.0.1:8092", ' .. token .. " }").config
    assert.same({ "127.0.0.1:8092", nil }, { config.admin.address, config.admin.socket })
  end)

  it("knows how to log", function()
    assert.same({ format = "logfmt", level = "info" }, load_table("").config.log)
    assert.same({ format = "json", level = "warn" }, load_table('log = { format = "json", level = "warn" }').config.log)
    assert.equal(2, #mistakes 'log = { format = "xml", level = "loud" }')
  end)

  it("keeps the path of the socket within what the system takes", function()
    assert.same({}, mistakes(('admin = { listen = "unix:/%s" }'):format(("x"):rep(106))))
    assert.equal(1, #mistakes(('admin = { listen = "unix:/%s" }'):format(("x"):rep(107))))
    assert.equal("/etc/app/a.sock", load_table('admin = { listen = "unix:./a.sock" }').config.admin.socket)
  end)

  it("needs room for at least one body", function()
    local report = load_text(('return { webhook = { secret = %q, max_body = 8 * MiB, max_unverified = 4 * MiB } }')
                             :format(SECRET))
    assert.same({ "webhook.max_unverified: is less than webhook.max_body: no body of that size could ever arrive" },
                report.mistakes)
  end)

  it("has no allow_unsigned, and says what there is instead", function()
    local function of(fields) return load_text("return { " .. fields .. " }").mistakes end
    assert.same({ "webhook.allow_unsigned: is not an option: what is not signed with webhook.secret is never taken" },
                of 'webhook = { secret = env "OPENPR_WEBHOOK_SECRET", allow_unsigned = true }')
    assert.same({ "security: is not an option: the secret that events are signed with is webhook.secret" },
                of 'webhook = { secret = env "OPENPR_WEBHOOK_SECRET" }, security = { allow_unsigned = true }')
  end)

  it("lets variables that put foreign code into a program be set for full permissions alone", function()
    local function agent(more)
      return 'executor = { working_dir = "/" }, agents = { a = { type = "cli", cli = "codex", ' .. more .. " } }"
    end
    assert.same({ 'agents.a.env.ENV: puts foreign code into the program: it needs permissions = "full"',
                  'agents.a.env.LD_PRELOAD: puts foreign code into the program: it needs permissions = "full"' },
                mistakes(agent 'env = { LD_PRELOAD = "/x.so", ENV = "/x", ENVY = "1", PATH = "/opt/bin:/bin" }'))
    assert.same({}, mistakes(agent 'permissions = "full", env = { LD_PRELOAD = "/x.so" }'))
  end)

  describe("an agent that reports itself", function()
    local OPENPR = 'openpr = { api_url = "http://h", mcp_url = "http://h/mcp", token = "a-token-1", '
      .. 'bots = { other = { token = "a-token-2" } } }, '
    local function agent(more, openpr)
      return (openpr or OPENPR) .. 'executor = { working_dir = "/" }, '
        .. 'agents = { a = { type = "cli", cli = "codex", ' .. more .. " } }"
    end

    it("needs a token of its own, both addresses, and a program that can", function()
      assert.same({}, mistakes(agent 'reports = "agent", mcp_token = "a-token-3"'))
      assert.same({ 'agents.a.mcp_token: is required: agents.a has reports = "agent"' },
                  mistakes(agent 'reports = "agent"'))
      assert.same({ 'openpr.api_url: is required: agents.a has reports = "agent"',
                    'openpr.mcp_url: is required: agents.a has reports = "agent"' },
                  mistakes(agent('reports = "agent", mcp_token = "a-token-3"', "")))
      assert.same({ "agents.a.mcp_token: is openpr.token: the agent needs one of its own" },
                  mistakes(agent 'reports = "agent", mcp_token = "a-token-1"'))
      assert.same({ "agents.a.mcp_token: is openpr.bots.other.token: the agent needs one of its own" },
                  mistakes(agent 'reports = "agent", mcp_token = "a-token-2"'))
      assert.same({ "agents.a.reports: plain cannot be given an MCP server here" },
                  mistakes((agent('reports = "agent", mcp_token = "a-token-3"'):gsub('"codex"', '"plain"'))))
    end)

    it("keeps its token among the secrets, and never defaults it", function()
      local report = load_table(agent 'reports = "agent", mcp_token = "a-token-3"')
      local found = false
      for _, secret in ipairs(report.secrets) do found = found or secret == "a-token-3" end
      assert.is_true(found)
      assert.is_nil(report.printed:find("a-token-3", 1, true))
      assert.is_nil(load_table(agent "").config.agents[1].mcp_token)
      assert.matches("is not used", table.concat(load_table(agent 'mcp_token = "a-token-3"').warnings, "\n"))
    end)
  end)

  it("gives every agent its folder and its limit", function()
    local config = load_table([[executor = { working_dir = "work", timeout_secs = 60 }, agents = {
      b = { type = "cli", cli = "codex" },
      a = { type = "cli", cli = "codex", working_dir = "/own", timeout_secs = 5 } }]]).config
    local a, b = config.agents[1], config.agents[2]
    assert.same({ "a", "/own", 5000, "agents.a.working_dir" },
                { a.name, a.working_dir, a.timeout_secs, a.directory_key })
    assert.same({ "b", "/etc/app/work", 60000, "executor.working_dir" },
                { b.name, b.working_dir, b.timeout_secs, b.directory_key })
  end)

  it("joins what came from outside to other texts", function()
    local report = load_table('openpr = { api_url = "http://" .. env "HOST", token = "opr_" .. env "HALF" }',
                              { env = { HOST = "h", HALF = "half-of-a-token" }, mode = 420 }) -- 0644
    assert.same({}, report.mistakes)
    assert.equal("opr_half-of-a-token", report.config.openpr.token)
  end)

  it("reports a joined text whose variable is not set", function()
    assert.same({ "openpr.api_url: environment variable HOST is not set" },
                mistakes 'openpr = { api_url = "http://" .. env "HOST" .. ":80", token = "t-o-k" }')
  end)

  it("reads secrets from files relative to itself", function()
    local options = { files = { ["/etc/app/s/token"] = { "opr_from_file\r\n\n", 256 } } } -- 0400
    assert.equal("opr_from_file", load_table('openpr = { api_url = "http://h", token = file "s/token" }', options)
                 .config.openpr.token)
  end)

  it("lets the container keep secrets that all in it can read", function()
    local options = { files = { ["/run/secrets/token"] = { "opr_from_file", 292 },     -- 0444
                                ["/run/secretsx/token"] = { "opr_from_file", 292 } } }
    local function with(path)
      return mistakes(('openpr = { api_url = "http://h", token = file %q }'):format(path), options)
    end
    assert.same({}, with "/run/secrets/token")
    assert.same({ "openpr.token: file /run/secretsx/token: may be read by others: chmod o-r '/run/secretsx/token'" },
                with "/run/secretsx/token")
  end)

  it("says what is wrong with a file that is no table", function()
    local cases = {
      { "", ": must return a table, as return { webhook = { ... } }, but returned nothing" },
      { "webhook = {}", ":1: webhook is assigned: write return { webhook = ... }" },
      { "return {\n", ":2: unexpected symbol at the end of the file" },
      { "return {\n a = 1\n", ":3: '}' expected (to close '{' at line 1) at the end of the file" },
      { "return { a = 1 * secons }", ':1: "secons" is not known here; did you mean seconds?' },
    }
    for _, case in ipairs(cases) do assert.equal("/etc/app/config.lua" .. case[2], failure(case[1])) end
    assert.matches("^/etc/app/config.lua:1: attempt to ", failure "return { a = {} .. 'x' }")
  end)

  it("has no way out", function()
    for name in ("os io require load string setmetatable getmetatable pcall _G host debug"):gmatch "%S+" do
      assert.matches("^/etc/app/config.lua:1: a name that is not known here", failure("return " .. name))
    end
    assert.matches("attempt to", failure "return (nil)()")
    assert.matches("must return a table", failure "local t = _ENV return t")
    assert.same({ "queue: expected a table, got a table" }, mistakes "queue = _ENV")
    assert.matches("a name is assigned", failure "x = 1")
  end)
end)
