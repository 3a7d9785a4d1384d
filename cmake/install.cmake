# SPDX-License-Identifier: Apache-2.0
# `make install`: the program, its Wasmtime library in a private folder that the program finds relative to itself,
# and the man pages.
set(WRIT_PRIVATE_LIBDIR "lib/writ")
if(TARGET writ)
    set_target_properties(writ PROPERTIES INSTALL_RPATH "$ORIGIN/../${WRIT_PRIVATE_LIBDIR}")
    install(TARGETS writ RUNTIME DESTINATION bin)
    install(FILES "${WRIT_DEPS}/wasmtime/lib/libwasmtime.so" DESTINATION "${WRIT_PRIVATE_LIBDIR}"
        PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
endif()
file(GLOB man_pages CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/docs/man/*.1")
install(FILES ${man_pages} DESTINATION share/man/man1)
install(FILES LICENSE DESTINATION share/doc/writ)
