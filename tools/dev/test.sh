#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# `make test`: set up, build what the tests run, run every suite. Usage: tools/dev/test.sh [WORD...]
set -eu
cd "$(dirname "$0")/../.."
WRIT_SETUP=test tools/dev/build.sh dev
tools/dev/build.sh release
# Guests whose tool chain cannot be had here are named, and the tests that need them skip.
if [ -x tests/guests/build.py ] && [ $# -eq 0 ]; then
    tests/guests/build.py --out build/guests --keep-going
fi
exec tools/test/run.py "$@"
