#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# `make test`: set up, build what the tests run, run every suite. Usage: tools/dev/test.sh [WORD...]
set -eu
cd "$(dirname "$0")/../.."
WRIT_SETUP=test tools/dev/build.sh dev
tools/dev/build.sh release
exec tools/test/run.py "$@"
