#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs the release build. Usage: tools/dev/install.sh PREFIX [DESTDIR]
set -eu
cd "$(dirname "$0")/../.."
tools/dev/build.sh release
DESTDIR=${2:-} cmake --install build/release --prefix "$1" --strip >build/install.log || {
    cat build/install.log >&2
    exit 1
}
echo "installed: ${2:-}$1/bin/writ"
