#!/bin/sh
# build.sh PART makes build/PART.wasm from the world PART in wit/ and the module PART/PART.py.
set -eu
part=$1
mkdir -p build
componentize-py -d wit -w "$part" componentize -p "$part" "$part" -o "build/$part.wasm"
