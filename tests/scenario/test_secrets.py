# SPDX-License-Identifier: Apache-2.0
"""writ secrets: storing, rotating, listing, removing; what is refused; and that a value is shown by nobody."""
import concurrent.futures
import json
import os
import pathlib
import re
import stat
import subprocess
import sys
import unittest

import harness
from harness import Case
from test_keys import terminal_of
from test_links import memory_files_with

MARKER = "Xy7-never-to-be-seen-Qz9"


class Secrets(Case):
    def setUp(self):
        super().setUp()
        self.home = self.folder / "home"
        self.store = self.home / "secrets"
        self.outputs = []

    def writ(self, *arguments, code=0, value=None, env=None):
        done = harness.run("secrets", *arguments, env={"WRIT_HOME": str(self.home), **(env or {})}, cache=False,
                           stdin=value.encode() if isinstance(value, str) else value or b"")
        self.assertEqual(done.returncode, code, done.stderr)
        self.outputs.append(done.stdout + done.stderr)
        return done

    def refused(self, code, words, *arguments, value=None):
        done = self.writ(*arguments, code=code, value=value)
        self.assertEqual(done.stdout, "")
        self.assertIn(words, done.stderr)
        return done.stderr

    def shown(self, name):
        return json.loads(self.writ("show", name, "-o", "json").stdout)

    def listed(self):
        return json.loads(self.writ("list", "-o", "json").stdout)


class Storing(Secrets):
    def test_at_work(self):
        self.assertEqual(self.writ("set", "api-key", value="one\n").stdout, "api-key: version 2\n")
        self.assertEqual(json.loads(self.writ("set", "db", "--field", "user", "-o", "json", value="ann").stdout),
                         {"name": "db", "version": 3})
        self.writ("set", "db", "--field", "password", value="two")
        listed = self.listed()
        self.assertEqual([s["name"] for s in listed["secrets"]], ["api-key", "db"])
        self.assertEqual(listed["change"], 4)
        self.assertFalse(listed["passphrase"])
        self.assertEqual(self.shown("db")["versions"][0]["fields"],
                         [{"field": "password", "kind": "text"}, {"field": "user", "kind": "text"}])
        self.assertRegex(self.writ("list").stdout, r"(?m)^api-key  version 2 +set \d{4}-\S+Z$")
        self.assertIn("password text, user text", self.writ("show", "db").stdout)
        self.writ("remove", "db")
        self.assertEqual(json.loads(self.writ("remove", "api-key", "-o", "json").stdout), {"removed": "api-key"})
        self.assertEqual(self.listed()["secrets"], [])

    def test_bytes(self):
        self.refused(4, "--bytes", "set", "k", value="\x00\xff".encode("latin-1"))
        self.writ("set", "k", "--bytes", value="\x00\xff\n".encode("latin-1"))
        self.assertEqual(self.shown("k")["versions"][0]["fields"], [{"field": None, "kind": "bytes"}])

    def test_a_rotation_overlaps(self):
        self.refused(5, "no secret", "rotate", "k", value="x")
        self.writ("set", "k", value="one")
        first = self.shown("k")["version"]
        self.writ("rotate", "k", "--overlap", "1d", value="two")
        self.writ("rotate", "k", value="three")
        versions = self.shown("k")["versions"]
        self.assertEqual(len(versions), 3)
        self.assertIsNone(versions[0]["until"])
        self.assertGreater(versions[2]["until"], versions[1]["until"])  # a day is longer than an hour
        self.assertIn("2 older still valid", self.writ("list").stdout)
        self.assertIn("valid until", self.writ("show", "k").stdout)
        self.refused(4, "newest", "remove", "k", "--version", str(versions[0]["version"]))
        self.writ("remove", "k", "--version", str(first))
        self.assertEqual(len(self.shown("k")["versions"]), 2)
        self.writ("set", "k", value="four")  # ends all before
        self.assertEqual(len(self.shown("k")["versions"]), 1)

    def test_the_line_feed_of_a_text_is_none_of_it(self):
        """Lengths tell: what is sealed is as long as the text, and 40 bytes more."""
        for value, length in (("abc", 3), ("abc\n", 3), ("abc\r\n", 3), ("abc\n\n", 4)):
            self.writ("set", "k", value=value)
            data = (self.store / "store").read_bytes()
            self.assertEqual(int.from_bytes(data[-length - 40 - 32 - 4:-length - 40 - 32], "little"), length + 40)

    def test_an_empty_store(self):
        done = self.writ("list")
        self.assertEqual(done.stdout, "")
        self.assertIn("writ secrets set", done.stderr)
        self.assertEqual(self.listed()["secrets"], [])
        self.refused(5, "no secret", "show", "k")
        self.refused(5, "no secrets", "remove", "k")
        self.assertFalse(self.home.exists())

    def test_wrong_command_lines(self):
        self.assertNotIn(MARKER, self.refused(2, "standard input", "set", "k", MARKER))
        self.assertNotIn(MARKER, self.refused(2, "not a name", "set", f"{MARKER} {MARKER}"))
        self.assertNotIn(MARKER, self.refused(2, "standard input", "rotate", "k", MARKER))
        self.refused(2, "NAME", "set")
        self.refused(2, "--version", "remove", "k", "--version", "0")
        self.refused(2, "--overlap", "rotate", "k", "--overlap", "soon")
        self.refused(4, "empty", "set", "k", value="")
        self.refused(4, "empty", "set", "k", value="\n")
        self.refused(4, "at most", "set", "k", value="x" * 65537)
        self.writ("set", "k", value="x" * 65536)


