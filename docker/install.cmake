# Run by `cmake --install` with SOURCE, BUILD, BINDIR, DATADIR and SYSCONFDIR set: the files that name other installed
# ones or whose place depends on the prefix, and the configuration, which is never overwritten.

macro(absolute variable folder)
  if(IS_ABSOLUTE "${folder}")
    set(${variable} "${folder}")
  else()
    set(${variable} "${CMAKE_INSTALL_PREFIX}/${folder}")
  endif()
endmacro()

absolute(bin "${BINDIR}")
absolute(etc "${SYSCONFDIR}")
absolute(share "${DATADIR}")
# Where the program looks for it, and where it is looked for on Debian.
if(NOT IS_ABSOLUTE "${SYSCONFDIR}" AND CMAKE_INSTALL_PREFIX MATCHES "^/usr(/local)?/?$")
  set(etc "/etc")
endif()

function(install_text from to)
  set(path "$ENV{DESTDIR}${to}")
  file(READ "${SOURCE}/docker/${from}" text)
  string(REPLACE "/usr/bin/openpr-webhook" "${bin}/openpr-webhook" text "${text}")
  string(REPLACE "/etc/openpr-webhook" "${etc}/openpr-webhook" text "${text}")
  message(STATUS "Installing: ${path}")
  file(WRITE "${path}" "${text}")
  file(CHMOD "${path}" PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ)
endfunction()

# Where Debian's zsh looks: in site-functions of /usr/local alone, elsewhere as packages do it.
if(CMAKE_INSTALL_PREFIX MATCHES "^/usr/?$")
  set(zsh "${share}/zsh/vendor-completions")
else()
  set(zsh "${share}/zsh/site-functions")
endif()
message(STATUS "Installing: $ENV{DESTDIR}${zsh}/_openpr-webhook")
configure_file("${BUILD}/completion.zsh" "$ENV{DESTDIR}${zsh}/_openpr-webhook" COPYONLY NO_SOURCE_PERMISSIONS)

install_text(openpr-webhook.service "${CMAKE_INSTALL_PREFIX}/lib/systemd/system/openpr-webhook.service")
install_text(openpr-webhook.sysusers "${CMAKE_INSTALL_PREFIX}/lib/sysusers.d/openpr-webhook.conf")
if(EXISTS "$ENV{DESTDIR}${etc}/openpr-webhook/config.lua")
  message(STATUS "Kept: $ENV{DESTDIR}${etc}/openpr-webhook/config.lua")
else()
  install_text(config.lua "${etc}/openpr-webhook/config.lua")
endif()
