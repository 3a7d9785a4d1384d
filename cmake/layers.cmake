# SPDX-License-Identifier: Apache-2.0
# One static library `writ_<folder>` for each folder of src/ that exists; the edges between them come from LAYERS.

# Reads LAYERS into WRIT_FOLDERS (in order of rows), WRIT_ROW_<folder> and WRIT_DEPS_OF_<folder>.
macro(writ_read_layers)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/LAYERS")
    set(WRIT_FOLDERS "")
    file(STRINGS "${CMAKE_SOURCE_DIR}/LAYERS" layer_lines REGEX "^[0-9]")
    foreach(line IN LISTS layer_lines)
        separate_arguments(fields UNIX_COMMAND "${line}")
        list(POP_FRONT fields row folder)
        list(APPEND WRIT_FOLDERS ${folder})
        set(WRIT_ROW_${folder} ${row})
        set(WRIT_DEPS_OF_${folder} ${fields})
    endforeach()
endmacro()
writ_read_layers()

# The libraries of all folders in rows below `row` that are part of this build.
function(writ_libraries_below row ret)
    set(libraries "")
    foreach(folder IN LISTS WRIT_FOLDERS)
        if(WRIT_ROW_${folder} LESS row AND TARGET writ_${folder})
            list(PREPEND libraries writ_${folder})
        endif()
    endforeach()
    set(${ret} "${libraries}" PARENT_SCOPE)
endfunction()

function(writ_add_folder folder)
    # `cli` holds main, so its files belong to the program itself.
    file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/src/${folder}/*.c")
    list(FILTER sources EXCLUDE REGEX "/src/cli/main\\.c$")
    if(NOT sources)
        return()
    endif()
    add_library(writ_${folder} STATIC ${sources})
    writ_libraries_below(${WRIT_ROW_${folder}} lower)
    target_link_libraries(writ_${folder} PUBLIC ${lower} PRIVATE writ_flags)
    foreach(dep IN LISTS WRIT_DEPS_OF_${folder})
        target_link_libraries(writ_${folder} PUBLIC writ_dep_${dep})
    endforeach()
    target_include_directories(writ_${folder} PUBLIC "${CMAKE_SOURCE_DIR}/src")
endfunction()

# The build itself fails on an upward or sideways edge: the include path alone would let it through.
function(writ_add_layer_check)
    find_package(Python3 REQUIRED COMPONENTS Interpreter)
    file(GLOB_RECURSE files CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/src/*.[ch]")
    add_custom_command(
        OUTPUT "${CMAKE_BINARY_DIR}/layers.checked"
        COMMAND ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/tools/lint/lint.py --rule layer ${CMAKE_SOURCE_DIR}/src
        COMMAND ${CMAKE_COMMAND} -E touch "${CMAKE_BINARY_DIR}/layers.checked"
        DEPENDS ${files} "${CMAKE_SOURCE_DIR}/LAYERS" "${CMAKE_SOURCE_DIR}/tools/lint/layers.py"
        COMMENT "Layers"
        VERBATIM)
    add_custom_target(layers ALL DEPENDS "${CMAKE_BINARY_DIR}/layers.checked")
endfunction()

function(writ_add_folders)
    foreach(folder IN LISTS WRIT_FOLDERS)
        writ_add_folder(${folder})
    endforeach()
endfunction()

# Programs link every folder; the linker takes only what is reached.
function(writ_add_programs)
    writ_libraries_below(99 all)
    if(EXISTS "${CMAKE_SOURCE_DIR}/src/cli/main.c")
        add_executable(writ src/cli/main.c)
        target_link_libraries(writ PRIVATE ${all} writ_flags)
    endif()
    file(GLOB wast_sources CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/tools/wast/*.c")
    if(wast_sources)
        add_executable(writ-wast ${wast_sources})
        target_link_libraries(writ-wast PRIVATE ${all} writ_flags)
    endif()
    # The driver of somebody else that docs/drivers.md tells about.
    add_executable(dice examples/driver-c/dice.c)
    target_link_libraries(dice PRIVATE ${all} writ_flags)
    set_target_properties(dice PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/examples")
    # Each bench/<name>.c is a program of its own, built only when asked for: `bench_<name>`.
    file(GLOB bench_sources CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/bench/*.c")
    foreach(source IN LISTS bench_sources)
        cmake_path(GET source STEM name)
        add_executable(bench_${name} EXCLUDE_FROM_ALL ${source})
        target_link_libraries(bench_${name} PRIVATE ${all} writ_flags)
        target_include_directories(bench_${name} PRIVATE "${CMAKE_SOURCE_DIR}/tests")
        set_target_properties(bench_${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bench")
    endforeach()
endfunction()
