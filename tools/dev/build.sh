#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Sets up what is missing and builds one preset. Usage: tools/dev/build.sh PRESET [TARGET...]
# WRIT_SETUP (default build) names the level of set-up; WRIT_WERROR=ON makes warnings errors.
set -eu
cd "$(dirname "$0")/../.."
preset=$1
shift

tools/setup/setup.py "${WRIT_SETUP:-build}"
if [ ! -f "build/$preset/build.ninja" ] || [ -n "${WRIT_WERROR:-}" ]; then
    cmake --preset "$preset" -DWRIT_WERROR="${WRIT_WERROR:-OFF}" >"build/$preset-configure.log" 2>&1 || {
        cat "build/$preset-configure.log" >&2
        exit 1
    }
fi
# Only what went wrong is worth a screen; ninja says "no work to do" otherwise.
if [ -t 1 ] || [ -n "${VERBOSE:-}" ]; then
    exec cmake --build "build/$preset" -j "${WRIT_JOBS:-$(nproc)}" ${1:+--target "$@"}
fi
cmake --build "build/$preset" -j "${WRIT_JOBS:-$(nproc)}" ${1:+--target "$@"} >"build/$preset-build.log" 2>&1 || {
    grep -v '^\[' "build/$preset-build.log" | head -100 >&2
    echo "build: $preset failed, the whole log is build/$preset-build.log" >&2
    exit 1
}
grep -E 'warning:' "build/$preset-build.log" >&2 || true
