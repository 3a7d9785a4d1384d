# SPDX-License-Identifier: Apache-2.0
"""The rules for one file. Each yields (line, rule, message)."""
import ast
import re

import csource

FILE_LINES_MAX = 1000
FUNCTION_LINES_MAX = 70
COLUMNS_MAX = {"c": 110, "h": 110, "py": 120}

# Never, in any C of ours.
BANNED = {
    "strcpy": "bounded copies only, see base/slice.h and base/buf.h",
    "strcat": "use base/buf.h",
    "sprintf": "use snprintf or buf_append_format",
    "vsprintf": "use vsnprintf or buf_append_format",
    "strncpy": "does not terminate; use base/slice.h",
    "strtok": "keeps hidden state; use slice_find",
    "atoi": "hides errors; use slice_to_u64",
    "atol": "hides errors; use slice_to_u64",
    "gets": "has no bound",
    "localtime": "keeps hidden state; times are UTC",
    "gmtime": "keeps hidden state; use gmtime_r in os/",
    "system": "starts a shell",
    "popen": "starts a shell",
    "rand": "predictable; use os/random.h",
    "alloca": "unbounded stack",
    "setjmp": "hides control flow",
    "longjmp": "hides control flow",
}
HEAP = {name: "only base/ allocates; use base/mem.h" for name in ("malloc", "calloc", "realloc", "free", "strdup")}
SYSTEM = {name: "raw system calls belong to os/" for name in (
    "open", "openat", "creat", "fork", "vfork", "execve", "execv", "execvp", "posix_spawn", "waitpid",
    "clock_gettime", "gettimeofday", "time", "nanosleep", "usleep", "sleep", "getrandom")}

# What leaves a worker passes the gate, which is asked there; net/ has the function itself. The other end of links
# sends calls into workers, which ask the gate themselves (host/delivery.c), and a driver that passes on what passed.
CALL_OUT = {"rpc_call_start": "only capability/links.c sends calls, after it asked the gate: use wasi_link_call"}
CALLS_OUT = ("src/net/", "src/capability/links.c", "src/host/link_deliveries.c", "src/driver/provider/")

# Nothing is bound to an import but what the gate decided: each way from a component's import to a function of the
# engine has one place, in this order.
BOUND = tuple((re.compile(pattern), places, message) for pattern, places, message in (
    (r"\bwasi_offer_(?:find|at)\s*\(", ("src/capability/", "src/host/grants.c", "src/host/explain.c"),
     "what the host offers is read by the gate"),
    (r"\(\s*component_gate\s*\)\s*\{|\.admit\s*=", ("src/host/grants.c",), "only host/grants.c makes a gate"),
    (r"\bcomponent_link\s*\(", ("src/component/", "src/host/workload.c"), "only host/workload.c links, with that gate"),
    (r"(?:->|\.)\s*admit\s*\(", ("src/component/plan_import.c",), "only component/plan_import.c asks for an import"),
    (r"(?:->|\.)\s*(?:host_func_new|template_new)\s*\(", ("src/component/link.c",),
     "only component/link.c gives functions to a module, from the plan"),
    (r"\bwasmtime_(?:linker|component_linker)_define\w*\s*\(",
     ("src/engine/call.c", "src/engine/import_linker.c", "src/engine/instance.c", "src/engine/task.c"),
     "imports of a module are defined from what component/ hands over"),
))

# Written in two parts, so that this file does not find itself.
MARKERS = re.compile(r"\b(" + "|".join(["TO" "DO", "FIX" "ME", "X" "XX"]) + r")\b")
SPDX = "SPDX-License-Identifier: Apache-2.0"
SPDX_SUFFIXES = ("c", "h", "py", "sh", "cmake", "toml", "wit", "js", "mjs", "rs", "go", "wast")
TABS_ALLOWED = ("go", "Makefile", "mod", "sum")


def suffix_of(path):
    name = path.rsplit("/", 1)[-1]
    return name.rsplit(".", 1)[-1] if "." in name[1:] else name


def is_c(path):
    return path.endswith((".c", ".h"))


def is_guest(path):
    """Code that is compiled to WebAssembly lives by the rules of its language, not of the host."""
    return path.startswith(("examples/", "templates/", "tests/guests/", "bench/guests/"))


