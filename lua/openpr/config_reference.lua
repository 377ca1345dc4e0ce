-- docs/config.md, made from the schema.

local describe = require "openpr.config"
local s = require "openpr.schema"

local M = {}

local format = string.format

local head = [[
# config.lua

Made from `lua/openpr/config.lua` by `openpr-webhook print-reference`; change it there.

`config.lua` is a Lua file that returns a table. It is data: it is checked once, before anything starts, and every
mistake is reported with its path. Beside texts, numbers, `true`, `false` and tables it can use

* `env "NAME"`: the value of an environment variable. One that is not set is a mistake when serving, and a warning for
  `check` and the other verbs.
* `file "PATH"`: what a file says, without the line break at its end. It is refused when group or others may write it
  or others may read it, except under `/run/secrets` and `$CREDENTIALS_DIRECTORY`.
* `milliseconds`, `seconds`, `minutes`, `hours`: units of time, as `5 * minutes`; a bare number is seconds.
* `KiB`, `MiB`, `GiB`: units of size, as `64 * KiB`; a bare number is bytes.

A `config.lua` that holds a secret itself must be as private as a `file`. Relative paths begin at the folder of
`config.lua`. `openpr-webhook check` lists every mistake, `openpr-webhook print-config` prints the whole table with its
defaults and without its secrets. `--config PATH` names the file; without it `./config.lua` is taken, then
`/etc/openpr-webhook/config.lua`.

```lua
return {
  webhook  = { secret = env "OPENPR_WEBHOOK_SECRET" },
  features = { cli_executor = true },
  executor = { working_dir = "/srv/checkouts/api" },
  openpr   = { api_url = "http://127.0.0.1:8081", token = env "OPENPR_BOT_TOKEN" },
  agents   = {
    default  = { type = "cli", cli = "claude-code" },
    reviewer = { type = "cli", cli = "codex", env = { CODEX_API_KEY = env "CODEX_API_KEY" } },
  },
}
```
]]

-- One line, without what would end a cell of a table.
local function cell(text)
  return (string.gsub(string.gsub(string.gsub(text, "%s+", " "), "^ ", ""), "|", "\\|"))
end

local kinds = { boolean = "true or false", string = "text", path = "path", integer = "number", size = "size",
                duration = "time", choice = "text", list = "list", map = "table" }

local function kind_of(node)
  if node.kind == "duration" and node.plain then return "number" end
  if node.kind == "list" then return node.item.secret and "list of secrets" or "list of texts" end
  return node.secret == true and "secret" or kinds[node.kind]
end

local function default_of(node)
  if node.required then return "required" end
  if node.shown then return node.shown end
  if node.default ~= nil then return "`" .. s.literal(node, node.default) .. "`" end
  if node.kind == "list" or node.kind == "map" then return "`{}`" end
  return ""
end

local function bounds_of(node)
  if not node.min then return "" end
  return format(" (%s to %s)", s.literal(node, node.min), s.literal(node, node.max))
end

local function add_row(lines, path, node)
  local of = node.of and format("(%s) ", table.concat(node.of, ", ")) or ""
  lines[#lines + 1] = format("| `%s` | %s%s | %s | %s%s |", path, kind_of(node), bounds_of(node), default_of(node), of,
                             cell(node.doc))
end

local add_fields

local function add_field(lines, path, node)
  if node.doc then add_row(lines, path, node) end
  local item = node.item
  if node.kind == "map" and item.kind == "record" then
    add_fields(lines, format("%s.%s", path, node.key), item)
  end
end

function add_fields(lines, path, record)
  for _, field in ipairs(record.fields) do add_field(lines, path .. "." .. field[1], field[2]) end
end

local function add_section(lines, name, node)
  lines[#lines + 1] = format("\n## %s\n\n%s\n", name, cell(node.doc))
  lines[#lines + 1] = "| key | kind | default | meaning |"
  lines[#lines + 1] = "|---|---|---|---|"
  if node.kind == "record" then
    add_fields(lines, name, node)
  elseif node.item.kind == "record" then
    add_fields(lines, name .. "." .. node.key, node.item)
  else
    lines[#lines + 1] = format("| `%s[%s]` | %s |  | the name |", name, node.key, kind_of(node.item))
  end
end

function M.print()
  local lines = {}
  for _, field in ipairs(describe {}.fields) do add_section(lines, field[1], field[2]) end
  return head .. table.concat(lines, "\n") .. "\n"
end

return M
