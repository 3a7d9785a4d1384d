#!/bin/sh
# build.sh PART makes build/PART.wasm from the world PART in wit/ and the Go in the folder PART/. Bindings and sources
# come together in build/PART, as the bindings want it: they look for a package of yours for each exported interface.
set -eu
part=$1
work=build/$part
rm -rf "$work"
wit-bindgen go wit --world "$part" --out-dir "$work"
cp -R "$part/." "$work/"
# The packages below the bindings allocate with a function of Go's own run-time, which the linker otherwise hides.
(cd "$work" && GOOS=wasip1 GOARCH=wasm go build -mod=mod -trimpath -buildvcs=false -buildmode=c-shared \
    -ldflags=-checklinkname=0 -o plain.wasm .)
wasm-tools component embed wit --world "$part" "$work/plain.wasm" -o "$work/core.wasm"
wasm-tools component new "$work/core.wasm" -o "build/$part.wasm" \
    --adapt wasi_snapshot_preview1=tools/wasi_snapshot_preview1.reactor.wasm
