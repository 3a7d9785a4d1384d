#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Turns the seeds of a fuzzer, kept as text, into the bytes that it reads: fuzz/corpus.py [--wasm-tools PATH] FROM TO

  NAME.hex   bytes in hexadecimal; spaces and lines do not matter, `#` starts a comment
  NAME.wat   a WebAssembly module or component as text; not validated, so that it may be wrong on purpose
  NAME.txt   the text itself; the escapes \\r \\n \\t \\\\ \\xNN are replaced and real line ends dropped
  other      taken as it is
"""
import argparse
import os
import re
import shutil
import subprocess
import sys

ESCAPES = {"r": b"\r", "n": b"\n", "t": b"\t", "\\": b"\\"}


def from_hex(text):
    return bytes.fromhex("".join(line.split("#")[0] for line in text.splitlines()))


def from_escaped(text):
    def replace(match):
        code = match[1].decode()
        return bytes([int(code[1:], 16)]) if code[0] == "x" else ESCAPES[code]

    joined = text.replace("\n", "").encode()
    return re.sub(rb"\\(x[0-9a-fA-F]{2}|[rnt\\])", replace, joined)


def convert(path, target, wasm_tools):
    suffix = os.path.splitext(path)[1]
    if suffix == ".wat":
        subprocess.run([wasm_tools, "parse", path, "-o", target], check=True)
        return
    if suffix not in (".hex", ".txt"):
        shutil.copyfile(path, target)
        return
    with open(path, encoding="utf-8") as f:
        text = f.read()
    with open(target, "wb") as f:
        f.write(from_hex(text) if suffix == ".hex" else from_escaped(text))


def main():
    parser = argparse.ArgumentParser(description="Make a fuzzer's seeds from their text form.")
    parser.add_argument("--wasm-tools", default="wasm-tools")
    parser.add_argument("source")
    parser.add_argument("target")
    options = parser.parse_args()
    names = sorted(os.listdir(options.source)) if os.path.isdir(options.source) else []
    shutil.rmtree(options.target, ignore_errors=True)
    os.makedirs(options.target)
    for name in names:
        try:
            convert(os.path.join(options.source, name), os.path.join(options.target, os.path.splitext(name)[0]),
                    options.wasm_tools)
        except (ValueError, subprocess.CalledProcessError) as e:
            sys.exit(f"{os.path.join(options.source, name)}: {e}")
    with open(os.path.join(options.target, ".made"), "w", encoding="utf-8"):
        pass


if __name__ == "__main__":
    main()
