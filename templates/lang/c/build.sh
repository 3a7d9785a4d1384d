#!/bin/sh
# build.sh PART makes build/PART.wasm from the world PART in wit/ and the C in the folder PART/: bindings from the
# WIT, C to core WebAssembly, core WebAssembly to a component. PART/names says what bindings call the interfaces.
set -eu
part=$1
work=build/$part
mkdir -p "$work"
# shellcheck disable=SC2046 # one option for each line
wit-bindgen c wit --world "$part" --out-dir "$work" $(sed 's/^/--rename /' "$part/names")
"${CLANG:-clang}" --target=wasm32-wasi -mexec-model=reactor -std=gnu17 -O2 -Wall -Wextra -Wl,--strip-debug -I"$work" \
    "$part"/*.c "$work/$part.c" "$work/${part}_component_type.o" -o "$work/core.wasm"
wasm-tools component new "$work/core.wasm" -o "build/$part.wasm" \
    --adapt wasi_snapshot_preview1=tools/wasi_snapshot_preview1.reactor.wasm
