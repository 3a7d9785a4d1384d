# SPDX-License-Identifier: Apache-2.0
# Compiler and linker flags: `writ_flags` is for what we write, `writ_third_party_flags` for what we only compile.
include(CheckCCompilerFlag)

add_library(writ_sanitizers INTERFACE)
if(WRIT_SANITIZE)
    target_compile_options(writ_sanitizers INTERFACE -fsanitize=${WRIT_SANITIZE} -fno-omit-frame-pointer)
    target_link_options(writ_sanitizers INTERFACE -fsanitize=${WRIT_SANITIZE})
    if(WRIT_SANITIZE MATCHES "undefined")
        target_compile_options(writ_sanitizers INTERFACE -fno-sanitize-recover=undefined)
    endif()
endif()
if(WRIT_FUZZ)
    target_compile_options(writ_sanitizers INTERFACE -fsanitize=fuzzer-no-link)
endif()

# Hardening belongs to optimised builds; the sanitizers do the same work better in the others.
add_library(writ_hardening INTERFACE)
if(CMAKE_BUILD_TYPE STREQUAL "Release")
    set(CMAKE_C_FLAGS_RELEASE "-O2 -g1")
    target_compile_options(writ_hardening INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
    foreach(flag -fstack-protector-strong -fstack-clash-protection -fcf-protection=full -fstrict-flex-arrays=3
                 -ftrivial-auto-var-init=zero)
        string(MAKE_C_IDENTIFIER "WRIT_HAS${flag}" has)
        check_c_compiler_flag(${flag} ${has})
        if(${has})
            target_compile_options(writ_hardening INTERFACE ${flag})
        endif()
    endforeach()
    # Builds of two checkouts are the same, debug information included.
    target_compile_options(writ_hardening INTERFACE -fdebug-prefix-map=${CMAKE_SOURCE_DIR}=.)
    target_link_options(writ_hardening INTERFACE -Wl,-z,relro,-z,now,-z,noexecstack,--as-needed)
endif()

add_library(writ_third_party_flags INTERFACE)
target_link_libraries(writ_third_party_flags INTERFACE writ_sanitizers writ_hardening)

add_library(writ_flags INTERFACE)
target_compile_definitions(writ_flags INTERFACE _GNU_SOURCE WRIT_VERSION="${PROJECT_VERSION}")
target_include_directories(writ_flags INTERFACE ${CMAKE_SOURCE_DIR}/src)
target_compile_options(writ_flags INTERFACE
    -Wall -Wextra -Wconversion -Wshadow -Wmissing-prototypes -Wstrict-prototypes -Wvla -Wformat=2 -Wno-format-nonliteral -Wundef
    -Wimplicit-fallthrough -Werror=implicit-function-declaration -Werror=int-conversion -Werror=return-type
    # __FILE__ in messages names a path inside the tree.
    -fmacro-prefix-map=${CMAKE_SOURCE_DIR}/=)
if(WRIT_WERROR)
    target_compile_options(writ_flags INTERFACE -Werror)
endif()
target_link_libraries(writ_flags INTERFACE writ_sanitizers writ_hardening)
