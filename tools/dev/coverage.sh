#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Which lines the unit tests and corpus replays reach: a summary here, the lines in build/coverage/report/index.html.
set -eu
cd "$(dirname "$0")/../.."
WRIT_SETUP=test tools/dev/build.sh coverage unit-tests fuzzers

failed=0
rm -rf build/coverage/profiles
mkdir -p build/coverage/profiles
LLVM_PROFILE_FILE="$PWD/build/coverage/profiles/%p-%m.profraw" tools/test/run.py --build build/coverage unit/ fuzz/ ||
    failed=1
llvm-profdata-16 merge -sparse -o build/coverage/all.profdata build/coverage/profiles/*.profraw

programs=
for program in build/coverage/tests/* build/coverage/fuzz/fuzz_*; do
    # The first program is an argument of its own, the others are options.
    [ -x "$program" ] && [ -f "$program" ] && programs="$programs ${programs:+-object }$program"
done
# shellcheck disable=SC2086 # a list of words
llvm-cov-16 show -format=html -output-dir=build/coverage/report -instr-profile=build/coverage/all.profdata \
    $programs src >/dev/null
# shellcheck disable=SC2086
llvm-cov-16 export -summary-only -instr-profile=build/coverage/all.profdata $programs src |
    tools/dev/coverage_summary.py
echo "line by line: build/coverage/report/index.html"
exit $failed