class Files(Secrets):
    def test_modes_and_places(self):
        before = os.umask(0)
        self.addCleanup(os.umask, before)
        self.writ("set", "k", value="v")
        self.assertEqual(stat.S_IMODE(self.store.stat().st_mode), 0o700)
        self.assertEqual({f.name for f in self.store.iterdir()}, {"store", "key", "key.seen", "store.lock"})
        for file in self.store.iterdir():
            self.assertEqual(stat.S_IMODE(file.stat().st_mode), 0o600, file)
        other, key = self.folder / "other", self.folder / "keys" / "my.key"
        key.parent.mkdir(mode=0o700)
        self.writ("set", "k", "--secrets", other, "--key-file", key, value="v")
        self.assertFalse((other / "key").exists())
        self.assertTrue(key.with_name("my.key.seen").exists())
        self.refused(5, "missing", "list", "--secrets", other)
        self.writ("list", "--secrets", other, "--key-file", key)

    def test_what_others_can_read_is_refused(self):
        self.writ("set", "k", value="v")
        for name, words in (("store", "other users"), ("key", "nobody else"), ("key.seen", "other users")):
            (self.store / name).chmod(0o644)
            self.refused(3, words, "list")
            (self.store / name).chmod(0o600)
        self.writ("list")

    def test_an_older_copy_is_refused(self):
        self.writ("set", "k", value="v")
        old = (self.store / "store").read_bytes()
        self.writ("set", "k", value="w")
        (self.store / "store").write_bytes(old)
        self.refused(3, "older copy", "list")
        (self.store / "store").unlink()
        self.refused(3, "gone", "set", "k", value="v")
        (self.store / "store").write_bytes(old)
        (self.store / "store").chmod(0o600)
        (self.store / "key.seen").unlink()
        self.writ("list")

    def test_a_changed_byte_is_found(self):
        self.writ("set", "k", value="v")
        data = bytearray((self.store / "store").read_bytes())
        data[-1] ^= 1
        (self.store / "store").write_bytes(data)
        self.refused(3, "changed", "list")

    def test_under_a_passphrase(self):
        file = self.folder / "passphrase"
        file.write_text("sesame\n")
        file.chmod(0o600)
        with_it = ("--passphrase-file", file)
        self.writ("set", "k", "--passphrase", *with_it, value="v")
        self.assertFalse((self.store / "key").exists())
        self.assertTrue(json.loads(self.writ("list", *with_it, "-o", "json").stdout)["passphrase"])
        file.write_text("other\n")
        self.refused(3, "wrong", "list", *with_it)
        self.refused(3, "wrong", "set", "k", *with_it, value="v")


