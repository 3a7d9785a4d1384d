# SPDX-License-Identifier: Apache-2.0
"""Components that lie: a clear error with the right exit status, no crash, no effect on requests beside it."""
# timeout: 1200
import os
import pathlib
import re
import socket
import subprocess
import sys
import threading
import time

import broken
import harness
from harness import Case, guest, unsigned_guest

# exit statuses
MALFORMED = 4  # or needs what this version does not host
STOPPED = 124
TRAPPED = 134
TOO_LARGE = (4, 5)  # also what is no file at all
MEGABYTE = 1 << 20

ROOT = pathlib.Path(__file__).resolve().parents[2]
HOSTILE = ROOT / "tests" / "guests" / "hostile-c" / "hostile.c"


class Refusals(Case):
    seconds_max = 300

    def write(self, data):
        path = self.folder / "component.wasm"
        path.write_bytes(data)
        return path

    def measured(self, *arguments, timeout=60):
        """Exit status, stderr, peak memory in bytes and seconds of a run."""
        errors = self.folder / "stderr"
        start = time.monotonic()
        with open(errors, "wb") as stderr:
            process = subprocess.Popen([str(harness.BINARY), *map(str, arguments)], stdin=subprocess.DEVNULL,
                                       stdout=subprocess.DEVNULL, stderr=stderr, env=harness.environment())
            timer = threading.Timer(timeout, process.kill)
            timer.start()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            timer.cancel()
        text = errors.read_text(errors="replace")
        self.assertNotRegex(text, harness.ALARMS)
        return process.returncode, text, usage.ru_maxrss * 1024, time.monotonic() - start

    def refuses(self, path, command=("inspect",), status=MALFORMED):
        code, text, memory, seconds = self.measured(*command, path)
        self.assertIn(code, status if isinstance(status, tuple) else (status,), text)
        self.assertRegex(text, r"(?m)^writ: \S", "the message")
        self.assertLess(seconds, 10)
        self.assertLess(memory, 1500 * MEGABYTE)
        return text


class Files(Refusals):
    def test_each_kind_of_breakage(self):
        for name, data in broken.CASES.items():
            with self.subTest(name):
                path = self.write(data)
                if name in broken.MAY_BE_SOUND:
                    self.assertIn(self.measured("inspect", path)[0], (0, MALFORMED), name)
                else:
                    self.refuses(path)
                self.refuses(path, ("run", "--unsigned", "--cache", harness.CACHE))

    def test_what_kind_of_file_it_is(self):
        """The message names what the file is, where that is easy to see."""
        self.assertRegex(self.refuses(self.write(b"")), "empty")
        self.assertRegex(self.refuses(guest("bad/core-module")), "core (WebAssembly )?module")
        self.assertRegex(self.refuses(self.write(b"int main(void) {}\n")), "not a WebAssembly")

    def test_files_that_cannot_be_read(self):
        missing = self.folder / "missing.wasm"
        self.assertIn("missing.wasm", self.refuses(missing, ("run",), 5))
        self.refuses(self.folder, ("run",), TOO_LARGE)
        self.refuses("/dev/zero", ("inspect",), TOO_LARGE)

    def test_two_hundred_megabytes(self):
        path = self.folder / "component.wasm"
        size = 200 * MEGABYTE
        with self.subTest("of nothing"):
            with open(path, "wb") as file:
                file.truncate(size)
            self.refuses(path, status=TOO_LARGE)
        with self.subTest("in one custom section"):
            with open(path, "wb") as file:
                head = broken.PREAMBLE + bytes([broken.CUSTOM]) + broken.leb(size) + b"\x04junk"
                file.write(head)
                file.truncate(len(head) + size - 5)
            code, text, memory, seconds = self.measured("inspect", path)
            self.assertIn(code, (0, *TOO_LARGE), text)
            self.assertLess(memory, 1000 * MEGABYTE)
            self.assertLess(seconds, 20)
        with self.subTest("of code that claims to be a module"):
            with open(path, "wb") as file:
                head = broken.PREAMBLE + bytes([broken.CORE_MODULE]) + broken.leb(size) + b"\0asm\x01\0\0\0"
                file.write(head)
                file.truncate(len(head) + size - 8)
            self.refuses(path, ("run", "--unsigned", "--cache", harness.CACHE), TOO_LARGE)

    def test_cut_off(self):
        data = pathlib.Path(unsigned_guest("hello-c")).read_bytes()
        for name, copy in broken.cut(data, 120):
            with self.subTest(name):
                code, text, _, _ = self.measured("inspect", self.write(copy))
                # A component may end after any section; then it is merely smaller.
                self.assertIn(code, (0, MALFORMED), text)
                self.assertTrue(code == 0 or text.startswith("writ: "), text)
                run = ("run", "--unsigned", "--cache", harness.CACHE)
                self.assertIn(self.measured(*run, self.write(copy))[0], (MALFORMED,), text)

    def test_flipped_bits_decode(self):
        data = pathlib.Path(unsigned_guest("hello-c")).read_bytes()
        for name, copy in broken.flipped(data, 300):
            with self.subTest(name):
                code, text, _, _ = self.measured("inspect", self.write(copy))
                self.assertIn(code, (0, MALFORMED), text)

    def test_flipped_bits_run(self):
        """What still decodes may run into a trap, a refusal or success, never into a crash of the host."""
        data = pathlib.Path(unsigned_guest("cli-c")).read_bytes()
        for name, copy in broken.flipped(data, 80, seed=2):
            with self.subTest(name):
                path = self.write(copy)
                code, text, _, seconds = self.measured("run", "--unsigned", "--cache", self.folder / "cache",
                                                       "--timeout", "2s", "--cpu-time", "2s", path, "--", "args")
                self.assertIn(code, (0, 1, 3, MALFORMED, TRAPPED, STOPPED), text)
                self.assertLess(seconds, 30)


