#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs every test suite and adds up: tools/test/run.py [--list] [--build DIR] [WORD...]

A suite is a program whose last line reads `N passed, N failed[, N skipped]`. They are, from simple to complex: the
unit tests and corpus replays that CTest knows in build/dev, the tests of our own tools (tools/*/test_*.py), the
lint, and the scripts tests/*/test_*.py. A suite that dies, hangs or forgets its closing line counts as one failure.
Lines `skipped: REASON` before the closing one are shown with the suite.
With WORDs only suites whose name contains one of them run. Logs are kept in build/test-logs.
"""
import argparse
import concurrent.futures
import glob
import json
import os
import re
import signal
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LOGS = os.path.join(ROOT, "build", "test-logs")
CLOSING = re.compile(r"(\d+) passed, (\d+) failed(?:, (\d+) skipped)?")
SCRIPT_TIMEOUT_S = 900
SHOWN_LINES_MAX = 60
SHOWN_REASONS_MAX = 8
SHOWN_REASON_CHARACTERS = 300


class Suite:
    """A command to run, and afterwards what came of it."""

    def __init__(self, name, command, timeout_s, alone=True):
        self.name = name
        self.command = command
        self.timeout_s = timeout_s
        self.alone = alone  # scripts start servers and measure time: one at a time
        self.passed = self.failed = self.skipped = 0
        self.seconds = 0.0
        self.trouble = ""
        self.reasons = []  # of what was skipped


def ctest_suites(build):
    """What CTest would run; taken from it so that names and timeouts stand in one place, the CMake files."""
    if not os.path.exists(os.path.join(build, "CTestTestfile.cmake")):
        return []
    listing = subprocess.run(["ctest", "--test-dir", build, "--show-only=json-v1"], stdout=subprocess.PIPE, check=True)
    suites = []
    for test in json.loads(listing.stdout)["tests"]:
        properties = {p["name"]: p["value"] for p in test.get("properties", [])}
        name = test["name"]
        suites.append(Suite(name, test.get("command", [test["name"]]), properties.get("TIMEOUT", 300), alone=False))
    return sorted(suites, key=lambda s: (not s.name.startswith("unit/"), s.name))


def script_timeout_s(path):
    """A script may ask for more time in a line `# timeout: SECONDS` near its top."""
    with open(path, encoding="utf-8") as f:
        match = re.search(r"^# timeout: (\d+)$", "".join(f.readlines()[:20]), re.MULTILINE)
    return int(match[1]) if match else SCRIPT_TIMEOUT_S


def script_suites(pattern):
    suites = []
    for path in sorted(glob.glob(os.path.join(ROOT, pattern))):
        name = re.sub(r"^tests/|\.py$", "", os.path.relpath(path, ROOT)).replace("/test_", "/")
        suites.append(Suite(name, [sys.executable, path], script_timeout_s(path)))
    return suites


def all_suites(build):
    suites = ctest_suites(build)
    suites += script_suites("tools/*/test_*.py")
    suites.append(Suite("lint", [os.path.join(ROOT, "tools/lint/lint.py")], 300))
    # Conformance first, then whole programs.
    folders = sorted({os.path.dirname(p) for p in glob.glob(os.path.join(ROOT, "tests/*/test_*.py"))},
                     key=lambda p: (os.path.basename(p) != "conformance", p))
    for folder in folders:
        suites += script_suites(os.path.join(os.path.relpath(folder, ROOT), "test_*.py"))
    return suites


def stop_group(process):
    """Ends a suite and whatever it started; it has its own session for that."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def run_suite(suite):
    log_path = os.path.join(LOGS, suite.name.replace("/", "-") + ".log")
    environment = dict(os.environ, PYTHONUNBUFFERED="1",
                       UBSAN_OPTIONS=os.environ.get("UBSAN_OPTIONS", "print_stacktrace=1"),
                       ASAN_OPTIONS=os.environ.get("ASAN_OPTIONS", "allocator_may_return_null=1"))
    started = time.monotonic()
    with open(log_path, "wb") as log:
        try:
            process = subprocess.Popen(suite.command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                                       cwd=ROOT, env=environment, start_new_session=True)
        except OSError as e:
            suite.trouble = f"could not be started: {e}"
            suite.failed = 1
            return suite
        try:
            code = process.wait(timeout=suite.timeout_s)
        except subprocess.TimeoutExpired:
            code = None
        stop_group(process)
        process.wait()
    suite.seconds = time.monotonic() - started
    judge(suite, code, log_path)
    return suite


def read_log(path):
    with open(path, encoding="utf-8", errors="replace") as f:
        return f.read().rstrip().splitlines()


def judge(suite, code, log_path):
    """Fills the counts from the closing line; whatever contradicts it is a failure more."""
    lines = read_log(log_path)
    match = CLOSING.fullmatch(lines[-1].strip()) if lines else None
    suite.reasons = [line for line in lines if line.startswith("skipped: ")]
    if match:
        suite.passed, suite.failed, suite.skipped = (int(n or 0) for n in match.groups())
    if code is None:
        suite.trouble = f"stopped after {suite.timeout_s:.0f} s"
    elif code < 0:
        suite.trouble = f"died of signal {-code} ({signal.Signals(-code).name})"
    elif match is None:
        suite.trouble = f"ended without its closing line, status {code}"
    elif code != 0 and suite.failed == 0:
        suite.trouble = f"says that nothing failed, but ended with status {code}"
    elif suite.passed + suite.failed + suite.skipped == 0:
        suite.trouble = "ran no test"
    if suite.trouble:
        suite.failed += 1


def report(suite):
    counts = f"{suite.passed} passed, {suite.failed} failed" + (f", {suite.skipped} skipped" if suite.skipped else "")
    mark = "FAIL" if suite.failed else "ok"
    print(f"{mark:4} {suite.name:<40} {suite.seconds:7.1f} s  {counts}", flush=True)
    for reason in suite.reasons[:SHOWN_REASONS_MAX]:
        print(f"     {reason[:SHOWN_REASON_CHARACTERS]}", flush=True)
    if not suite.failed:
        return
    log_path = os.path.join(LOGS, suite.name.replace("/", "-") + ".log")
    if os.path.exists(log_path):
        lines = read_log(log_path)
        for line in lines[-SHOWN_LINES_MAX:]:
            print(f"     | {line}")
        if len(lines) > SHOWN_LINES_MAX:
            print(f"     (the whole log: {os.path.relpath(log_path, ROOT)})")
    if suite.trouble:
        print(f"     {suite.trouble}", flush=True)


def main():
    parser = argparse.ArgumentParser(description="Run every test suite.")
    parser.add_argument("--list", action="store_true", help="only show the names of the suites")
    parser.add_argument("--build", default=os.path.join(ROOT, "build", "dev"), help="where CTest finds the unit tests")
    parser.add_argument("words", nargs="*", help="run only suites whose name contains one of these")
    options = parser.parse_args()
    suites = all_suites(os.path.abspath(options.build))
    if options.words:
        suites = [s for s in suites if any(w in s.name for w in options.words)]
    if options.list:
        print("\n".join(s.name for s in suites))
        return 0
    os.makedirs(LOGS, exist_ok=True)
    started = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        for suite in pool.map(run_suite, [s for s in suites if not s.alone]):
            report(suite)
    for suite in suites:
        if suite.alone:
            report(run_suite(suite))
    passed, failed, skipped = (sum(getattr(s, k) for s in suites) for k in ("passed", "failed", "skipped"))
    if not suites:
        print("no suite has that name")
        failed = 1
    print(f"{len(suites)} suites in {time.monotonic() - started:.0f} s")
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
