#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Generates the glue between guests and the interfaces that Writ hosts in C.

For each interface that the world imports, OUT/<namespace>/<package>_<interface>.h declares the C types, the
resources and the prototypes of the functions to write by hand; the .c beside it holds the type tables that the
component layer checks guests against, and for each function a body that reads the arguments, calls the hand-written
function and writes the result. What it all rests on is glue.h, copied to OUT/glue/.

How WIT types look in C:
  bool, integers, floats  bool, intN_t, uintN_t, float, double      char           uint32_t (a Unicode scalar value)
  string, list<u8>        slice                                     list<T>        {T *items; size_t count;}
  record, tuple           struct (tuple fields: f0, f1, ...)        enum, flags    enum, uintN_t with bit constants
  variant                 {uintN_t tag; union {...} of;}            option<T>      {bool some; T value;}
  result<T, E>            {bool is_err; union {T ok; E err;};}      own, borrow    pointer to the resource's struct
Arguments live until the function returns: slices point into guest memory, lists into the call's arena. Slices and
lists of a result must stay valid until the function has returned and its result was written.

Packages in emit.FORWARDED are passed on: only their types are generated, and every function has the same body, which
sends the call to the link of the interface as bytes, by its type. They have no resources.

Only what WIT marks as stable is generated. Left out, because WASI 0.2.12 itself calls them unstable:
  clocks-timezone                    the interface wasi:clocks/timezone
  informational-outbound-responses   wasi:http/types response-outparam.send-informational
  network-error-code                 wasi:sockets/network network-error-code
"""
import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).parent))
import emit  # noqa: E402
import wit  # noqa: E402


def read_wit(wasm_tools, folder, deps):
    """The JSON of the package in `folder`. What it depends on stands in `deps` (or in folder/deps) and, as single
    files, in folder/contracts."""
    with tempfile.TemporaryDirectory() as work:
        staged = pathlib.Path(work) / "wit"
        staged.mkdir()
        for file in sorted(folder.glob("*.wit")):
            shutil.copy(file, staged)
        if deps is not None:
            shutil.copytree(deps, staged / "deps")
        elif (folder / "deps").is_dir():
            shutil.copytree(folder / "deps", staged / "deps")
        for file in sorted(folder.glob("contracts/*.wit")):
            (staged / "deps").mkdir(exist_ok=True)
            shutil.copy(file, staged / "deps")
        done = subprocess.run([wasm_tools, "component", "wit", "--json", staged], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"witgen: {wasm_tools} cannot read the WIT in {folder}:\n{done.stderr.strip()}")
    return json.loads(done.stdout)


def write(path, text, written):
    written.add(path)
    if path.is_file() and path.read_text() == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def generate(document, out):
    here = pathlib.Path(__file__).parent
    written = set()
    for name in ("glue.h", "glue.c"):
        write(out / "glue" / name, (here / name).read_text(), written)
    for interface in document.interfaces:
        write(out / (interface.path() + ".h"), emit.Header(interface).text(), written)
        write(out / (interface.path() + ".c"), emit.Source(interface).text(), written)
    for old in list(out.rglob("*.c")) + list(out.rglob("*.h")):
        if old not in written:
            old.unlink()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wasm-tools", required=True, help="the wasm-tools program")
    parser.add_argument("--wit", required=True, type=pathlib.Path, help="folder of the package with the world")
    parser.add_argument("--deps", type=pathlib.Path, help="folder of the packages it uses (default: WIT/deps)")
    parser.add_argument("--world", default="host", help="whose imports are generated")
    parser.add_argument("--out", required=True, type=pathlib.Path)
    options = parser.parse_args()
    try:
        generate(wit.Document(read_wit(options.wasm_tools, options.wit, options.deps), options.world), options.out)
    except wit.Unsupported as problem:
        sys.exit(f"witgen: not supported: {problem}")


if __name__ == "__main__":
    main()
