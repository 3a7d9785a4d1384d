# SPDX-License-Identifier: Apache-2.0
#
# For scripts that build WebAssembly guests; to be sourced with $root set to the top of the tree. Sets
# WRIT_WIT (see wit.sh) and WRIT_CLANG, puts wasm-tools and wit-bindgen on the PATH, and stops with what is
# missing and how to get it. With WRIT_GUEST_C=no the C compiler is not looked for. The tools are taken from $WRIT_TOOLS, else from build/deps/tools/bin, else from the PATH.

for folder in "${WRIT_TOOLS:-}" "$root/build/deps/tools/bin"; do
    if [ -n "$folder" ] && [ -x "$folder/wasm-tools" ]; then
        PATH=$folder:$PATH
        break
    fi
done
for tool in wasm-tools wit-bindgen; do
    if ! command -v $tool >/dev/null; then
        echo "guests: $tool is not here. It is built once by \`make setup\`, or: cargo install --locked $tool" >&2
        exit 1
    fi
done

WRIT_CLANG=${WRIT_CLANG:-clang-16}
if [ "${WRIT_GUEST_C:-yes}" = yes ] &&
    { ! command -v "$WRIT_CLANG" || ! command -v wasm-ld-16 || [ ! -d /usr/lib/wasm32-wasi ]; } >/dev/null; then
    echo "guests: the C tool chain for WebAssembly is not complete. As root:" >&2
    echo "    apt-get install clang-16 lld-16 wasi-libc libclang-rt-16-dev-wasm32" >&2
    exit 1
fi

WRIT_WIT=$("$root/tools/setup/wit.sh")
export PATH WRIT_WIT WRIT_CLANG
