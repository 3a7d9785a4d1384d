# SPDX-License-Identifier: Apache-2.0
# What `writ new` writes is part of the program: tools/templates/embed.py turns templates/ into C for `cli`, again
# whenever something there changes.
function(writ_add_templates)
    if(NOT TARGET writ_cli)
        return()
    endif()
    find_package(Python3 REQUIRED COMPONENTS Interpreter)
    file(GLOB_RECURSE inputs CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/templates/*" "${CMAKE_SOURCE_DIR}/wit/contracts/*.wit")
    set(out "${CMAKE_BINARY_DIR}/gen-templates/templates.c")
    add_custom_command(
        OUTPUT ${out}
        COMMAND ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/tools/templates/embed.py
            --templates ${CMAKE_SOURCE_DIR}/templates --deps ${WRIT_DEPS}/wit/deps
            --contracts ${CMAKE_SOURCE_DIR}/wit/contracts --adapters ${WRIT_DEPS}/wit/adapters --out ${out}
        COMMAND ${CMAKE_COMMAND} -E touch ${out}
        DEPENDS ${inputs} ${CMAKE_SOURCE_DIR}/tools/templates/embed.py
        COMMENT "Templates"
        VERBATIM)
    target_sources(writ_cli PRIVATE ${out})
endfunction()
