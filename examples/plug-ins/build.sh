#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# build.sh PART makes build/PART.wasm; writ.yaml lists the parts. Needs what examples/hello-c/build.sh needs, `npm
# install` in this folder, and Go.
set -eu
cd "$(dirname "$0")"
root=${root:-$(cd ../.. && pwd)}
. "$root/tools/setup/guest-env.sh"

part=$1
work=build/$part
wit=$work/wit
rm -rf "$work"
mkdir -p "$wit"
cp -R "$WRIT_WIT/deps" "$wit/"
cp "$root"/wit/contracts/keyvalue.wit "$root"/wit/contracts/config.wit "$root"/wit/contracts/bus.wit "$wit/deps/"
cp wit/world.wit "$wit/"

# build_c WORLD SOURCE RENAME...
build_c() {
    world=$1 source=$2
    shift 2
    wit-bindgen c "$wit" --world "$world" --out-dir "$work" "$@"
    "$WRIT_CLANG" --target=wasm32-wasi -mexec-model=reactor -std=gnu17 -O2 -Wall -Wextra -Wl,--strip-debug -I"$work" \
        "$source" "$work/$world.c" "$work/${world}_component_type.o" -o "$work/core.wasm"
    wasm-tools component new "$work/core.wasm" -o "build/$part.wasm" \
        --adapt wasi_snapshot_preview1="$WRIT_WIT/adapters/wasi_snapshot_preview1.reactor.wasm"
}

plugin='--rename example:plug-ins/plugin=plugin'
store='--rename wasi:keyvalue/store@0.2.0-draft=keyvalue'
http='--rename wasi:http/types@0.2.12=http'
# shellcheck disable=SC2086 # each is an option and its value
case $part in
gallery)
    build_c gallery gallery/gallery.c $plugin $http --rename wasi:http/incoming-handler@0.2.12=handler \
        --rename wasi:io/streams@0.2.12=io --rename wasi:config/store@0.2.0-draft=config \
        --rename wasmcloud:bus/lattice@2.0.1=lattice --rename wasi:clocks/monotonic-clock@0.2.12=clock
    ;;
remember)
    build_c keeper c/remember.c $plugin $store
    ;;
nosy)
    build_c nosy c/nosy.c $plugin $store $http --rename wasi:http/outgoing-handler@0.2.12=outgoing \
        --rename wasi:filesystem/preopens@0.2.12=preopens --rename wasi:io/poll@0.2.12=poll
    ;;
title | slug)
    node_modules/.bin/componentize-js "js/$part.js" --wit "$wit" --world-name simple --out "build/$part.wasm" \
        -d http -d fetch-event -d stdio -d random -d clocks
    ;;
rot13 | longest)
    wit-bindgen go "$wit" --world simple --out-dir "$work/module"
    cp -R "go/$part/." "$work/module/"
    (cd "$work/module" && GOOS=wasip1 GOARCH=wasm go build -mod=mod -trimpath -buildvcs=false -buildmode=c-shared \
        -ldflags=-checklinkname=0 -o ../plain.wasm .)
    wasm-tools component embed "$wit" --world simple "$work/plain.wasm" -o "$work/core.wasm"
    wasm-tools component new "$work/core.wasm" -o "build/$part.wasm" \
        --adapt wasi_snapshot_preview1="$WRIT_WIT/adapters/wasi_snapshot_preview1.reactor.wasm"
    ;;
*)
    build_c simple "c/$part.c" $plugin
    ;;
esac
