-- Urgent work goes to the strongest agent with an hour's time, low priority to a cheap one.
-- A comment does not carry the priority of its issue: a mention goes to the last rule.

return rules {
  { "urgent",   when.priority "urgent",                    to("strong", { timeout = 1 * hours }) },
  { "cheap",    when.priority "low" & ~when.label "large", to("cheap", { timeout = 10 * minutes }) },
  { "the rest", when.always,                               to "strong" },
}
