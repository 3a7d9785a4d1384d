#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs each fuzzer for some seconds on its seeds. Usage: tools/dev/fuzz.sh [SECONDS] [NAME...]
# What libFuzzer finds interesting is kept in build/fuzz/found/<name>; an input that fails, in build/fuzz/failures.
set -eu
cd "$(dirname "$0")/../.."
seconds=${1:-60}
[ $# -eq 0 ] || shift
WRIT_SETUP=test tools/dev/build.sh fuzz fuzzers

mkdir -p build/fuzz/failures
passed=0
failed=0
for harness in fuzz/fuzz_*.c; do
    name=$(basename "$harness" .c)
    short=${name#fuzz_}
    if [ $# -gt 0 ] && ! echo " $* " | grep -q " $short "; then
        continue
    fi
    program=build/fuzz/fuzz/$name
    [ -x "$program" ] || continue
    mkdir -p "build/fuzz/found/$short"
    echo "fuzz: $short for $seconds s"
    if "$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="build/fuzz/failures/$short-" "build/fuzz/found/$short" "build/fuzz/fuzz/corpus/$short" \
        >"build/fuzz/$short.log" 2>&1; then
        passed=$((passed + 1))
        grep -E 'stat::number_of_executed_units' "build/fuzz/$short.log" || true
    else
        failed=$((failed + 1))
        tail -40 "build/fuzz/$short.log"
        echo "fuzz: $short failed; the whole log is build/fuzz/$short.log"
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
