#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Unit tests under ThreadSanitizer.
set -eu
cd "$(dirname "$0")/../.."
WRIT_SETUP=test tools/dev/build.sh tsan unit-tests fuzzers
TSAN_OPTIONS="halt_on_error=1 allocator_may_return_null=1 ${TSAN_OPTIONS:-}" \
    exec tools/test/run.py --build build/tsan unit/ fuzz/
