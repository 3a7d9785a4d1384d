# SPDX-License-Identifier: Apache-2.0
"""Just enough understanding of C for the lint: comments and literals blanked, top-level pieces, functions.

Not a parser: it relies on clang-format having been here (functions open and close at column 0).
"""
import re

_TOKEN = re.compile(r"""//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'""", re.DOTALL)


def blank(text):
    """The text with comments and the inside of literals replaced by spaces; lines and columns stay."""

    def cover(match):
        found = match[0]
        if found[0] in "\"'":
            return found[0] + " " * (len(found) - 2) + found[-1]
        return re.sub(r"[^\n]", " ", found)

    return _TOKEN.sub(cover, text)


def _without_directives(blanked):
    """Preprocessor lines, with their continuations, become empty lines."""
    out = []
    in_directive = False
    for line in blanked.split("\n"):
        in_directive = in_directive or line.lstrip().startswith("#")
        out.append("" if in_directive else line)
        in_directive = in_directive and line.endswith("\\")
    return "\n".join(out)


def top_level(blanked):
    """Yields (line number, text) for each declaration or definition, with every braced body shortened to `{}`."""
    text = _without_directives(blanked)
    piece, depth, start, line = "", 0, 1, 1
    for c in text:
        if not piece.strip():
            start = line
        if c == "\n":
            line += 1
        if c == "{":
            depth += 1
            if depth == 1:
                piece += "{"
            continue
        if c == "}":
            depth = max(0, depth - 1)
            if depth == 0:
                piece += "}"
                if _is_function(piece):
                    yield start, piece.strip()
                    piece = ""
            continue
        if depth > 0:
            continue
        if c == ";":
            if piece.strip():
                yield start, piece.strip()
            piece = ""
        else:
            piece += c
    if piece.strip():
        yield start, piece.strip()


def _is_function(piece):
    """A braced piece that ends a function: a parameter list before the brace, and no initialiser."""
    head = piece[:piece.rindex("{")]
    return bool(re.search(r"\)\s*(WRIT_\w+(\([^)]*\))?\s*|__attribute__\(\(.*\)\)\s*)*$", head)) and "=" not in head


def functions(blanked):
    """Yields (line number, name, number of lines) of each function, from its signature to its closing brace."""
    lines = _without_directives(blanked).split("\n")
    start = None
    for number, line in enumerate(lines, 1):
        if start is None:
            opens = line.endswith("{") and not line.startswith((" ", "}", "{"))
            signature_goes_on = line.endswith("{") and line.startswith(" ") and number > 1
            if opens or signature_goes_on:
                first = number
                while first > 1 and lines[first - 1].startswith(" "):
                    first -= 1
                signature = " ".join(lines[first - 1:number])
                if _is_function(signature):
                    start = (first, _name_of(signature))
        elif line.startswith("}"):
            yield start[0], start[1], number - start[0] + 1
            start = None


def _name_of(signature):
    test = re.match(r"TEST\((\w+)\)", signature)
    if test:
        return test[1]
    match = re.search(r"(\w+)\s*\(", signature)
    return match[1] if match else "?"


def is_mutable_data(piece):
    """Whether a top-level piece defines or declares data that can change while the program runs."""
    declarator = re.sub(r"__attribute__\(\(.*?\)\)|WRIT_\w+(\([^()]*\))?", " ", piece).split("=")[0]
    if "=" not in piece and piece.rstrip().endswith("}") and re.match(r"(typedef |struct|enum|union)", piece):
        return False
    if re.match(r"(typedef|_Static_assert|static_assert|TEST|enum\b[^=]*\{\}$|struct \w+$|union \w+$|enum \w+$)",
                declarator.strip()):
        return False
    function_pointer = re.search(r"\(\s*\*\s*(const\b)?", declarator)
    if function_pointer and "=" in piece or re.match(r"[^(]*\(\s*\*\s*\w+(\[\w*\])?\s*\)\s*\(", declarator):
        return not (function_pointer and function_pointer[1])
    if "(" in declarator:
        return False
    if "*" in declarator:
        return not re.match(r"\s*const\b", declarator[declarator.rindex("*") + 1:])
    words = declarator.split()
    return len(words) > 1 and "const" not in words