class Declarations(Refusals):
    """The components of tests/guests/bad, one broken rule each."""

    def says(self, name, status, *patterns, options=()):
        done = harness.run("run", "--unsigned", *options, guest(f"bad/{name}"), timeout=60)
        self.assertEqual(done.returncode, status, done.stderr)
        for pattern in patterns:
            self.assertRegex(done.stderr, pattern)
        return done.stderr

    def test_imports_what_nobody_offers(self):
        self.says("unknown-import", 3, r"acme:gadget/spin@1\.0\.0", "refused")

    def test_imports_a_function_that_is_not_there(self):
        self.says("unknown-function", MALFORMED, "rewind", "wasi:clocks/monotonic-clock")

    def test_imports_a_function_of_another_type(self):
        self.says("import-type", MALFORMED, "get-random-u64", "wasi:random/random")

    def test_exports_a_function_of_another_type(self):
        self.says("export-type", MALFORMED, "wasi:cli/run", r"\brun\b")

    def test_exports_an_interface_without_its_function(self):
        self.says("export-missing", MALFORMED, "wasi:cli/run", r"\brun\b")

    def test_exports_nothing_that_can_run(self):
        self.says("nothing-to-run", MALFORMED, "wasi:http/incoming-handler", "wasi:cli/run")

    def test_needs_async(self):
        for name in ("async-lift", "async-stream"):
            with self.subTest(name):
                self.says(name, MALFORMED, "needs component-model async, which this version does not host")

    def test_core_types(self):
        for name in ("core-type", "core-import-type", "lift-type"):
            with self.subTest(name):
                self.says(name, MALFORMED)

    def test_core_module(self):
        self.says("core-module", MALFORMED, "core (WebAssembly )?module")

    def test_result_with_an_unknown_discriminant(self):
        self.says("result-discriminant", TRAPPED, "discriminant")

    def test_traps_before_it_runs(self):
        self.says("start-traps", TRAPPED, "unreachable", "begin_badly")

    def test_spins_before_it_runs(self):
        for options in (("--timeout", "300ms"), ("--cpu-time", "300ms")):
            with self.subTest(options):
                start = time.monotonic()
                self.says("start-spins", STOPPED, "begin_for_ever|time|deadline", options=options)
                self.assertLess(time.monotonic() - start, 10)

    def test_demands_too_much(self):
        for name, word in (("memory-4g", "memory"), ("table-huge", "table")):
            with self.subTest(name):
                done = harness.run("run", guest(f"bad/{name}"))
                self.assertIn(done.returncode, (TRAPPED, 4), done.stderr)
                self.assertRegex(done.stderr, word)

    def test_memories_that_nobody_exports(self):
        """The limit is for all of them together."""
        done = harness.run("run", "--max-memory", "64M", guest("bad/memories-hidden"))
        self.assertEqual(done.returncode, 0, done.stderr)
        done = harness.run("run", "--max-memory", "256M", guest("bad/memories-hidden"))
        self.assertEqual(done.returncode, 1, done.stderr)

    def test_json_errors(self):
        """With -o json the error is one JSON object on stderr."""
        import json

        done = harness.run("run", "-o", "json", "--unsigned", guest("bad/export-type"))
        self.assertEqual(done.returncode, MALFORMED)
        self.assertTrue(any("error" in json.loads(line) for line in done.stderr.splitlines()), done.stderr)


