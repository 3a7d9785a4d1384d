#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Builds the two components: bindings from WIT, C to core WebAssembly, core WebAssembly to a component.
# Needs what examples/hello-c/build.sh needs.
#
# Usage: examples/bank/build.sh FOLDER      makes FOLDER/teller.wasm and FOLDER/ledger.wasm
set -eu

if [ $# -ne 1 ]; then
    echo "usage: $0 FOLDER" >&2
    exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
. "$root/tools/setup/guest-env.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/wit/deps" "$1"
cp "$here/wit/bank.wit" "$work/wit/"
ln -s "$WRIT_WIT"/deps/* "$work/wit/deps/"
cp "$root/wit/contracts/postgres.wit" "$work/wit/deps/"

for name in teller ledger; do
    # The renames give the generated C names that a person can read.
    wit-bindgen c "$work/wit" --world $name --out-dir "$work" --rename wasi:http/types@0.2.12=http \
        --rename wasi:http/incoming-handler@0.2.12=handler --rename wasi:io/streams@0.2.12=io \
        --rename wasmcloud:postgres/types@0.1.1-draft=pg --rename wasmcloud:postgres/query@0.1.1-draft=query \
        --rename bank:ledger/transfers@1.0.0=transfers >"$work/log" 2>&1 ||
        { cat "$work/log" >&2; exit 1; }
    "$WRIT_CLANG" --target=wasm32-wasi -mexec-model=reactor -std=gnu17 -O2 -D_GNU_SOURCE -Wall -Wextra \
        -Wl,--strip-debug -I"$work" "$here/$name.c" "$work/$name.c" "$work/${name}_component_type.o" \
        -o "$work/core.wasm"
    wasm-tools component new "$work/core.wasm" -o "$work/done.wasm"
    mv "$work/done.wasm" "$1/$name.wasm"
done
