-- What the lint programs share: finding files, gathering complaints, saying the verdict in TAP.

local report = { complaints = {} }

-- The files below `root` whose names match one of the patterns, sorted, as paths relative to it.  Folders that are
-- built or private are left out.
function report.files(root, ...)
  local found = {}
  local list = io.popen(("cd '%s' && find . -type d '(' -path ./build -o -path ./state -o -name .git ')' -prune "
    .. "-o -type f -print"):format(root))
  for path in list:lines() do
    path = path:sub(3)
    for _, pattern in ipairs { ... } do
      if path:match(pattern) then
        found[#found + 1] = path
        break
      end
    end
  end
  list:close()
  table.sort(found)
  return found
end

function report.complain(format, ...)
  table.insert(report.complaints, format:format(...))
end

-- Prints the complaints and one line of TAP, and ends the program.
function report.finish(name)
  for _, complaint in ipairs(report.complaints) do print("# " .. complaint) end
  print(("%s 1 - %s"):format(#report.complaints == 0 and "ok" or "not ok", name))
  os.exit(#report.complaints == 0)
end

return report
