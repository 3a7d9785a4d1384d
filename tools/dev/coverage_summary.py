#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads `llvm-cov export -summary-only` from stdin and prints lines and branches reached, per folder of src/."""
import collections
import json
import re
import sys


def percent(part, whole):
    return f"{100 * part / whole:5.1f} %" if whole else "      -"


def row(name, counts):
    lines, lines_all, branches, branches_all = counts
    return f"{name:<28} {lines:6} of {lines_all:6} {percent(lines, lines_all)}   {percent(branches, branches_all)}"


def main():
    folders = collections.defaultdict(lambda: [0, 0, 0, 0])
    for file in json.load(sys.stdin)["data"][0]["files"]:
        match = re.search(r"/src/((?:capability/)?[^/]+)/", file["filename"])
        if match is None:
            continue
        summary = file["summary"]
        for name in (match[1], "total"):
            for i, (kind, field) in enumerate([("lines", "covered"), ("lines", "count"), ("branches", "covered"),
                                               ("branches", "count")]):
                folders[name][i] += summary[kind][field]
    total = folders.pop("total", [0, 0, 0, 0])
    print(f"{'FOLDER':<28} {'LINES':>16} {'':7}   BRANCHES")
    for name in sorted(folders):
        print(row(name, folders[name]))
    print(row("total", total))


if __name__ == "__main__":
    main()
