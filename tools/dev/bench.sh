#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Measures against the peers; bench/README.md says what and how.
set -eu
cd "$(dirname "$0")/../.."
WRIT_SETUP=bench tools/dev/build.sh release
exec bench/run "$@"
