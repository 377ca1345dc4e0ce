---@meta
-- What a policy sees, for the Lua language server (LuaLS) and other editors.  docs/policies.md explains it.
-- Name this folder in the setting of the language server that lists libraries.

---@class openpr.Named
---@field id? string
---@field name? string
---@field key? string  of a project

---@class openpr.Actor
---@field id? string  nil for AI tasks, as all fields: OpenPR does not say who asked
---@field name? string
---@field kind? "human"|"bot"|"bot_mcp"
---@field ours boolean  an identity that the daemon writes as

---@class openpr.Bot
---@field id? string
---@field name? string
---@field type? string  OpenPR's agent type of the bot: "custom", "webhook", ...
---@field asked boolean  somebody asks this bot, or OpenPR says so

---@class openpr.Issue
---@field id? string
---@field key? string  "CORE-A1B2C3D4"; nil for AI tasks
---@field title? string
---@field description? string
---@field state? string
---@field priority? "low"|"medium"|"high"|"urgent"
---@field labels string[]  names where config.lua or OpenPR gives one, else ids
---@field label_ids string[]
---@field assignees string[]  ids
---@field known boolean  the event tells the whole issue, or OpenPR was asked for it
---@field gone boolean  OpenPR was asked and has no such issue

---@class openpr.Comment
---@field id? string
---@field body? string
---@field author? string

---@class openpr.Task
---@field id? string  nil unless the event is an AI task
---@field type? string
---@field attempt? integer

---@class openpr.Dispatch
---@field run_id? string  the control plane's id; nil unless the event came through the tunnel
---@field agent? string  the agent that the control plane wants
---@field issue_id? string
---@field text? string  its body, where that is neither an event nor an AI task of OpenPR's

---@class openpr.Event
---@field id? string
---@field name string  "issue.assigned", "comment.created", "task.issue_assigned", ...
---@field kind "assignment"|"mention"|"other"
---@field reason? string
---@field timestamp? string
---@field workspace openpr.Named
---@field project openpr.Named
---@field actor openpr.Actor
---@field bot openpr.Bot
---@field issue openpr.Issue
---@field comment openpr.Comment
---@field mentions string[]  ids
---@field changes table  as OpenPR sends it
---@field task openpr.Task
---@field dispatch openpr.Dispatch
---@field payload table  the whole body

---@class openpr.Agent
---@field name string
---@field type? string
---@field cli? string
---@field mode? string  of openclaw and openprx: "agent", "message", "signal"
---@field prompt_template? string
---@field mention_template? string
---@field bots string[]
---@field reports? "daemon"|"agent"  who writes a success's comment
---@field hands_over? boolean  its success only says that the work was handed on
---@field timeout? number  seconds

---@class openpr.Run
---@field id string
---@field status "started"|"success"|"failure"|"timeout"|"cancelled"|"interrupted"
---@field outcome? "success"|"failure"|"timeout"|"cancelled"|"interrupted"  the status of one that has ended
---@field kind "assignment"|"mention"|"other"
---@field agent string
---@field rule? string
---@field attempt integer
---@field duration? number  seconds
---@field exit_code? integer
---@field signal? integer
---@field cause? string
---@field final_text? string
---@field tail? string
---@field truncated boolean  the middle of its log was left out, for it was longer than queue.max_output
---@field session_id? string
---@field input_tokens? integer
---@field output_tokens? integer
---@field cost_usd? number

---@class openpr.Report
---@field comment? string
---@field state? string

---@class openpr.Verdict
---@overload fun(reason: string): openpr.Verdict

---@class openpr.Condition
---@operator band(openpr.Condition|fun(event: openpr.Event): any): openpr.Condition
---@operator bor(openpr.Condition|fun(event: openpr.Event): any): openpr.Condition
---@operator bnot: openpr.Condition
---@overload fun(event: openpr.Event): boolean

---@class openpr.Rules
---@overload fun(event: openpr.Event): openpr.Verdict?

---@type openpr.Verdict
accept = nil
---@type openpr.Verdict
ignore = nil
---@type openpr.Verdict
drop = nil
---@type openpr.Verdict
cancel = nil

---@param agent string|string[]  one agent, or up to eight
---@param options? { timeout?: number }  seconds
---@return openpr.Verdict
function to(agent, options) end

---@param list table[]  { name, condition, action }
---@return openpr.Rules
function rules(list) end

---@class openpr.When
---@field always openpr.Condition
---@field for_bot openpr.Condition  a bot is asked
---@field human openpr.Condition  a person did it
---@field own_echo openpr.Condition  the asked bot did it itself
---@field ours openpr.Condition  an identity that the daemon writes as did it
---@field added openpr.Condition  the bot is newly assigned
---@field removed openpr.Condition  somebody was taken off the issue
---@field assigned openpr.Condition  the issue is assigned to the bot
---@field unassigned openpr.Condition  it is known not to be
---@field mentioned openpr.Condition  the comment mentions the bot
---@field ai_task openpr.Condition
---@field dispatched openpr.Condition  it came through the tunnel
---@field gone openpr.Condition  OpenPR has no such issue any more
---@field event fun(glob: string): openpr.Condition
---@field kind fun(glob: string): openpr.Condition
---@field reason fun(glob: string): openpr.Condition
---@field state fun(glob: string): openpr.Condition
---@field priority fun(glob: string): openpr.Condition
---@field project fun(glob: string): openpr.Condition  key, name or id
---@field actor fun(glob: string): openpr.Condition  name or id
---@field bot fun(glob: string): openpr.Condition  name or id
---@field label fun(name: string): openpr.Condition  name or id
---@field field fun(path: string, value?: any): openpr.Condition
when = nil

---@type table<string, openpr.Agent>
agents = nil
---@type table<string, string>  id -> name, from config.lua
labels = nil

---@param name string  a file of templates/
---@param vars? table<string, string|number>  texts for {{my_...}}, inserted as they are
---@return string
function template(name, vars) end

---@class openpr.Text
---@field clip fun(s: string?, bytes: number, mark?: string): string
---@field tail fun(s: string?, bytes: number, mark?: string): string
---@field line fun(s: string?): string
---@field code fun(s: string?): string
---@field fence fun(s: string?): string
---@field balance fun(s: string?): string
---@field clean fun(s: string?): string
---@field trim fun(s: string?): string
---@field contains fun(s: string?, plain: string): boolean
---@field starts fun(s: string?, plain: string): boolean
---@field ends fun(s: string?, plain: string): boolean
---@field split fun(s: string?, plain: string): string[]
---@field replace fun(s: string?, plain: string, with: string): string
text = nil

---@class openpr.Log
---@field debug fun(format: string, ...)
---@field info fun(format: string, ...)
---@field warn fun(format: string, ...)
log = nil

---@class openpr.Json
---@field encode fun(value: any): string
---@field decode fun(text: string): any
json = nil

---@return number  wall seconds; of the event while one is decided
function now() end

milliseconds = 0.001
seconds = 1
minutes = 60
hours = 3600
KiB = 1024
MiB = 1048576
