-- A prompt as a program is given it.

local template = require "openpr.template"
local text = require "openpr.text"

local M = { LARGEST = template.LARGEST_PROMPT }

-- A CLI may take a prompt that begins so as a command, a file or an option; a word in front stops that.
local function safe_start(prompt)
  return prompt:find "^%s*[%w\x80-\xff]" and prompt or "Task:\n\n" .. prompt
end

-- What a policy gave, or nil and why it is none.
function M.checked(prompt)
  if type(prompt) ~= "string" or not prompt:find "%S" then
    local what = type(prompt) == "string" and "an empty text" or prompt == nil and "nothing" or "a " .. type(prompt)
    return nil, what .. "; the prompt is a text"
  end
  prompt = safe_start(text.clean(prompt))
  if #prompt <= template.LARGEST_PROMPT then return prompt end
  return nil, ("a prompt of %d bytes, more than %d; use text.clip() or template()"):format(#prompt,
    template.LARGEST_PROMPT)
end

return M
