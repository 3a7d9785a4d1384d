# SPDX-License-Identifier: Apache-2.0
"""The layer check: every #include of src/ against the file LAYERS."""
import os
import re

# What a library's headers look like; LAYERS says by these names which folder may include them.
HEADERS_OF = {
    "jansson": r"jansson(_config)?\.h$",
    "expat": r"expat(_external)?\.h$",
    "yaml": r"yaml\.h$",
    "seccomp": r"(seccomp\.h|linux/(seccomp|landlock|filter)\.h)$",
    "uv": r"uv(\.h$|/)",
    "sodium": r"sodium(\.h$|/)",
    "openssl": r"openssl/",
    "archive": r"archive(_entry)?\.h$",
    "curl": r"curl/",
    "protobuf-c": r"(protobuf-c/|proto/[a-z_]+\.pb-c\.h$)",
    "llhttp": r"llhttp\.h$",
    "sqlite3": r"sqlite3(ext)?\.h$",
    "hiredis": r"hiredis/",
    "wasmtime": r"(wasm|wasi|wasmtime)(\.h$|/)",
}
# The first folders of the files that tools/witgen writes, and the first row that may include them.
GENERATED = ("wasi", "wasmcloud", "writ")
GENERATED_ROW = 7

_INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


class Layers:
    """The parsed file LAYERS."""

    def __init__(self, root):
        self.root = root
        self.row = {}
        self.libraries = {}
        with open(os.path.join(root, "LAYERS"), encoding="utf-8") as f:
            for line in f:
                fields = line.split("#")[0].split()
                if fields:
                    self.row[fields[1]] = int(fields[0])
                    self.libraries[fields[1]] = fields[2:]
        for folder, libraries in self.libraries.items():
            for library in libraries:
                if library not in HEADERS_OF:
                    raise ValueError(f"LAYERS: {folder} names the library {library}, whose headers are not known")

    def check(self, path, text):
        """Yields (line, message) for the file `path` (relative to the root) under src/."""
        parts = path.split("/")
        folder = parts[1]
        if folder not in self.row:
            yield 1, f"the folder src/{folder} is not in LAYERS"
            return
        for number, line in enumerate(text.split("\n"), 1):
            match = _INCLUDE.match(line)
            if match is None:
                continue
            if match[1] == "<":
                message = self._library(folder, match[2])
            else:
                message = self._edge(parts, folder, match[2])
            if message:
                yield number, message

    def _library(self, folder, header):
        for library, pattern in HEADERS_OF.items():
            if re.match(pattern, header) and library not in self.libraries[folder]:
                owners = [f for f, names in self.libraries.items() if library in names]
                return f"<{header}> belongs to {library}, which only {' and '.join(owners) or 'no folder'} may include"
        return None

    def _edge(self, parts, folder, header):
        target = header.split("/")
        if len(target) < 2:
            return f'"{header}": includes are written "folder/file.h"'
        if target[0] in GENERATED and self.row[folder] >= GENERATED_ROW:
            return None
        if target[0] not in self.row:
            return f'"{header}": {target[0]} is not a folder of LAYERS'
        if not os.path.exists(os.path.join(self.root, "src", header)):
            return f'"{header}": there is no such file'
        if target[0] != folder and self.row[target[0]] >= self.row[folder]:
            way = "sideways" if self.row[target[0]] == self.row[folder] else "upward"
            return (f'"{header}": {way} edge, {folder} (row {self.row[folder]}) to '
                    f"{target[0]} (row {self.row[target[0]]})")
        if target[0] != folder and header.endswith("_internal.h"):
            return f'"{header}": an internal header of another folder'
        return self._subfolder(parts, folder, target, header)

    @staticmethod
    def _subfolder(parts, folder, target, header):
        """Subfolders of capability/ know only themselves and what lies directly in capability/."""
        if folder != "capability" or target[0] != "capability" or len(target) < 3:
            return None
        own = parts[2] if len(parts) > 3 else None
        if own is None or target[1] == own:
            return None
        return f'"{header}": capability/{own} may not include capability/{target[1]}'
