# Writes OUT, a C file with the text of every Lua file in FILES, sorted by name:
#   cmake -DOUT=embedded.c "-DFILES=a.lua;b.lua" -P embed.cmake
set(arrays "")
set(rows "")
foreach(file IN LISTS FILES)
  get_filename_component(name ${file} NAME_WE)
  file(READ ${file} hex HEX)
  string(LENGTH "${hex}" digits)
  math(EXPR len "${digits} / 2")
  string(REGEX REPLACE "(................................)" "\\1\n" hex "${hex}")
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
  string(APPEND arrays "static const unsigned char text_${name}[] = {\n${bytes}0\n};\n")
  string(APPEND rows "\t{ \"openpr.${name}\", (const char *)text_${name}, ${len} },\n")
endforeach()

file(WRITE ${OUT} "#include \"script/modules.h\"\n\n${arrays}
const struct module modules_embedded[] = {\n${rows}\t{ NULL, NULL, 0 },\n};\n")
