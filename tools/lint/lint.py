#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks the rules that a compiler does not: tools/lint/lint.py [PATH...]

Layers, sizes, banned calls, mutable globals, licence lines, leftovers, links between pages, format. Findings are
printed as `file:line: rule: message`; the last line reads `N passed, N failed` and counts files. An exception is a
line in tools/lint/allow.txt, with its reason.
"""
import argparse
import os
import shutil
import subprocess
import sys

import links
import rules
from layers import Layers

FORMATTER = "clang-format-16"


class Allowed:
    """allow.txt: `rule path text # reason`; a finding passes when its line holds the text."""

    def __init__(self, path):
        self.entries = []
        self.used = set()
        if not os.path.exists(path):
            return
        with open(path, encoding="utf-8") as f:
            for number, line in enumerate(f, 1):
                fields = line.split("#")[0].split(None, 2)
                if len(fields) == 3:
                    self.entries.append((number, fields[0], fields[1], fields[2].strip()))

    def covers(self, rule, path, source_line):
        for number, allowed_rule, allowed_path, text in self.entries:
            if rule == allowed_rule and path == allowed_path and text in source_line:
                self.used.add(number)
                return True
        return False

    def unused(self):
        return [entry for entry in self.entries if entry[0] not in self.used]


def files_of(root):
    """What git knows or would add; without git, everything but build/."""
    done = subprocess.run(["git", "-C", root, "ls-files", "-co", "--exclude-standard", "-z"],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    if done.returncode == 0:
        names = sorted(set(done.stdout.decode().split("\0")) - {""})
    else:
        names = sorted(os.path.relpath(os.path.join(folder, name), root)
                       for folder, _, found in os.walk(root) for name in found
                       if not os.path.relpath(folder, root).startswith(("build", ".git")))
    return [n for n in names if os.path.isfile(os.path.join(root, n)) and not os.path.islink(os.path.join(root, n))]


def check_format(root, paths):
    """Returns findings of clang-format, or None when it is not installed."""
    if shutil.which(FORMATTER) is None:
        return None
    done = subprocess.run([FORMATTER, "--dry-run", "--ferror-limit=1", *paths], cwd=root, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    findings = []
    for line in done.stdout.splitlines():
        parts = line.split(":")
        if len(parts) > 3 and "clang-format-violations" in line:
            findings.append((parts[0], int(parts[1]), "format", "not as clang-format-16 writes it (make format)"))
    return findings


def check_tree(root, paths, allowed):
    """All findings as (path, line, rule, message), before clang-format."""
    layers = Layers(root)
    findings = []
    for path in paths:
        with open(os.path.join(root, path), "rb") as f:
            data = f.read()
        if b"\0" in data[:8192]:
            findings.append((path, 1, "binary", "a binary file; the tree holds only text"))
            continue
        text = data.decode("utf-8", errors="replace")
        found = list(rules.check_file(path, text))
        if path.startswith("src/") and rules.is_c(path):
            found += [(line, "layer", message) for line, message in layers.check(path, text)]
        if path.endswith(".md"):
            found += [(line, "link", message) for line, message in links.check(root, path, text)]
        lines = text.split("\n")
        findings += [(path, line, rule, message) for line, rule, message in found
                     if not allowed.covers(rule, path, lines[line - 1])]
    return findings


def options_of(arguments):
    parser = argparse.ArgumentParser(description="Check the rules of the tree.")
    parser.add_argument("--root", default=os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    parser.add_argument("--rule", help="only this rule, such as layer")
    parser.add_argument("paths", nargs="*", help="only these files and folders (default: all)")
    return parser.parse_args(arguments)


def main():
    options = options_of(sys.argv[1:])
    root = options.root
    paths = files_of(root)
    if options.paths:
        chosen = [os.path.relpath(p, root) for p in options.paths]
        paths = [p for p in paths if any(p == c or c == "." or p.startswith(c + "/") for c in chosen)]
    allowed = Allowed(os.path.join(root, "tools/lint/allow.txt"))
    findings = check_tree(root, paths, allowed)
    if options.rule:
        findings = [finding for finding in findings if finding[2] == options.rule]
    elif not options.paths:
        findings += [("tools/lint/allow.txt", number, "allow", f"excuses nothing any more: {rule} {path}")
                     for number, rule, path, _ in allowed.unused()]
    c_files = [p for p in paths if rules.is_c(p)]
    formatted = check_format(root, c_files) if c_files and options.rule in (None, "format") else []
    skipped = ""
    if formatted is None:
        print(f"the format was not checked: {FORMATTER} is not installed (apt-get install {FORMATTER})")
        skipped = ", 1 skipped"
    for path, line, rule, message in sorted(findings + (formatted or [])):
        print(f"{path}:{line}: {rule}: {message}")
    failed = {finding[0] for finding in findings + (formatted or [])}
    print(f"{len(set(paths) - failed)} passed, {len(failed)} failed{skipped}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
