# SPDX-License-Identifier: Apache-2.0
# Glue generated from the WIT under wit/: tools/witgen/witgen.py turns it into C that decodes arguments for the
# interfaces that Writ hosts. It runs when the build is configured and whenever the WIT or the generator changes
# (which configures again), and rewrites only files whose text differs, so nothing is compiled twice.
#
# Contract: `witgen.py --wasm-tools PATH --wit DIR --deps DIR --out DIR` writes `OUT/**/*.h` and `OUT/**/*.c`; `OUT`
# is on the include path of the folders from `capability` upward, so they write #include "wasi/....h". The glue itself may
# include every folder below row WRIT_GLUE_ROW.
set(WRIT_GLUE_ROW 7)
set(WRIT_GEN_DIR "${CMAKE_BINARY_DIR}/gen")

# writ_run_witgen(WIT_FOLDER OUT [--deps DIR])
function(writ_run_witgen wit out)
    file(GLOB_RECURSE inputs CONFIGURE_DEPENDS "${wit}/*.wit"
        "${CMAKE_SOURCE_DIR}/tools/witgen/*.py" "${CMAKE_SOURCE_DIR}/tools/witgen/*.[hc]")
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${inputs})
    find_package(Python3 REQUIRED COMPONENTS Interpreter)
    execute_process(
        COMMAND ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/tools/witgen/witgen.py
            --wasm-tools ${WRIT_DEPS}/tools/bin/wasm-tools --wit ${wit} --out ${out} ${ARGN}
        RESULT_VARIABLE result)
    if(NOT result EQUAL 0)
        message(FATAL_ERROR "tools/witgen/witgen.py failed (${result}): see its message above.")
    endif()
endfunction()

function(writ_add_glue)
    if(NOT EXISTS "${CMAKE_SOURCE_DIR}/tools/witgen/witgen.py")
        return()
    endif()
    writ_run_witgen(${CMAKE_SOURCE_DIR}/wit ${WRIT_GEN_DIR} --deps ${WRIT_DEPS}/wit/deps)
    file(GLOB_RECURSE sources "${WRIT_GEN_DIR}/*.c")
    writ_libraries_below(${WRIT_GLUE_ROW} lower)
    if(sources)
        add_library(writ_glue STATIC ${sources})
        target_link_libraries(writ_glue PUBLIC ${lower} PRIVATE writ_flags)
        target_include_directories(writ_glue PUBLIC "${WRIT_GEN_DIR}")
    else()
        add_library(writ_glue INTERFACE)
        target_link_libraries(writ_glue INTERFACE ${lower})
        target_include_directories(writ_glue INTERFACE "${WRIT_GEN_DIR}")
    endif()
    # The bodies call the hand-written functions, which the tables of `capability` lead to: a cycle of two archives.
    if(sources AND TARGET writ_capability)
        target_link_libraries(writ_glue PUBLIC writ_capability)
    endif()
    foreach(folder IN LISTS WRIT_FOLDERS)
        if(TARGET writ_${folder} AND WRIT_ROW_${folder} GREATER_EQUAL WRIT_GLUE_ROW)
            target_link_libraries(writ_${folder} PUBLIC writ_glue)
        endif()
    endforeach()
    writ_add_witgen_test_glue()
endfunction()

# The glue of tests/unit/witgen/wit, as if `witgen` were a folder of src: its tests link it by the usual rule.
function(writ_add_witgen_test_glue)
    set(wit "${CMAKE_SOURCE_DIR}/tests/unit/witgen/wit")
    if(NOT WRIT_TESTS OR NOT EXISTS "${wit}")
        return()
    endif()
    set(out "${CMAKE_BINARY_DIR}/gen-test")
    writ_run_witgen(${wit} ${out})
    file(GLOB_RECURSE sources "${out}/*.c")
    add_library(writ_witgen STATIC ${sources})
    target_link_libraries(writ_witgen PUBLIC writ_base m PRIVATE writ_flags)
    target_include_directories(writ_witgen PUBLIC "${out}" "${CMAKE_SOURCE_DIR}/src")
endfunction()