def hostile_paths():
    return sorted(set(re.findall(r'"(/[a-z0-9-]+)"', HOSTILE.read_text())) - {"/hello"})


class AtRunTime(Case):
    """Guests that break the canonical ABI while others are served."""

    seconds_max = 240

    def test_each_rule(self):
        paths = hostile_paths()
        self.assertGreater(len(paths), 35)
        for workers in (0, 2):
            server = self.serve(guest("hostile-c"), workers=workers)
            for path in paths:
                with self.subTest(path, workers=workers):
                    mark = server.mark()
                    response = server.get(path)
                    if path.startswith("/fine-"):
                        self.assertEqual((response.status, response.text), (200, "still here\n"), server.log())
                    elif path == "/outparam-twice":
                        self.assertNotEqual(response.text, "still here\n")  # the answer was out before it trapped
                    else:
                        self.assertEqual(response.status, 500, server.log())
                    if not path.startswith("/fine-"):
                        server.wait_line("trap", since=mark)
                    self.assertEqual(server.get("/hello").text, "still here\n", server.log())

    def test_no_worker_is_lost(self):
        server = self.serve(guest("hostile-c"), workers=2)
        before = server.workers()
        self.assertEqual(len(before), 2, server.log())
        for path in hostile_paths():
            server.get(path)
        self.assertEqual(server.workers(), before)

    def test_the_last_byte_of_room(self):
        """A guest that fills the connection of a client that does not read takes nobody down."""
        server = self.serve(guest("hostile-c"), "--cpu-time", "300ms", workers=1)
        before = server.workers()
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(("127.0.0.1", server.port))
            client.sendall(b"GET /endless_zeroes HTTP/1.1\r\nHost: test\r\n\r\n")
            server.wait_line("timeout|worker-died")
        self.assertEqual(server.get("/hello").text, "still here\n", server.log())
        self.assertEqual(server.workers(), before)

    def test_what_the_host_keeps_for_messages(self):
        server = self.serve(guest("hostile-c"), workers=1)
        self.assertEqual(server.get("/many_fields").status, 500, server.log())
        server.wait_line("messages of the instance take more than")
        self.assertEqual(server.get("/many_bodies").text, "still here\n", server.log())

    def test_requests_beside_it_do_not_notice(self):
        for reuse in ("1", "100"):
            with self.subTest(reuse=reuse):
                server = self.serve(guest("hostile-c"), "--reuse", reuse, workers=1)
                stop = threading.Event()
                bad = []

                def ask():
                    while not stop.is_set():
                        response = server.get("/hello")
                        if (response.status, response.text) != (200, "still here\n"):
                            bad.append(response)

                beside = [threading.Thread(target=ask) for _ in range(4)]
                for thread in beside:
                    thread.start()
                paths = [path for path in hostile_paths() if not path.startswith("/fine-")]
                for path in paths * 3:
                    server.get(path)
                stop.set()
                for thread in beside:
                    thread.join(20)
                self.assertEqual(bad, [], server.log()[-3000:])

    def test_memory_does_not_grow(self):
        server = self.serve(guest("hostile-c"), workers=1)
        worker = server.workers()[0]
        paths = [path for path in hostile_paths() if not path.startswith("/fine-")]

        def rounds(count):
            for _ in range(count):
                for path in paths:
                    server.get(path)
            return harness.memory_bytes(worker)

        first = rounds(5)
        second = rounds(15)
        self.assertLess(second - first, 8 * MEGABYTE)


if __name__ == "__main__":
    sys.exit(harness.main())
