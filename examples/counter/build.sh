#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Builds the component: bindings from WIT, C to core WebAssembly, core WebAssembly to a component.
# Needs what examples/hello-c/build.sh needs.
#
# Usage: examples/counter/build.sh OUT.wasm
set -eu

if [ $# -ne 1 ]; then
    echo "usage: $0 OUT.wasm" >&2
    exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
. "$root/tools/setup/guest-env.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/wit/deps"
cp "$here/world.wit" "$work/wit/"
ln -s "$WRIT_WIT"/deps/* "$work/wit/deps/"
cp "$root/wit/contracts/keyvalue.wit" "$root/wit/contracts/config.wit" "$work/wit/deps/"

# The renames give the generated C names that a person can read.
wit-bindgen c "$work/wit" --world counter --out-dir "$work" --rename wasi:http/types@0.2.12=http \
    --rename wasi:http/incoming-handler@0.2.12=handler --rename wasi:io/streams@0.2.12=io \
    --rename wasi:keyvalue/store@0.2.0-draft=keyvalue --rename wasi:keyvalue/atomics@0.2.0-draft=atomics \
    --rename wasi:config/store@0.2.0-draft=config >"$work/log" 2>&1 ||
    { cat "$work/log" >&2; exit 1; }
"$WRIT_CLANG" --target=wasm32-wasi -mexec-model=reactor -std=gnu17 -O2 -D_GNU_SOURCE -Wall -Wextra \
    -Wl,--strip-debug -I"$work" "$here/counter.c" "$work/counter.c" "$work/counter_component_type.o" \
    -o "$work/core.wasm"
wasm-tools component new "$work/core.wasm" -o "$work/done.wasm"

mkdir -p "$(dirname "$1")"
mv "$work/done.wasm" "$1"
