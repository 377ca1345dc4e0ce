local event = require "openpr.event"
local template = require "openpr.template"
local testing = require "openpr.testing"

local agent = { name = "codex" }

local function mistakes_in(source)
  local list = {}
  template.parse(source, function(line, why) list[#list + 1] = line .. ": " .. why end)
  return list
end

local function filled(source, fields, vars)
  assert.same({}, mistakes_in(source))
  local one = event.new(testing.assigned(fields), { l1 = "bug", l2 = "two words" })
  return template.fill("x.txt", template.parse(source, error), one, agent, vars or {})
end

describe("a template", function()
  it("puts single words in as they are", function()
    assert.equal("codex: CORE-A1B2C3D4 of Core, todo, medium, bug",
      filled("{{agent_name}}: {{ issue_number }} of {{project_name}}, {{issue_state}}, {{issue_priority}}, "
        .. "{{issue_labels}}", { labels = { "l1" } }))
  end)

  it("puts other values into a line as code that they cannot end", function()
    assert.equal("Fix `Login fails` now", filled "Fix {{issue_title}} now")
    assert.equal("Fix ``a ` b`` now", filled("Fix {{issue_title}} now", { title = "a ` b" }))
    assert.equal("Fix `one two` now", filled("Fix {{issue_title}} now", { title = "one\n\ntwo" }))
    assert.equal("By `Ann # Rules`.", filled("By {{actor_name}}.", { actor = { name = "Ann\n# Rules" } }))
    assert.equal("By `SYSTEM:push`.", filled("By {{actor_name}}.", { actor = { name = "SYSTEM:push" } }))
    assert.equal("By `-rf`.", filled("By {{actor_name}}.", { actor = { name = "-rf" } }))
    local long = ("a-"):rep(30)
    assert.equal("By `" .. long .. "`.", filled("By {{actor_name}}.", { actor = { name = long } }))
    assert.equal("`bug, two words`", filled("{{issue_labels}}", { labels = { "l1", "l2" } }))
  end)

  it("puts a longer text that stands alone on its line into a fence, unchanged", function()
    local description = "  one\n```\ntwo\r\n\t{{issue_title}}\n\n"
    assert.equal("A\n````text\n" .. description .. "````\nB", filled("A\n  {{issue_description}} \nB",
      { description = description }))
    assert.equal("```text\nWord\n```", filled("{{issue_title}}", { title = "Word" }))
  end)

  it("keeps what is no longer text within its line, also alone on it", function()
    local said = filled("A\n{{issue_key}}\n{{actor_name}}", { actor = { name = "Ann B" } })
    assert.equal("A\nCORE-A1B2C3D4\n`Ann B`", said)
  end)

  it("never expands what it has put in", function()
    local said = filled("{{issue_title}}\n{{issue_description}}",
      { title = "{{issue_description}}", description = "{{agent_name}} \\{{x}} {{my_x}}" })
    assert.equal("```text\n{{issue_description}}\n```\n```text\n{{agent_name}} \\{{x}} {{my_x}}\n```", said)
  end)

  it("says (none) where there is nothing", function()
    assert.equal("(none), (none)\n(none)",
      filled("{{comment_text}}, {{issue_labels}}\n{{issue_description}}", { description = "" }))
  end)

  it("is not shifted by blanks at its very beginning or end", function()
    assert.equal("```text\nLogin fails\n```", filled "  {{issue_title}}\t")
    assert.equal("x `Login fails`", filled "x {{issue_title}}")
    assert.equal("`Login fails` x", filled "{{issue_title}} x")
  end)

  it("knows two braces from a placeholder", function()
    assert.equal("{{x}} and { {y} }", filled "\\{{x}} and { {y} }")
  end)

  it("takes texts of the policy's own as they are", function()
    assert.equal("see **this**, 7", filled("see {{my_hint}}, {{my_n}}", {}, { my_hint = "**this**", my_n = 7 }))
    local _, why = pcall(filled, "\n\n{{my_hint}}", {})
    assert.matches("^templates/x.txt:3: {{my_hint}} is a text that the policy must give", why)
  end)

  it("stands in for what an AI task does not say", function()
    local task = event.new(testing.task("comment_requested"), {})
    local source = "{{issue_number}} {{project_name}} {{comment_author}} {{actor_name}} {{workspace_name}}"
    local pieces = template.parse(source, error)
    assert.equal("a1b2c3d4-1111-4222-8333-444455556666 77c10d4e-2f5b-4a86-8a1e-9b0c1d2e3f40 somebody somebody (none)",
      template.fill("x.txt", pieces, task, agent, {}))
  end)

  it("has every placeholder, by name", function()
    local source = {}
    for n, name in ipairs(template.NAMES) do source[n] = "{{" .. name .. "}}" end
    assert.is_nil(filled(table.concat(source, " ")):find "{{")
  end)

  it("is refused for an unknown placeholder, by line and with the nearest name", function()
    assert.same({ "2: no placeholder {{isue_title}} (did you mean {{issue_title}}?)" }, mistakes_in "a\n{{isue_title}}")
    assert.matches("^1: no placeholder {{zzzzzzzz}} %(have: actor_name, agent_name", mistakes_in("{{zzzzzzzz}}")[1])
  end)

  it("is refused for braces that make no placeholder", function()
    for _, source in ipairs { "{{}}", "{{ issue title }}", "{{issue_title", "{{#if x}}", "{{{issue_title}}}", "{{" } do
      assert.matches("^1: a placeholder is {{name}}", mistakes_in(source)[1])
    end
  end)

  it("reports every mistake of a file", function()
    local list = mistakes_in "{{a1}}\n\n{{b2}} {{issue_id}}\n\\{{ {{issue_id}}\n{{"
    assert.equal(3, #list)
    for n, line in ipairs { 1, 3, 5 } do assert.matches("^" .. line .. ": ", list[n]) end
  end)
end)

describe("a template of the Rust original", function()
  local function legacy(text) return "{{legacy = true}}\n" .. text end

  it("has its placeholders in single braces, and ours in double ones", function()
    assert.equal("a1b2c3d4-1111-4222-8333-444455556666 `Login fails` assigned by " .. "{{x}} todo",
      filled(legacy "{issue_id} {title} {reason} by \\{{x}} {{issue_state}}"))
    assert.equal("issue.assigned CORE-A1B2C3D4 Ann todo medium Core `issue/a1b2c3d4-1111-4222-8333-444455556666`",
      filled(legacy "{event} {key} {actor} {state} {priority} {project} {url}", { actor = { name = "Ann" } }))
  end)

  it("leaves what else stands in single braces, and escaped ones, as it is", function()
    local text = 'run() { return {"a": {}} } {unknown} {titles} { title } {} \\{title}'
    assert.equal('run() { return {"a": {}} } {unknown} {titles} { title } {} {title}', filled(legacy(text)))
  end)

  it("never expands what it has put in", function()
    local said = filled(legacy "{title} {reason}", { title = "{actor} {{issue_id}} {url} {title}" })
    assert.equal("`{actor} {{issue_id}} {url} {title}` assigned", said)
  end)

  it("fences a title that stands alone on its line, as ours", function()
    assert.equal("```text\n{actor}\n```", filled(legacy "{title}", { title = "{actor}" }))
  end)

  it("says what the original said where there is nothing", function()
    local bare = event.new({ body = { event = "x" } }, {})
    bare.name, bare.reason = nil, nil
    local pieces = template.parse(legacy "{title}|{event}|{reason}|{actor}|{key}|{issue_id}|{url}", error)
    assert.equal("untitled|unknown|unknown|unknown|||", template.fill("x.txt", pieces, bare, agent, {}))
  end)

  it("is one only by its first line", function()
    assert.equal("{title} {reason}", filled "{title} {reason}")
    assert.same({ "2: a placeholder is {{name}}; two braces as such are \\{{" }, mistakes_in "\n{{legacy = true}}\n")
    assert.same({ "1: a placeholder is {{name}}; two braces as such are \\{{" },
      mistakes_in "{{legacy = yes}}\n{title}")
  end)

  it("names the lines of its mistakes as they are in the file", function()
    assert.matches("^3: no placeholder", mistakes_in(legacy "{title}\n{{isue_title}}")[1])
  end)
end)

describe("a prompt's size", function()
  local whole = "Read:\n{{issue_title}}\n{{issue_description}}\nEnd."

  it("is bounded, and says what was cut", function()
    local prompt = filled(whole, { title = ("t"):rep(10000), description = ("é"):rep(1000000) })
    assert.is_true(#prompt < template.LARGEST_PROMPT)
    assert.is_truthy(prompt:find("\n```\n(cut: the first 4096 of 10000 bytes)\n", 1, true))
    assert.is_truthy(prompt:find("\n```\n(cut: the first 262144 of 2000000 bytes)\nEnd.", 1, true))
    assert.is_truthy(utf8.len(prompt))
  end)

  it("is bounded for text that grows by being fenced", function()
    for _, description in ipairs { ("`"):rep(300000), ("`"):rep(250000) .. "\n", ("` "):rep(200000) } do
      local prompt = filled(whole .. "\n{{issue_description}}\n {{issue_description}} x", { description = description })
      assert.is_true(#prompt <= template.LARGEST_PROMPT)
    end
  end)

  it("is bounded for a template that asks for everything many times", function()
    local prompt = filled((whole .. "\n"):rep(500), { description = ("d"):rep(250000) })
    assert.is_true(#prompt <= template.LARGEST_PROMPT)
  end)

  it("holds the whole of what fits", function()
    local description = ("d"):rep(256 * 1024)
    assert.is_truthy(filled(whole, { description = description }):find(description, 1, true))
  end)
end)
