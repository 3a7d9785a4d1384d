#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# build.sh page | moderation makes build/PART.wasm. Needs what examples/hello-c/build.sh needs, and for the page
# `npm install` in this folder.
set -eu
cd "$(dirname "$0")"
root=${root:-$(cd ../.. && pwd)}
. "$root/tools/setup/guest-env.sh"

mkdir -p "build/wit"
cp -R "$WRIT_WIT/deps" build/wit/
cp "$root"/wit/contracts/keyvalue.wit "$root"/wit/contracts/config.wit build/wit/deps/
cp wit/world.wit build/wit/

case $1 in
page)
    node_modules/.bin/componentize-js page/page.js --wit build/wit --world-name page --out build/page.wasm \
        -d http -d fetch-event -d stdio -d random -d clocks
    ;;
moderation)
    work=build/moderation
    mkdir -p "$work"
    wit-bindgen c build/wit --world moderator --out-dir "$work" --rename example:guestbook/moderation=moderation \
        --rename wasi:config/store@0.2.0-draft=config
    "$WRIT_CLANG" --target=wasm32-wasi -mexec-model=reactor -std=gnu17 -O2 -Wall -Wextra -Wl,--strip-debug -I"$work" \
        moderation/moderation.c "$work/moderator.c" "$work/moderator_component_type.o" -o "$work/core.wasm"
    wasm-tools component new "$work/core.wasm" -o build/moderation.wasm
    ;;
*)
    echo "usage: $0 page | moderation" >&2
    exit 2
    ;;
esac
