#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Builds the guests of the tests from source, with real tool chains out of package registries.

    tests/guests/build.py [NAME...] --out DIR      builds the named guests (default: all) into DIR/NAME.wasm
    tests/guests/build.py --list

Each result is kept in the user's cache under a hash of its sources and the versions of its tools, so that the
second time costs nothing. What cannot be built here is said with the reason; the exit status is then 1, and 0
with --keep-going, for callers that skip the tests of guests that are not there. The last line reads
`N built, N from the cache, N failed`.
"""

import argparse
import concurrent.futures
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import toolchains  # noqa: E402  (stands beside this script)
from toolchains import BuildError  # noqa: E402

PARALLEL_MAX = 2


def build_parts(tools, name, source, work, result):
    """The two components of `composed`, each by itself: the host links the one to the other."""
    toolchains.build_composed(tools, name, HERE / "composed", work, result)
    (result / f"{name}.wasm").unlink()
    for part in ("front", "back"):
        shutil.copyfile(work / f"{part}.wasm", result / f"parts-{part}.wasm")


# Examples of several components: each is a guest of its own, such as bank-teller.
PARTS = {"thumbnails": ("gallery", "scaler"), "bank": ("teller", "ledger")}


def build_example_parts(tools, name, source, work, result):
    tools.need_c()
    toolchains.run([toolchains.ROOT / "examples" / name / "build.sh", work / "parts"], work, env=tools.env)
    for part in PARTS[name]:
        shutil.copyfile(work / "parts" / f"{part}.wasm", result / f"{name}-{part}.wasm")


# name: (how it is built, folders and files whose content decides whether it must be built again)
GUESTS = {
    "hello-c": (toolchains.build_script, ["../../examples/hello-c"]),
    "counter": (toolchains.build_script, ["../../examples/counter", "../../wit/contracts"]),
    "driver-c": (toolchains.build_script, ["../../examples/driver-c"]),
    "thumbnails": (build_example_parts, ["../../examples/thumbnails", "../../wit/contracts", "build.py"]),
    "bank": (build_example_parts, ["../../examples/bank", "../../wit/contracts", "build.py"]),
    "http-c": (toolchains.build_c, ["http-c", "wit"]),
    "http-rust": (toolchains.build_rust, ["http-rust", "wit"]),
    "http-js": (toolchains.build_js, ["http-js", "wit"]),
    "http-python": (toolchains.build_python, ["http-python", "wit"]),
    "http-go": (toolchains.build_go_http, ["http-go", "wit"]),
    "hostile-c": (toolchains.build_c, ["hostile-c", "wit"]),
    "links-c": (toolchains.build_c, ["links-c", "../../wit/contracts"]),
    "sql-c": (toolchains.build_c, ["sql-c", "../../wit/contracts"]),
    "blobs-c": (toolchains.build_c, ["blobs-c", "../../wit/contracts"]),
    "messages-c": (toolchains.build_c, ["messages-c", "../../wit/contracts"]),
    "calls-c": (toolchains.build_c, ["calls-c"]),
    "echo-c": (toolchains.build_c, ["echo-c"]),
    "crypto-c": (toolchains.build_c, ["crypto-c", "../../wit/contracts"]),
    "watch-c": (toolchains.build_c, ["watch-c", "../../wit/contracts"]),
    "swap-c": (toolchains.build_c, ["swap-c", "../../wit/contracts"]),
    "time-c": (toolchains.build_c, ["time-c"]),
    "named-c": (toolchains.build_c, ["named-c", "../../wit/contracts"]),
    "net-c": (toolchains.build_c, ["net-c"]),
    "secrets-c": (toolchains.build_c, ["secrets-c", "../../wit/contracts"]),
    "cli-c": (toolchains.build_c_command, ["cli-c"]),
    "files-c": (toolchains.build_c_command, ["files-c"]),
    "files-go": (toolchains.build_go_command, ["files-go"]),
    "composed": (toolchains.build_composed, ["composed"]),
    "parts-c": (build_parts, ["composed", "build.py"]),
    "guestbook": (toolchains.build_example, ["../../examples/guestbook", "../../wit/contracts"]),
    "plug-ins": (toolchains.build_example, ["../../examples/plug-ins", "../../wit/contracts"]),
    "bad": (toolchains.build_bad, ["bad"]),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--out", type=pathlib.Path, help="where the components go")
    parser.add_argument("--list", action="store_true", help="print the names and stop")
    parser.add_argument("--keep-going", action="store_true", help="exit status 0 even if a guest is missing")
    options = parser.parse_args()
    if options.list:
        print("\n".join(GUESTS))
        return 0
    whole = {f"{name}-{part}": name for name, parts in PARTS.items() for part in parts}
    options.names = [whole.get(name, name) for name in options.names]
    unknown = [name for name in options.names if name not in GUESTS]
    if unknown or options.out is None:
        parser.error("no such guest: " + ", ".join(unknown) if unknown else "--out DIR is needed")
    options.out.mkdir(parents=True, exist_ok=True)

    try:
        tools = toolchains.Tools()
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    counts = {"built": 0, "cached": 0, "failed": 0}
    lock = threading.Lock()
    with concurrent.futures.ThreadPoolExecutor(PARALLEL_MAX) as pool:
        jobs = [pool.submit(make, tools, name, options.out, lock) for name in options.names or GUESTS]
        for job in jobs:
            counts[job.result()] += 1
    print(f"{counts['built']} built, {counts['cached']} from the cache, {counts['failed']} failed")
    return 1 if counts["failed"] and not options.keep_going else 0


def make(tools, name, out, lock):
    """Builds one guest, or takes it from the cache; returns what happened."""
    build, inputs = GUESTS[name]
    start = time.monotonic()

    def say(text, stream=sys.stdout):
        with lock:
            print(f"{name}: {text}", file=stream, flush=True)

    try:
        paths = [HERE / relative for relative in inputs] + [HERE / "toolchains.py"]
        key = content_hash(tools.identity(name), paths)
        kept = tools.cache / "guests" / f"{name}-{key}"
        found = kept.exists()
        if not found:
            say("building")
            build_into(tools, name, build, kept)
        place(kept, out, name)
    except BuildError as error:
        say(f"NOT BUILT: {error}", sys.stderr)
        return "failed"
    size = sum(path.stat().st_size for path in kept.rglob("*.wasm"))
    say(f"{size:,} bytes, " + ("from the cache" if found else f"built in {time.monotonic() - start:.1f} s"))
    return "cached" if found else "built"


def build_into(tools, name, build, kept):
    """Builds in a folder of its own and moves the result into the cache at once, whole."""
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{name}-", dir=tools.work) as work:
        work = pathlib.Path(work)
        result = work / "result"
        result.mkdir()
        build(tools, name, HERE / name, work, result)
        staged = pathlib.Path(tempfile.mkdtemp(prefix=f".{name}-", dir=kept.parent))
        shutil.copytree(result, staged, dirs_exist_ok=True)
    try:
        staged.rename(kept)
    except OSError:  # another run was faster
        shutil.rmtree(staged)
    for old in kept.parent.glob(f"{name}-*"):
        if old != kept and len(old.name) == len(kept.name) and time.time() - old.stat().st_mtime > 14 * 86400:
            shutil.rmtree(old, ignore_errors=True)


def place(kept, out, name):
    """Copies the files of one guest to where the caller wants them, each replaced at once."""
    for source in sorted(kept.rglob("*")):
        if not source.is_file():
            continue
        target = out / source.relative_to(kept)
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists() and target.stat().st_size == source.stat().st_size:
            if target.read_bytes() == source.read_bytes():
                continue
        fresh = target.with_name(f".{target.name}.{os.getpid()}")
        shutil.copyfile(source, fresh)
        fresh.rename(target)


def content_hash(identity, paths):
    total = hashlib.sha256(identity.encode())
    for path in paths:
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in files:
            name = file.relative_to(path.parent)
            if file.is_file() and not {"__pycache__", "build", "node_modules", ".writ"}.intersection(name.parts):
                total.update(f"\0{name}\0".encode())
                total.update(file.read_bytes())
    return total.hexdigest()[:16]


if __name__ == "__main__":
    sys.exit(main())