def text_rules(path, text):
    """For every text file."""
    suffix = suffix_of(path)
    lines = text.split("\n")
    columns_max = COLUMNS_MAX.get(suffix)
    for number, line in enumerate(lines, 1):
        if line.endswith((" ", "\t", "\r")) and suffix != "md":
            yield number, "space", "space at the end of the line"
        if "\t" in line and suffix not in TABS_ALLOWED:
            yield number, "tab", "tab"
        if columns_max and len(line) > columns_max:
            yield number, "columns", f"{len(line)} columns, at most {columns_max}"
        marker = MARKERS.search(line)
        if marker:
            yield number, "marker", f"{marker[0]} left behind"
    if text and not text.endswith("\n") and not path.startswith("fuzz/corpus/"):
        yield len(lines), "space", "no newline at the end of the file"
    # What `writ new` writes belongs to whoever asked for it.
    is_theirs = path.startswith("templates/") and path != "templates/templates.toml"
    if suffix in SPDX_SUFFIXES and not is_theirs and SPDX not in "\n".join(lines[:2]):
        yield 1, "spdx", f"does not start with `{SPDX}`"


def size_rules(path, text):
    count = text.count("\n")
    if suffix_of(path) in ("c", "h", "py", "sh", "cmake") and count > FILE_LINES_MAX:
        yield 1, "file-size", f"{count} lines, at most {FILE_LINES_MAX}: this file holds two ideas"


def c_rules(path, text):
    """For C, ours and of guests."""
    blanked = csource.blank(text)
    for line, name, count in csource.functions(blanked):
        if count > FUNCTION_LINES_MAX:
            yield line, "function-size", f"{name} has {count} lines, at most {FUNCTION_LINES_MAX}"
    if path.endswith(".h") and "#pragma once" not in blanked:
        yield 1, "guard", "a header starts with #pragma once"
    if is_guest(path):
        return
    yield from _calls(blanked, "banned", BANNED)
    if not path.startswith("src/"):
        return
    folder = path.split("/")[1]
    if folder != "base":
        yield from _calls(blanked, "heap", HEAP)
    if folder not in ("base", "os"):
        yield from _calls(blanked, "system", SYSTEM)
    if not path.startswith(CALLS_OUT):
        yield from _calls(blanked, "gate", CALL_OUT)
    for number, line in enumerate(blanked.split("\n"), 1):
        for pattern, places, message in BOUND:
            if pattern.search(line) and not path.startswith(places) and not re.match(r"\w[\w *]*\w[ *]\w+\(", line):
                yield number, "gate", message
    for line, piece in csource.top_level(blanked):
        if csource.is_mutable_data(piece):
            yield line, "global", f"mutable data at file scope: {' '.join(piece.split())[:60]}"
    for number, line in enumerate(blanked.split("\n"), 1):
        is_function = re.match(r"\s+static\s+[\w *]*\w\(", line)  # that a macro makes
        if re.match(r"\s+static\s+(?!const\b)", line) and not is_function and not re.search(r"\*\s*const\b", line):
            yield number, "global", f"mutable static in a function: {line.strip()[:60]}"


def _calls(blanked, rule, names):
    # A method or a field of that name (`->time(`) is something else, and so is a declaration `void open(`.
    pattern = re.compile(r"(?<![\w.>])(" + "|".join(names) + r")\s*\(")
    for number, line in enumerate(blanked.split("\n"), 1):
        for match in pattern.finditer(line):
            if not line.lstrip().startswith("#"):
                yield number, rule, f"{match[1]}(): {names[match[1]]}"


def python_rules(_path, text):
    try:
        tree = ast.parse(text)
    except SyntaxError as e:
        yield e.lineno or 1, "syntax", str(e)
        return
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            count = node.end_lineno - node.lineno + 1
            if count > FUNCTION_LINES_MAX:
                yield node.lineno, "function-size", f"{node.name} has {count} lines, at most {FUNCTION_LINES_MAX}"


def check_file(path, text):
    yield from text_rules(path, text)
    yield from size_rules(path, text)
    if is_c(path):
        yield from c_rules(path, text)
    if path.endswith(".py"):
        yield from python_rules(path, text)
