# SPDX-License-Identifier: Apache-2.0
"""Relative links of Markdown pages: the file is there, and so is the heading behind a `#`."""
import os
import re

FENCE = re.compile(r"^ {0,3}(```|~~~)")
CODE = re.compile(r"(`+)(?:(?!\1).)*\1")
INLINE = re.compile(r"\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
REFERENCE = re.compile(r"^ {0,3}\[[^\]]+\]:\s*<?([^\s>]+)")
HEADING = re.compile(r"^ {0,3}#{1,6}\s+(.*?)\s*#*\s*$")
ELSEWHERE = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*:|^//")


def prose(text):
    """The lines outside of code blocks, with their numbers."""
    fence = None
    for number, line in enumerate(text.split("\n"), 1):
        mark = FENCE.match(line)
        if mark and fence in (None, mark.group(1)):
            fence = None if fence else mark.group(1)
        elif fence is None:
            yield number, line


def anchors(text):
    """What can stand behind the `#` of a link to this page: its headings, as code hosts spell them."""
    names = {}
    for _, line in prose(text):
        heading = HEADING.match(line)
        if heading:
            words = re.sub(r"\]\([^)]*\)", "]", heading.group(1)).lower()
            name = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
            names[name] = names.get(name, -1) + 1
    return {name if i == 0 else f"{name}-{i}" for name, count in names.items() for i in range(count + 1)}


def links(text):
    """Every (line, target) that does not lead to another site."""
    for number, line in prose(text):
        plain = CODE.sub("", line)
        reference = REFERENCE.match(plain)
        for target in INLINE.findall(plain) + ([reference.group(1)] if reference else []):
            if not ELSEWHERE.match(target):
                yield number, target


def check(root, path, text):
    """Yields (line, message) for each link of a page that leads nowhere."""
    for number, target in links(text):
        name, _, anchor = target.partition("#")
        base = root if name.startswith("/") else os.path.join(root, os.path.dirname(path))
        full = os.path.normpath(os.path.join(base, name.lstrip("/"))) if name else os.path.join(root, path)
        if os.path.relpath(full, root).startswith(".."):
            yield number, f"{target} leads out of the tree"
        elif not os.path.exists(full):
            yield number, f"{target} is not there"
        elif anchor and full.endswith(".md"):
            with open(full, encoding="utf-8", errors="replace") as f:
                if anchor not in anchors(f.read()):
                    yield number, f"{target}: {os.path.relpath(full, root)} has no such heading"
