#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""writ audit: what is done to a log is found and named; events are shown, filtered and exported."""
import csv
import fcntl
import hashlib
import io
import json
import os
import re
import stat
import subprocess
import sys

import harness
from harness import Case, guest

MARK = re.compile(r"[0-9]+:[0-9a-f]{64}")


class Audit(Case):
    def setUp(self):
        super().setUp()
        self.home = self.folder / "home"
        self.log = self.folder / "logs" / "audit.log"
        self.env = {"WRIT_HOME": str(self.home)}

    def writ(self, *arguments, code=0, env=None):
        done = harness.run("audit", *map(str, arguments), env=env or self.env, cache=False)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done

    def notes(self, count):
        for n in range(count):
            self.writ("note", self.log, f"note {n}")
        return self.log.read_bytes().splitlines(keepends=True)

    def fault(self, *arguments):
        return json.loads(self.writ("verify", "-o", "json", *arguments, self.log, code=3).stdout)["fault"]


class Verify(Audit):
    def test_a_log_as_it_was_written(self):
        lines = self.notes(3)
        told = self.writ("verify", self.log).stdout
        self.assertIn("audit.log: good", told)
        self.assertIn("4 in 1 file, numbers 1 to 4", told)
        document = json.loads(self.writ("verify", "-o", "json", self.log).stdout)
        self.assertEqual((document["valid"], document["lines"], document["fault"]), (True, 4, None))
        self.assertEqual(document["last"], "4:" + hashlib.sha256(lines[3].rstrip(b"\n")).hexdigest())
        self.assertEqual(stat.S_IMODE(self.log.stat().st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(self.log.parent.stat().st_mode), 0o700)

    def test_the_chain_can_be_followed_by_hand(self):
        lines = self.notes(3)
        before = "0" * 64
        for number, line in enumerate(lines, 1):
            event = json.loads(line)
            self.assertEqual((event["seq"], event["prev"]), (number, before))
            before = hashlib.sha256(line.rstrip(b"\n")).hexdigest()
        self.assertEqual([json.loads(line)["kind"] for line in lines], ["log.start"] + 3 * ["note"])

    def test_each_damage_names_its_line(self):
        lines = self.notes(4)
        edited = lines[2].replace(b"note 1", b"note 7")
        self.assertNotEqual(edited, lines[2])
        for what, damaged, line, rule in [
                ("removed", lines[:2] + lines[3:], 3, "sequence"),
                ("first removed", lines[1:], 1, "start"),
                ("swapped", [lines[0], lines[2], lines[1], *lines[3:]], 2, "sequence"),
                ("edited", [*lines[:2], edited, *lines[3:]], 3, "signature"),
                ("doubled", [*lines[:2], lines[1], *lines[2:]], 3, "sequence"),
                ("inserted", [*lines[:2], b"{}\n", *lines[2:]], 3, "format"),
                ("last removed", lines[:-1], 5, "end"),
                ("cut", [*lines[:-1], lines[-1][:50]], 5, "torn"),
                ("emptied", [], 1, "end")]:
            with self.subTest(what):
                self.log.write_bytes(b"".join(damaged))
                fault = self.fault()
                self.assertEqual((fault["line"], fault["rule"]), (line, rule))
                told = self.writ("verify", self.log, code=3)
                self.assertRegex(told.stderr, rf"line {line}\b")
                self.assertEqual(told.stdout, "")
        self.log.write_bytes(b"".join(lines))
        self.writ("verify", self.log)

    def test_the_end_belongs_to_the_head(self):
        self.notes(2)
        head = self.log.with_name("audit.log.head")
        before = head.read_bytes()
        head.unlink()
        self.assertEqual(self.fault()["rule"], "head")
        refused = self.writ("note", self.log, "more", code=3).stderr
        self.assertIn("could have been cut off", refused)
        head.write_bytes(before)
        self.writ("verify", self.log)

    def test_what_files_cannot_tell_an_anchor_can(self):
        self.notes(2)
        head = self.log.with_name("audit.log.head")
        old = self.log.read_bytes(), head.read_bytes()
        noted = self.writ("note", self.log, "that which will be gone").stdout.strip()
        self.assertRegex(noted, MARK)
        self.writ("verify", "--anchor", noted, self.log)
        self.log.write_bytes(old[0])
        head.write_bytes(old[1])
        self.writ("verify", self.log)  # an older state is a good one
        self.assertEqual(self.fault("--anchor", noted)["rule"], "end")
        self.writ("note", self.log, "another")
        self.writ("verify", self.log)
        fault = self.fault("--anchor", noted)
        self.assertEqual((fault["rule"], fault["line"]), ("anchor", 4))
        self.assertIn("SHA-256", self.writ("verify", "--anchor", "4", self.log, code=2).stderr)

    def test_another_machine_needs_the_public_key(self):
        self.notes(1)
        elsewhere = {"WRIT_HOME": str(self.folder / "elsewhere")}
        self.assertIn("--key", self.writ("verify", self.log, code=5, env=elsewhere).stderr)
        public = harness.run("keys", "show", "host", env=self.env, cache=False).stdout.strip()
        self.assertTrue(public.startswith("N"))
        self.writ("verify", "--key", public, self.log, env=elsewhere)
        other = harness.run("keys", "gen", "server", "other", env=elsewhere, cache=False).stdout.strip()
        self.assertIn("another host", self.writ("verify", "--key", other, self.log, code=3, env=elsewhere).stderr)
        # A note with another key would not be believed: it is not written.
        self.assertIn("not signed by this host", self.writ("note", self.log, "mine", code=3, env=elsewhere).stderr)
        self.writ("verify", self.log)

    def test_no_log(self):
        self.notes(1)
        self.assertIn("no file", self.writ("verify", self.folder / "logs" / "none", code=5).stderr)
        self.writ("verify", self.folder / "none" / "none", code=5)
        self.writ("verify", code=2)


class Writers(Audit):
    def test_a_torn_line_is_set_aside_and_recorded(self):
        lines = self.notes(2)
        with open(self.log, "ab") as f:
            f.write(lines[1][:77])
        self.assertEqual(self.fault()["rule"], "torn")
        self.writ("note", self.log, "back again")
        self.assertEqual(self.log.with_name("audit.log.torn-4").read_bytes(), lines[1][:77])
        self.writ("verify", self.log)
        events = json.loads(self.writ("show", "-o", "json", self.log).stdout)["events"]
        self.assertEqual([e["kind"] for e in events[3:]], ["log.torn", "note"])
        self.assertEqual(events[3]["about"], {"file": "audit.log.torn-4", "bytes": 77})

    def test_many_writers(self):
        self.notes(1)
        writers = [subprocess.Popen([str(harness.BINARY), "audit", "note", str(self.log), f"writer {n}"],
                                    env={**os.environ, **self.env}, stdout=subprocess.DEVNULL) for n in range(12)]
        self.assertEqual([w.wait() for w in writers], 12 * [0])
        self.assertEqual(json.loads(self.writ("verify", "-o", "json", self.log).stdout)["lines"], 14)

    def test_who_holds_the_lock(self):
        self.notes(1)
        with open(self.log.with_name("audit.log.lock"), "r+", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            lock.write(f"{os.getpid():<15}\n")
            lock.flush()
            refused = self.writ("note", self.log, "too late", code=1).stderr
            self.assertIn(f"process {os.getpid()} ", refused)
        self.writ("note", self.log, "in time")

    def test_a_directory_of_others(self):
        self.notes(1)
        self.log.parent.chmod(0o777)
        self.assertIn("chmod go-w", self.writ("note", self.log, "x", code=3).stderr)


class Reading(Audit):
    def test_filters(self):
        self.notes(3)
        rows = self.writ("show", self.log).stdout.splitlines()
        self.assertEqual(len(rows), 4)
        self.assertRegex(rows[1], r"^\d{4}-\d\d-\d\dT[\d:.]{12}Z +2  note +text=note 0  by=uid:\d+$")
        for arguments, expected in [(("--kind", "note"), 3), (("--kind", "log"), 1), (("--kind", "refusal"), 0),
                                    (("--kind", "log.start", "--kind", "note"), 4), (("--about", "note 2"), 1),
                                    (("--since", "1h"), 4), (("--until", "1h"), 0), (("--since", "2100-01-01"), 0)]:
            self.assertEqual(len(self.writ("show", *arguments, self.log).stdout.splitlines()), expected, arguments)
        self.assertIn("no kind", self.writ("show", "--kind", "nothing", self.log, code=2).stderr)
        self.assertIn("no time", self.writ("show", "--since", "yesterday", self.log, code=2).stderr)

    def test_a_broken_log_is_shown_up_to_the_break(self):
        lines = self.notes(4)
        self.log.write_bytes(b"".join([*lines[:2], lines[2].replace(b"note 1", b"note 7"), *lines[3:]]))
        told = self.writ("show", self.log, code=3)
        self.assertEqual(len(told.stdout.splitlines()), 2)
        self.assertIn("signature", told.stderr)
        told = self.writ("show", "--keep-going", self.log, code=3)
        self.assertEqual(len(told.stdout.splitlines()), 5)
        self.assertIn("line 4", told.stderr)  # it names a line that is not there any more

    def test_export(self):
        lines = self.notes(2)
        self.assertEqual(self.writ("export", self.log).stdout.encode(), b"".join(lines))
        rows = list(csv.DictReader(io.StringIO(self.writ("export", "--format", "csv", self.log).stdout)))
        self.assertEqual([row["kind"] for row in rows], ["log.start", "note", "note"])
        self.assertEqual(json.loads(rows[2]["about"]), {"text": "note 1"})
        self.assertEqual(rows[2]["hash"], hashlib.sha256(lines[2].rstrip(b"\n")).hexdigest())

    def test_hostile_texts(self):
        self.writ("note", self.log, "\x1b[2J\"\n=cmd,\u202e\u20ac\U0001f600")
        self.assertTrue(all(b == 10 or 32 <= b < 127 for b in self.log.read_bytes()))
        told = self.writ("show", self.log).stdout
        self.assertEqual(len(told.splitlines()), 2)
        self.assertNotIn("\x1b", told)
        self.assertNotIn("\u202e", told)
        events = json.loads(self.writ("show", "-o", "json", self.log).stdout)["events"]
        self.assertEqual(events[1]["about"]["text"], "\x1b[2J\"\n=cmd,\u202e\u20ac\U0001f600")
        self.assertEqual(len(list(csv.reader(io.StringIO(self.writ("export", "--format", "csv", self.log).stdout)))), 3)


class Hosts(Case):
    """writ run --audit."""

    def setUp(self):
        super().setUp()
        self.log = self.folder / "logs" / "audit.log"

    def events(self, *arguments):
        done = harness.run("audit", "show", "-o", "json", *arguments, str(self.log), cache=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stderr, "")  # it was checked with the key that the host made
        return json.loads(done.stdout)["events"]

    def run_refused(self, *options, component=None):
        return harness.run("run", "--listen", "127.0.0.1:0", "--audit", str(self.log), *options,
                           component or guest("hello-c"))

    def test_a_host_that_served(self):
        for workers in (1, 0):
            server = self.serve(guest("hello-c"), "--audit", self.log, "--env", "SECRET=do-not-tell", workers=workers)
            began = self.events()
            self.assertEqual(server.get("/").status, 200)
            self.assertEqual(began[-1]["kind"], "workload.start")
            self.assertEqual(server.terminate(), 0)
            self.assertEqual(self.events()[-1]["kind"], "host.end")
            self.assertEqual(self.events()[-1]["about"]["result"], "ok")
        kinds = [e["kind"] for e in self.events()]
        self.assertEqual((kinds.count("host.start"), kinds.count("workload.start"), kinds.count("host.end")), (2, 2, 2))
        granted = [e["about"] for e in self.events("--kind", "grant")]
        self.assertEqual([granted[0][key] for key in ("what", "signed", "issuer")], ["run", "yes", harness.account()])
        self.assertTrue(any(a["what"].startswith("wasi:http/types") for a in granted), granted)
        self.assertNotIn("do-not-tell", self.log.read_text())
        self.assertEqual(harness.run("audit", "verify", str(self.log), cache=False).returncode, 0)

    def test_refusals(self):
        done = self.run_refused("--refuse", "wasi:http/types")
        self.assertEqual(done.returncode, 3, done.stderr)
        refused = [e["about"] for e in self.events("--kind", "refusal")]
        self.assertTrue(refused[0]["what"].startswith("wasi:http/types"), refused)
        self.assertEqual(refused[-1]["what"], "start")
        done = self.run_refused(component=harness.unsigned_guest("hello-c"))
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn("sign", self.events("--kind", "refusal")[-1]["about"]["why"])
        self.assertEqual(self.events("--kind", "workload"), [])

    def test_what_cannot_be_recorded_does_not_start(self):
        for name in ("audit.log", "audit.log.head"):
            with self.subTest(name):
                self.assertEqual(self.run_refused("--refuse", "wasi:http/types").returncode, 3)
                file = self.log.with_name(name)
                before = file.read_bytes()
                file.write_bytes(before[:-300] if name == "audit.log" else b"")
                done = self.run_refused()
                self.assertEqual(done.returncode, 3, done.stderr)
                self.assertIn("audit log:", done.stderr)
                file.write_bytes(before)
        self.log.parent.chmod(0o777)
        self.assertEqual(self.run_refused().returncode, 3)

    def test_a_full_disk(self):
        self.assertEqual(self.run_refused("--refuse", "wasi:http/types").returncode, 3)
        command = ["prlimit", f"--fsize={self.log.stat().st_size + 100}", str(harness.BINARY), "run", "--cache",
                   str(harness.CACHE), "--workers", "0", "--listen", "127.0.0.1:0", "--audit", str(self.log),
                   guest("hello-c")]
        done = subprocess.run(command, capture_output=True, text=True, env=harness.environment(), timeout=60)
        self.assertEqual(done.returncode, 5, done.stderr)
        self.assertIn("what cannot be recorded is not done", done.stderr)
        self.assertNotIn("serving", done.stderr)
        self.assertEqual(harness.run("audit", "verify", str(self.log), cache=False).returncode, 0)


if __name__ == "__main__":
    sys.exit(harness.main())
