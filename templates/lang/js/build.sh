#!/bin/sh
# build.sh PART makes build/PART.wasm from the world PART in wit/ and the module PART/PART.js. What is disabled are
# features of browsers; with them the component would import more than the world says.
set -eu
part=$1
mkdir -p build
node_modules/.bin/componentize-js "$part/$part.js" --wit wit --world-name "$part" --out "build/$part.wasm" \
    -d http -d fetch-event -d stdio -d random -d clocks
