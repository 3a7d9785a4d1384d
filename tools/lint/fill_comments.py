#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Refills paragraphs of `//` comments that are too wide: tools/lint/fill_comments.py FILE...

clang-format breaks a long comment line and leaves the rest of its paragraph ragged; this fills the paragraph again.
Only paragraphs with a line over the limit are touched. Lines that look like lists, tables or code keep their place.
"""
import re
import sys
import textwrap

COLUMNS_MAX = 110
# A line that ends a sentence this early was ended on purpose: the next one starts a paragraph.
SHORT_COLUMNS = 100
_COMMENT = re.compile(r"^(\s*)// ?(.*)$")
_RULER = re.compile(r"^(.*// -+ .*?-{8})-*$")
_SHAPED = re.compile(r"^(\s{1,}|[-*|#+>]|\d+[.)] |links:|SPDX-|\(\d)")


def _filled(indent, texts):
    width = COLUMNS_MAX - len(indent) - 3
    lines = textwrap.wrap(" ".join(texts), width, break_long_words=False, break_on_hyphens=False)
    return [f"{indent}// {line}" for line in lines]


def _ends_early(line, after):
    return line.endswith((".", ":")) and len(line) + 1 + len(after.split()[0]) <= SHORT_COLUMNS


def fill(text):
    """The text with its wide comment paragraphs refilled."""
    out, paragraph = [], []

    def flush():
        if not paragraph:
            return
        indent = paragraph[0][0]
        wide = any(len(line) > COLUMNS_MAX for _, _, line in paragraph)
        out.extend(_filled(indent, [t for _, t, _ in paragraph]) if wide else [line for _, _, line in paragraph])
        paragraph.clear()

    for line in text.split("\n"):
        if len(line) > COLUMNS_MAX and _RULER.match(line):
            line = line[:COLUMNS_MAX]
        match = _COMMENT.match(line)
        if match is None or not match[2].strip() or _SHAPED.match(match[2]) or re.search(r"\S   +\S", match[2]):
            flush()
            out.append(line)
            continue
        if paragraph and (paragraph[0][0] != match[1] or _ends_early(paragraph[-1][2], match[2])):
            flush()
        paragraph.append((match[1], match[2].strip(), line))
    flush()
    return "\n".join(out)


def main():
    for path in sys.argv[1:]:
        with open(path, encoding="utf-8") as f:
            text = f.read()
        filled = fill(text)
        if filled != text:
            with open(path, "w", encoding="utf-8") as f:
                f.write(filled)


if __name__ == "__main__":
    main()
