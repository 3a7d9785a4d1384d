#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Puts the official WASI 0.2 packages and the preview 1 adapters into the cache and links them as
# build/deps/wit. They are third-party files, so the tree does not carry them: they come from one pinned
# npm package, checked by its SHA-256. Prints the folder:
#
#   deps/wasi-{cli,clocks,filesystem,http,io,random,sockets}/package.wit   WASI 0.2.12, for `wit-bindgen` and friends
#   adapters/wasi_snapshot_preview1.{command,reactor}.wasm                 for `wasm-tools component new --adapt`
#
# Usage: tools/setup/wit.sh [--where]      --where prints the folder's path without fetching anything
set -eu

package='@bytecodealliance/jco@1.35.0'
sha256=893e80e993a2cb3735e195a0c2dc3ab7d683877a813bb024a27499ee86e12b13
wasi=0.2.12

root=$(cd "$(dirname "$0")/../.." && pwd)
cache=${WRIT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/writ}
folder=$cache/wit/wasi-$wasi-$(printf %.12s "$sha256")

fetch() {
    if ! command -v npm >/dev/null; then
        echo "wit: the WASI packages come from npm, which is not installed: apt-get install npm" >&2
        exit 1
    fi
    mkdir -p "$cache/wit"
    work=$(mktemp -d "$cache/wit/.new-XXXXXX")
    trap 'rm -rf "$work"' EXIT
    if ! archive=$(cd "$work" && npm pack --silent "$package" 2>"$work/npm.log"); then
        cat "$work/npm.log" >&2
        echo "wit: cannot fetch the npm package $package. Is the network there? With it once, the cache in $cache suffices." >&2
        exit 1
    fi
    if ! echo "$sha256  $work/$archive" | sha256sum --check --status; then
        echo "wit: $package is not the file that this version expects (SHA-256 differs); nothing was used." >&2
        exit 1
    fi
    tar -xzf "$work/$archive" -C "$work"
    mkdir -p "$work/out/deps" "$work/out/adapters"
    cp -r "$work/package/lib/wit/builtin/$wasi"/wasi-* "$work/out/deps/"
    cp "$work/package/lib"/wasi_snapshot_preview1.*.wasm "$work/out/adapters/"
    # Another run may have been faster; its folder is as good as ours.
    mv -T "$work/out" "$folder" 2>/dev/null || test -d "$folder/adapters"
}

if [ "${1:-}" = --where ]; then
    echo "$folder"
    exit 0
fi
[ -d "$folder/adapters" ] || fetch
mkdir -p "$root/build/deps"
ln -sfn "$folder" "$root/build/deps/wit"
echo "$folder"
