# SPDX-License-Identifier: Apache-2.0
# Third parties, each under the name by which LAYERS calls it: `writ_dep_<name>`. Debian's come through pkg-config,
# the pinned ones from the folder that tools/setup/setup fills. Nothing is fetched here.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

if(NOT EXISTS "${WRIT_DEPS}/wasmtime/lib/libwasmtime.so" OR NOT EXISTS "${WRIT_DEPS}/llhttp/include/llhttp.h")
    message(FATAL_ERROR "The pinned third parties are not in ${WRIT_DEPS}: run tools/setup/setup (or `make setup`) first.")
endif()

function(writ_dep_from_pkgconfig name module)
    pkg_check_modules(WRIT_PC_${name} REQUIRED IMPORTED_TARGET ${module})
    add_library(writ_dep_${name} INTERFACE)
    target_link_libraries(writ_dep_${name} INTERFACE PkgConfig::WRIT_PC_${name})
endfunction()

writ_dep_from_pkgconfig(uv libuv)
writ_dep_from_pkgconfig(curl libcurl)
writ_dep_from_pkgconfig(sodium libsodium)
writ_dep_from_pkgconfig(openssl openssl)
writ_dep_from_pkgconfig(jansson jansson)
writ_dep_from_pkgconfig(yaml yaml-0.1)
writ_dep_from_pkgconfig(expat expat)
writ_dep_from_pkgconfig(seccomp libseccomp)
writ_dep_from_pkgconfig(archive libarchive)
writ_dep_from_pkgconfig(sqlite3 sqlite3)
writ_dep_from_pkgconfig(hiredis hiredis)

# Wasmtime: a shared library without a SONAME, so the linker must be told to record its bare name.
add_library(wasmtime SHARED IMPORTED)
set_target_properties(wasmtime PROPERTIES
    IMPORTED_LOCATION "${WRIT_DEPS}/wasmtime/lib/libwasmtime.so"
    IMPORTED_NO_SONAME TRUE
    INTERFACE_INCLUDE_DIRECTORIES "${WRIT_DEPS}/wasmtime/include")
add_library(writ_dep_wasmtime INTERFACE)
target_link_libraries(writ_dep_wasmtime INTERFACE wasmtime Threads::Threads)

# llhttp: three generated C files, compiled here with the flags of the build type.
file(GLOB llhttp_sources CONFIGURE_DEPENDS "${WRIT_DEPS}/llhttp/src/*.c")
add_library(llhttp STATIC ${llhttp_sources})
target_include_directories(llhttp SYSTEM PUBLIC "${WRIT_DEPS}/llhttp/include")
target_compile_options(llhttp PRIVATE -w)
target_link_libraries(llhttp PRIVATE writ_third_party_flags)
add_library(writ_dep_llhttp INTERFACE)
target_link_libraries(writ_dep_llhttp INTERFACE llhttp)

# Protocol buffers: the messages under proto/ become C when the build runs; only decoded and encoded, no service code.
pkg_check_modules(WRIT_PC_protobuf_c REQUIRED IMPORTED_TARGET libprotobuf-c)
find_program(WRIT_PROTOC_C protoc-c REQUIRED)
set(WRIT_PROTO_DIR "${CMAKE_BINARY_DIR}/gen-proto")
file(MAKE_DIRECTORY "${WRIT_PROTO_DIR}/proto")
file(GLOB proto_files CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/proto/*.proto")
set(proto_sources "")
foreach(proto IN LISTS proto_files)
    cmake_path(GET proto STEM name)
    set(generated "${WRIT_PROTO_DIR}/proto/${name}.pb-c")
    add_custom_command(
        OUTPUT "${generated}.c" "${generated}.h"
        COMMAND ${WRIT_PROTOC_C} --proto_path=${CMAKE_SOURCE_DIR} --c_out=${WRIT_PROTO_DIR} ${proto}
        DEPENDS ${proto}
        COMMENT "C of ${name}.proto"
        VERBATIM)
    list(APPEND proto_sources "${generated}.c" "${generated}.h")
endforeach()
add_library(writ_proto STATIC ${proto_sources})
target_include_directories(writ_proto SYSTEM PUBLIC "${WRIT_PROTO_DIR}")
target_compile_options(writ_proto PRIVATE -w)
target_link_libraries(writ_proto PUBLIC PkgConfig::WRIT_PC_protobuf_c PRIVATE writ_third_party_flags)
add_library(writ_dep_protobuf-c INTERFACE)
target_link_libraries(writ_dep_protobuf-c INTERFACE writ_proto)
