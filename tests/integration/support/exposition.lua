-- A strict reader of Prometheus' text format 0.0.4: what it does not understand is an error, and so is what promtool
-- complains about.

local exposition = {}

local kinds = { counter = true, gauge = true, histogram = true }
local escapes = { ["\\\\"] = "\\", ['\\"'] = '"', ["\\n"] = "\n" }

local function number(text)
  if text == "+Inf" then return math.huge end
  return assert(tonumber(text), "no number: " .. text)
end

-- `{name="value",...}` from `at` on; the labels and where they end.
local function read_labels(line, at)
  local labels = {}
  if line:sub(at, at) ~= "{" then return labels, at end
  at = at + 1
  repeat
    local name, stop = line:match('^([%a_][%w_]*)="()', at)
    assert(name and not labels[name], "bad label: " .. line)
    local value = {}
    at = stop
    while line:sub(at, at) ~= '"' do
      local escape = line:match("^\\.", at)
      local piece = escape and assert(escapes[escape], "bad escape: " .. line) or line:match("^[^\\\"\n]+", at)
      value[#value + 1] = assert(piece, "value does not end: " .. line)
      at = at + #(escape or piece)
    end
    labels[name] = table.concat(value)
    local mark = line:sub(at + 1, at + 1)
    at = at + 2
    assert(mark == "," or mark == "}", "labels do not end: " .. line)
  until mark == "}"
  return labels, at
end

local function key_of(name, labels, without)
  local names = {}
  for label in pairs(labels) do
    if label ~= without then names[#names + 1] = label end
  end
  table.sort(names)
  for n, label in ipairs(names) do names[n] = ("%s=%q"):format(label, labels[label]) end
  return name .. "{" .. table.concat(names, ",") .. "}"
end

local function check_histogram(family, samples)
  local series = {}
  for _, sample in ipairs(samples) do
    local suffix = assert(sample.name:sub(#family + 1), sample.name)
    local key = key_of(family, sample.labels, "le")
    series[key] = series[key] or { buckets = {} }
    if suffix == "_bucket" then
      table.insert(series[key].buckets, { le = number(assert(sample.labels.le)), count = sample.value })
    else
      assert(suffix == "_sum" or suffix == "_count", sample.name)
      assert(not sample.labels.le and not series[key][suffix])
      series[key][suffix] = sample.value
    end
  end
  for key, one in pairs(series) do
    local last = { le = -math.huge, count = 0 }
    for _, bucket in ipairs(one.buckets) do
      assert(bucket.le > last.le, key .. ": bounds do not rise")
      assert(bucket.count >= last.count, key .. ": buckets do not add up")
      last = bucket
    end
    assert(last.le == math.huge and last.count == one._count, key .. ": +Inf is not the count")
    assert(one._sum >= 0 and (one._count > 0 or one._sum == 0), key .. ": sum without a count")
  end
end

-- The whole text: { families = { name = kind }, value = function(name, labels) }.
function exposition.read(text)
  assert(text:sub(-1) == "\n", "the last line does not end")
  assert(utf8.len(text), "no UTF-8")
  local families, helps, samples, seen, family = {}, {}, {}, {}, nil
  for line in text:gmatch "([^\n]*)\n" do
    local help, about = line:match "^# HELP ([%a_:][%w_:]*) (.+)$"
    local name, kind = line:match "^# TYPE ([%a_:][%w_:]*) (%l+)$"
    if help then
      assert(not helps[help], help .. " is told twice")
      helps[help] = about
    elseif name then
      assert(not families[name] and kinds[kind] and helps[name], line)
      assert((kind == "counter") == (name:match "_total$" ~= nil), name .. ": only counters end in _total")
      families[name], family, samples[name] = kind, name, {}
    else
      local sample, at = line:match "^([%a_:][%w_:]*)()"
      assert(sample and family, "no sample: " .. line)
      local labels, stop = read_labels(line, at)
      local value = number(line:match("^ (%S+)$", stop) or "nothing")
      local own = families[family] == "histogram" and sample:gsub("_%l+$", "") or sample
      assert(own == family, sample .. " stands under " .. family)
      assert(families[family] ~= "counter" or value >= 0, line)
      local key = key_of(sample, labels)
      assert(seen[key] == nil, key .. " is there twice")
      seen[key] = value
      table.insert(samples[family], { name = sample, labels = labels, value = value })
    end
  end
  for name, kind in pairs(families) do
    if kind == "histogram" then check_histogram(name, samples[name]) end
  end
  return {
    families = families,
    value = function(name, labels) return seen[key_of(name, labels or {})] end,
    sum = function(name)
      local sum = 0
      for _, sample in ipairs(samples[name]) do sum = sum + sample.value end
      return sum
    end,
    samples = samples,
  }
end

return exposition
