#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Builds the component of the example: bindings from WIT, C to core WebAssembly, core WebAssembly to a component.
# Needs what examples/hello-c/build.sh needs. The driver is the target `dice` of the tree's own build.
#
# Usage: examples/driver-c/build.sh OUT.wasm
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
cp "$here/wit/dice.wit" "$work/wit/"
ln -s "$WRIT_WIT"/deps/* "$work/wit/deps/"

# The renames give the generated C names that a person can read.
wit-bindgen c "$work/wit" --world table --out-dir "$work" --rename wasi:http/types@0.2.12=http \
    --rename wasi:http/incoming-handler@0.2.12=handler --rename wasi:io/streams@0.2.12=io \
    --rename example:dice/roller@1.0.0=dice >"$work/log" 2>&1 ||
    { cat "$work/log" >&2; exit 1; }
"$WRIT_CLANG" --target=wasm32-wasi -mexec-model=reactor -std=gnu17 -O2 -D_GNU_SOURCE -Wall -Wextra \
    -Wl,--strip-debug -I"$work" "$here/table.c" "$work/table.c" "$work/table_component_type.o" \
    -o "$work/core.wasm"
wasm-tools component new "$work/core.wasm" -o "$work/done.wasm"

mkdir -p "$(dirname "$1")"
mv "$work/done.wasm" "$1"
