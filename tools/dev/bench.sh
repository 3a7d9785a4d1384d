#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Measures against the peers; bench/README.md says what and how.
set -eu
cd "$(dirname "$0")/../.."
if [ ! -x bench/run ]; then
    echo "bench: bench/run is not part of this tree yet" >&2
    exit 1
fi
WRIT_SETUP=test tools/dev/build.sh release
exec bench/run "$@"
