#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Conformance scripts: tests/conformance/run.py [-v] [--writ-wast PATH] [FILE.wast | FOLDER]...

Converts the .wast scripts beside this file with `wasm-tools json-from-wast` and runs them with writ-wast. With
WRIT_COMPONENT_MODEL_TESTS set to the `test` folder of a checkout of the Component Model, its synchronous scripts run
too. FILEs and FOLDERs replace both. The last line reads `N passed, N failed, N skipped`.
"""
import argparse
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
SYNCHRONOUS = ("values", "resources", "linking", "binary", "validation")
COUNTS = re.compile(r"(?:(.*): )?(\d+) passed, (\d+) failed, (\d+) skipped")


def find_program(name, *places):
    for place in places:
        path = os.path.join(ROOT, place, name)
        if os.access(path, os.X_OK):
            return path
    found = shutil.which(name)
    if not found:
        sys.exit(f"{name} was found neither in {', '.join(places)} nor in the PATH: run `make` first")
    return found


def scripts_of(path):
    if os.path.isfile(path):
        return [path]
    if not os.path.isdir(path):
        sys.exit(f"there is no file or folder {path}")
    synchronous = [os.path.join(path, s) for s in SYNCHRONOUS if os.path.isdir(os.path.join(path, s))]
    return sorted(p for folder in synchronous or [path] for p in glob.glob(os.path.join(folder, "*.wast")))


def shown(path):
    inside = os.path.relpath(path, ROOT)
    return path if inside.startswith("..") else inside


def convert(wasm_tools, script, folder):
    """Returns the JSON's path, or None after printing why there is none."""
    name = os.path.splitext(os.path.basename(script))[0]
    os.makedirs(folder)
    target = os.path.join(folder, name + ".json")
    done = subprocess.run([wasm_tools, "json-from-wast", script, "-o", target, "--wasm-dir", folder],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        print(f"{script}: cannot be converted: {done.stdout.strip()}")
        return None
    return target


def run(writ_wast, converted, verbose):
    """Prints what writ-wast prints, with the names of the scripts; returns the counts of its last line."""
    command = [writ_wast] + (["-v"] if verbose else []) + list(converted)
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    lines = done.stdout.rstrip().splitlines()
    closing = COUNTS.fullmatch(lines[-1]) if lines else None
    for line in lines[:-1] if closing else lines:
        match = COUNTS.fullmatch(line)
        if match and match[1] in converted:
            line = f"{shown(converted[match[1]])}: {line[len(match[1]) + 2:]}"
        print(line)
    if not closing or done.returncode not in (0, 1):
        print(f"{writ_wast} ended with status {done.returncode} and without its closing line")
        return [0, 1, 0]
    return [int(n) for n in closing.groups()[1:]]


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-v", "--verbose", action="store_true", help="show what is skipped and why")
    parser.add_argument("--writ-wast", metavar="PATH")
    parser.add_argument("paths", nargs="*")
    options = parser.parse_args(arguments)
    writ_wast = options.writ_wast or find_program("writ-wast", "build/dev", "build/release")
    wasm_tools = find_program("wasm-tools", "build/deps/tools/bin")
    paths = options.paths or [HERE] + [p for p in [os.environ.get("WRIT_COMPONENT_MODEL_TESTS")] if p]
    scripts = [s for path in paths for s in scripts_of(path)]
    totals = [0, 0, 0]
    with tempfile.TemporaryDirectory(prefix="writ-wast-") as folder:
        converted = {}
        for i, script in enumerate(scripts):
            target = convert(wasm_tools, os.path.abspath(script), os.path.join(folder, str(i)))
            if target is None:
                totals[1] += 1
            else:
                converted[target] = script
        if converted:
            totals = [a + b for a, b in zip(totals, run(writ_wast, converted, options.verbose))]
    print(f"{totals[0]} passed, {totals[1]} failed, {totals[2]} skipped")
    return 1 if totals[1] > 0 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
