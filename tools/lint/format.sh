#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Formats every C file that git knows or would add: first the paragraphs of comments, then the code.
set -eu
cd "$(dirname "$0")/../.."
if ! command -v clang-format-16 >/dev/null; then
    echo "format: clang-format-16 is not installed. As root: apt-get install clang-format-16" >&2
    exit 1
fi
git ls-files -co --exclude-standard -z -- '*.c' '*.h' | xargs -0 tools/lint/fill_comments.py
git ls-files -co --exclude-standard -z -- '*.c' '*.h' | xargs -0 clang-format-16 -i