class Terminal(Secrets):
    def test_a_value_is_typed_twice_and_not_shown(self):
        code, shown = terminal_of(self, ["secrets", "set", "k"],
                                  [("Value of k:", MARKER.encode() + b"\n"), ("again:", MARKER.encode() + b"\n")])
        self.assertEqual(code, 0, shown)
        self.assertNotIn(MARKER, shown)
        code, shown = terminal_of(self, ["secrets", "set", "k"], [("Value of k:", b"one\n"), ("again:", b"two\n")])
        self.assertEqual(code, 1)
        self.assertIn("differ", shown)
        self.assertEqual(len(self.shown("k")["versions"]), 1)

    def test_a_new_passphrase_is_typed_twice(self):
        code, shown = terminal_of(self, ["secrets", "set", "k", "--passphrase"],
                                  [("New passphrase", b"sesame\n"), ("again:", b"sesame\n"), ("Value of k:", b"v\n"),
                                   ("again:", b"v\n")])
        self.assertEqual(code, 0, shown)
        code, shown = terminal_of(self, ["secrets", "list"], [("Passphrase", b"sesame\n")])
        self.assertEqual(code, 0, shown)
        self.assertIn("k  version 2", shown)


class NothingLeaks(Secrets):
    """One marker as the value of everything, and a search for it in all that can be seen from outside."""

    def test_a_marker_is_nowhere(self):
        self.writ("set", "k", value=MARKER)
        self.writ("set", "db", "--field", "password", value=MARKER)
        self.writ("set", "db", "--field", "user", "-o", "json", value=MARKER)
        self.writ("rotate", "k", value=MARKER + "-2")
        for command in (("list",), ("show", "k"), ("show", "db")):
            self.writ(*command)
            self.writ(*command, "-o", "json")
        # Failures of each kind, with the value at hand.
        self.writ("set", "db", value=MARKER, code=4)
        self.writ("set", "k", "--field", "f", value=MARKER, code=4)
        self.writ("set", "k", value=(MARKER + "\xff").encode("latin-1"), code=4)
        self.writ("set", "k", value=MARKER * 4000, code=4)
        self.writ("rotate", "nothing", value=MARKER, code=5)
        self.writ("remove", "k", "--version", "99", code=5)
        (self.store / "key").rename(self.store / "key-away")
        self.writ("set", "k", value=MARKER, code=5)
        (self.store / "key-away").rename(self.store / "key")
        self.writ("remove", "db")
        for output in self.outputs:
            self.assertNotIn(MARKER[:12], output)
        for file in (f for f in pathlib.Path(self.folder).rglob("*") if f.is_file()):
            self.assertNotIn(MARKER[:12].encode(), file.read_bytes(), file)

    def test_it_is_in_no_argument_and_no_variable(self):
        """While the program holds a value: it waits for the end of its input, which comes after the look."""
        with subprocess.Popen([str(harness.BINARY), "secrets", "set", "k"], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              env=harness.environment({"WRIT_HOME": str(self.home)})) as process:
            process.stdin.write(MARKER.encode())
            process.stdin.flush()
            proc = pathlib.Path(f"/proc/{process.pid}")
            self.assertNotIn(MARKER.encode(), (proc / "cmdline").read_bytes() + (proc / "environ").read_bytes())
            out, errors = process.communicate()
        self.assertEqual(process.returncode, 0, errors)
        self.assertNotIn(MARKER.encode(), out + errors)

    def test_strace_shows_no_write_of_it(self):
        strace = next((p for p in ("/usr/bin/strace", "/usr/local/bin/strace") if os.access(p, os.X_OK)), None)
        if strace is None:
            self.skipTest("strace is not installed, so system calls are not looked at")
        log = self.folder.parent / f"{self.folder.name}.strace"
        self.addCleanup(lambda: log.unlink(missing_ok=True))
        done = subprocess.run([strace, "-f", "-s", "65536", "-o", str(log), "-e", "trace=write,pwrite64,writev,execve",
                               str(harness.BINARY), "secrets", "set", "k"], input=MARKER.encode(), check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              env=harness.environment({"WRIT_HOME": str(self.home), "ASAN_OPTIONS": "detect_leaks=0"}))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(re.search(r"write\(", log.read_text()))
        self.assertNotIn(MARKER, log.read_text())


