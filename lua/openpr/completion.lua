-- Completion scripts of shells, made from the program's own table of verbs, so that they know what it knows.  Runs and
-- events are asked of the program when they are wanted.

local example = require "openpr.example"

local M = {}

local format, gsub = string.format, string.gsub

-- Puts values in the place of @NAME@.
local function fill(script, values) return (gsub(script, "@(%u+)@", values)) end

local function first_line(text) return string.match(text, "^[^\n]*") end

local function names(list, prefix)
  local out = {}
  for i, item in ipairs(list) do out[i] = prefix .. item.name end
  return table.concat(out, " ")
end

local function lines(list, write)
  local out = {}
  for _, item in ipairs(list) do out[#out + 1] = write(item) or nil end
  return table.concat(out, "\n")
end

-- What a verb's argument is: "runs", "events", "shells", "files", or nothing.
local function kind_of(argument)
  local bare = argument and gsub(argument, "[%[%]]", "") or ""
  local kinds = { RUN = "runs", EVENT = "events", SHELL = "shells" }
  return kinds[bare] or bare ~= "" and "files"
end

-- Every option that wants a value, once, sorted.
local function valued(verbs)
  local seen, out = {}, {}
  for _, verb in ipairs(verbs) do
    for _, option in ipairs(verb.options) do
      if option.value and not seen[option.name] then
        seen[option.name] = true
        out[#out + 1] = "--" .. option.name
      end
    end
  end
  table.sort(out)
  return out
end

-- ---- bash ----

local bash = [[
# Completion of openpr-webhook for bash, made by `openpr-webhook completion bash`.

_openpr_webhook() {
	local program=${COMP_WORDS[0]} word=${COMP_WORDS[COMP_CWORD]} verb='' config=() words='' i
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-c | --config)
			((i++))
			config=(--config "${COMP_WORDS[i]}")
			;;
		@VALUED@) ((i++)) ;;
		-*) ;;
		*) verb=${verb:-${COMP_WORDS[i]}} ;;
		esac
	done
	_openpr_webhook_ids() {
		"$program" "${config[@]}" "$1" --json 2>/dev/null | grep -o "\"$2\": *\"[^\"]*\"" | cut -d'"' -f4
	}
	case ${COMP_WORDS[COMP_CWORD - 1]},$word,$verb in
	-c,* | --config,*) compopt -o default 2>/dev/null ;;
	--example,*) words='@EXAMPLES@' ;;
	@VALUES@) ;;
	*,-*,) words='--config --help --version' ;;
@OPTIONS@
	*,*,) words='@VERBS@' ;;
@ARGUMENTS@
	esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}

complete -F _openpr_webhook openpr-webhook
]]

local bash_arguments = {
  runs = "words=$(_openpr_webhook_ids runs run_id)",
  events = "words=$(_openpr_webhook_ids events event_id)",
  shells = "words='bash zsh'",
  files = "compopt -o default 2>/dev/null",
}

local function bash_option(verb)
  local own = #verb.options > 0 and " " .. names(verb.options, "--") or ""
  return format("\t*,-*,%s) words='--config --help%s' ;;", verb.name, own)
end

local function bash_argument(verb)
  local kind = kind_of(verb.argument)
  return kind and format("\t*,*,%s) %s ;;", verb.name, bash_arguments[kind])
end

-- One function for C: the table of verbs (command.h) as JSON to the script.
function M.bash(input, host)
  local verbs = host.json_decode(input)
  local options = valued(verbs)
  return fill(bash, {
    VALUED = table.concat(options, " | "),
    VALUES = table.concat(options, ",* | ") .. ",*",
    EXAMPLES = table.concat(example.names(), " "),
    OPTIONS = lines(verbs, bash_option),
    VERBS = names(verbs, ""),
    ARGUMENTS = lines(verbs, bash_argument),
  })
end

-- ---- zsh ----

local zsh = [[
#compdef openpr-webhook
# Completion of openpr-webhook for zsh, made by `openpr-webhook completion zsh`.

_openpr_webhook_ids() {
	local -a ids
	ids=(${(f)"$($program $config $1 --json 2>/dev/null | grep -o "\"$2\": *\"[^\"]*\"" | cut -d'"' -f4)"})
	compadd -a ids
}

_openpr_webhook() {
	local program=$words[1] curcontext=$curcontext state line
	local -a config verbs
	local -A opt_args
	verbs=(
@VERBS@
	)
	_arguments -C \
		'(-c --config)'{-c,--config}'[the configuration]:file:_files' \
		'(- *)'{-h,--help}'[print help]' \
		'(- *)'{-V,--version}'[print the version]' \
		'1:verb:->verb' \
		'*::argument:->argument'
	config=(${opt_args[--config]:+--config} ${opt_args[--config]} ${opt_args[-c]:+-c} ${opt_args[-c]})
	case $state,$words[1] in
	verb,*) _describe verb verbs ;;
@ARGUMENTS@
	esac
}

if [ "$funcstack[1]" = _openpr_webhook ]; then
	_openpr_webhook "$@"
else
	compdef _openpr_webhook openpr-webhook
fi
]]

local zsh_arguments = {
  runs = "'1:run: _openpr_webhook_ids runs run_id'",
  events = "'1:event: _openpr_webhook_ids events event_id'",
  shells = "'1:shell:(bash zsh)'",
  files = "'1:file:_files'",
}

-- A text as it stands in a specification of _arguments or _describe.
local function zsh_quote(text)
  return (gsub(gsub(first_line(text), "[%[%]:\\]", "\\%0"), "'", "'\\''"))
end

local function zsh_verb(verb) return format("\t\t'%s:%s'", verb.name, zsh_quote(verb.help)) end

local function zsh_option(option)
  local value = ""
  if option.name == "example" then
    value = format(":example:(%s)", table.concat(example.names(), " "))
  elseif option.value then
    value = format(":%s:", string.lower(option.value))
  end
  return format("'--%s[%s]%s'", option.name, zsh_quote(option.help), value)
end

local function zsh_argument(verb)
  local specs = {}
  for i, option in ipairs(verb.options) do specs[i] = zsh_option(option) end
  local kind = kind_of(verb.argument)
  if kind then specs[#specs + 1] = zsh_arguments[kind] end
  specs[#specs + 1] = "'(- *)'{-h,--help}'[print help]'"
  return format("\targument,%s)\n\t\t_arguments \\\n\t\t\t%s\n\t\t;;", verb.name, table.concat(specs, " \\\n\t\t\t"))
end

function M.zsh(input, host)
  local verbs = host.json_decode(input)
  return fill(zsh, { VERBS = lines(verbs, zsh_verb), ARGUMENTS = lines(verbs, zsh_argument) })
end

return M