def occurrences(pid, marker):
    """How often the marker stands in what a process can read and write."""
    found = 0
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            place, access = line.split()[:2]
            at, end = (int(number, 16) for number in place.split("-"))
            while access.startswith("rw") and at < end:
                size = min(end - at, 1 << 24)
                memory.seek(at)
                found += memory.read(size).count(marker)
                at += size
    return found


class Reveals(Secrets):
    """writ run --secret, with tests/guests/secrets-c."""

    def start(self, *options, workers=1):
        return self.serve(harness.guest("secrets-c"), "--secrets", self.store, *options, workers=workers)

    def check_answers(self, server):
        for path, status, body in (("/reveal?key", 200, b"one"), ("/get?key", 200, b"there\n"),
                                   ("/reveal?raw", 206, b"\0\xff"), ("/reveal?password", 200, b"two"),
                                   ("/get?other", 404, b"not-found\n"), ("/get?db", 404, b"not-found\n"),
                                   ("/get?nothing", 404, b"not-found\n"), ("/reveal?large", 200, b"x" * 65536),
                                   ("/get?" + "n" * 200, 404, b"not-found\n")):
            with self.subTest(path):
                answer = server.get(path)
                self.assertEqual((answer.status, answer.body), (status, body))

    def store_some(self):
        self.writ("set", "key", value="one")
        self.writ("set", "db", "--field", "password", value="two")
        self.writ("set", "raw", "--bytes", value="\x00\xff".encode("latin-1"))
        self.writ("set", "large", value="x" * 65536)
        self.writ("set", "other", value="three")
        return ("--secret", "key", "--secret", "password=db:password", "--secret", "raw", "--secret", "large")

    def test_what_is_granted_and_nothing_else(self):
        options = self.store_some()
        for workers in (0, 2):
            with self.subTest(workers=workers):
                self.check_answers(self.start(*options, workers=workers))

    def test_many_at_once(self):
        server = self.start(*self.store_some(), workers=1)
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda n: server.get("/reveal?large" if n % 2 else "/reveal?key"), range(64)))
        self.assertEqual([a.body for a in answers], [b"x" * 65536 if n % 2 else b"one" for n in range(64)])

    def test_a_rotation_needs_no_restart(self):
        self.writ("set", "key", value="one")
        first = self.shown("key")["version"]
        server = self.start("--secret", "key", "--secret", f"old=key@{first}")
        self.assertEqual(server.get("/reveal?key").body, b"one")
        self.writ("rotate", "key", "--overlap", "1d", value="two")
        self.until(lambda: server.get("/reveal?key").body == b"two", 10, "the new value is there")
        self.assertEqual(server.get("/reveal?old").body, b"one")
        self.writ("remove", "key", "--version", str(first))
        self.until(lambda: server.get("/reveal?old").status == 500, 10, "the old one is gone")
        self.assertEqual(server.get("/reveal?key").body, b"two")
        self.assertIn("the secret old of workload secrets-c cannot be revealed", server.log())

    def refused(self, code, words, *options):
        done = harness.run("run", "--listen", "127.0.0.1:0", "--secrets", self.store, *options,
                           harness.guest("secrets-c"))
        self.assertEqual(done.returncode, code, done.stderr)
        for word in [words] if isinstance(words, str) else words:
            self.assertIn(word, done.stderr)
        self.assertNotIn("serving", done.stderr)
        return done.stderr

    def test_all_that_are_missing_are_told_at_once(self):
        self.writ("set", "key", value="one")
        self.refused(5, ("3 secrets are missing", "there is no secret nothing", "secret `b` of", "secret `c` of"),
                     "--secret", "key", "--secret", "nothing", "--secret", "b=key:field", "--secret", "c=key@99")

    def test_no_secret_is_granted(self):
        self.refused(3, "wasmcloud:secrets/store@0.1.0-draft: no secret is granted; add --secret NAME")
        self.refused(3, "wasmcloud:secrets/reveal@0.1.0-draft: refused by --refuse", "--secret", "key",
                     "--refuse", "wasmcloud:secrets/reveal")

    def test_what_is_no_name(self):
        for value in (f"k={MARKER}!", f"{MARKER} x", f"={MARKER}", "k=", "k=a@", "k=a@x", "k=a:", "a:field", ""):
            with self.subTest(value):
                self.assertNotIn(MARKER, self.refused(2, "--secret", "--secret", value))
        self.refused(2, 'two secrets are called "k"', "--secret", "k", "--secret", "k=b")

    def test_reveals_are_audited(self):
        self.writ("set", "key", value=MARKER)
        log = self.folder / "logs" / "audit.log"
        for workers in (0, 1):
            server = self.start("--secret", "api=key", "--audit", log, workers=workers)
            self.assertEqual(server.get("/reveal?api").body, MARKER.encode())
            server.get("/get?api")
            server.get("/get?key")
            server.close()
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        reveals = [line["about"] for line in lines if line["kind"] == "secret.reveal"]
        version = self.shown("key")["version"]
        self.assertEqual(reveals, 2 * [{"workload": "secrets-c", "name": "api", "version": version}])
        self.assertNotIn(MARKER, log.read_text())

    @unittest.skipUnless(harness.BINARY.parent.name == "release", "lazy binding leaves registers on the stack")
    def test_who_has_the_value_in_memory(self):
        """One process has it, once; the guest that saw it is gone, and has left nothing in its worker."""
        for length in (20, 128, 9000):
            with self.subTest(length):
                value = (MARKER + "0123456789" * length)[:length]
                self.writ("set", "key", value=value)
                server = self.start("--secret", "key")
                for _ in range(3):
                    self.assertEqual(server.get("/use?key").body, f"{length} bytes\n".encode())
                self.assertEqual(occurrences(server.process.pid, MARKER[:16].encode()), 1)
                for child in server.children():
                    self.assertEqual(occurrences(child, MARKER[:16].encode()), 0)
                server.close()

    def test_a_marker_is_nowhere(self):
        self.writ("set", "key", value=MARKER)
        for workers in (0, 2):
            with self.subTest(workers=workers):
                server = self.start("--secret", "key", "--verbose", workers=workers)
                self.assertEqual(server.get("/reveal?key").body, MARKER.encode())
                for process in (server.process.pid, *server.children()):
                    proc = pathlib.Path("/proc", str(process))
                    self.assertNotIn(MARKER.encode(),
                                     (proc / "cmdline").read_bytes() + (proc / "environ").read_bytes())
                    self.assertEqual(memory_files_with(process, MARKER.encode()), [])
                server.close()
                self.assertNotIn(MARKER[:12], server.log())
        for file in (f for f in self.folder.rglob("*") if f.is_file()):
            self.assertNotIn(MARKER.encode(), file.read_bytes(), file)
        done = harness.run("inspect", harness.guest("secrets-c"), "-o", "json")
        self.assertNotIn(MARKER, done.stdout + done.stderr)


if __name__ == "__main__":
    sys.exit(harness.main())
