#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Capability providers of a lattice of two hosts: ours in place of those of 1.x, and programs that speak its protocol;
each on another host than the components that it serves, or that it calls."""
import os
import subprocess
import sys

import harness
from harness import writ
from lattices import Lattice

PROVIDER = harness.ROOT / "tests" / "scenario" / "provider_1x.py"


class Providers(Lattice):
    seconds_max = 120

    def test_ours_serve_components_of_other_hosts(self):
        self.hosts()
        self.must("config", "put", "settings", "greeting=Hello, lattice!")
        self.must("start", "component", f"file://{harness.guest('counter')}", "counter", "--max", "10", "--on",
                  "first", "--config", "settings")
        self.must("start", "provider", "writ:sqlite", "kv", "--on", "second")
        self.must("link", "put", "counter", "kv", "wasi:keyvalue/store,atomics")
        self.serve("counter", "second")
        for number in range(2, 6):  # the first visitor has been there
            self.assertEqual(self.get(), (200, f"Hello, lattice!, visitor number {number}.\n"))
        self.must("link", "del", "counter", "wasi:keyvalue")
        self.until(lambda: self.get()[0] == 503, 10, "without the link nothing is counted")
        self.must("link", "put", "counter", "kv", "wasi:keyvalue/store,atomics")
        self.until(lambda: self.get()[0] == 200, 10, "it counts again")
        self.assertEqual(self.get(), (200, "Hello, lattice!, visitor number 7.\n"))
        self.must("stop", "provider", "kv", "--on", "second")
        self.until(lambda: "kv" not in self.providers_of("second"), 10, "it is not there any more")

    def script(self):
        path = self.folder / "provider"
        path.write_text(f"#!/bin/sh\nexec {sys.executable} {PROVIDER}\n")
        return path

    def start_program(self, host, *options):
        self.must("start", "provider", f"file://{self.script()}", "kv", "--on", host, *options)

    def said(self, host, text):
        """Whether the program has said it, by the log of its host."""
        return any(text in str(event.get("message", "")) for event in host.events())

    def test_programs_of_1x_run_and_are_told(self):
        first, _ = self.hosts("--unsigned")
        self.must("config", "put", "level", "level=1")
        self.start_program("first", "--config", "level")
        self.until(lambda: self.said(first, '"event":"started"'), 20, "it has started")
        self.assertTrue(self.said(first, '"config":{"level":"1"}'))
        self.must("config", "put", "level", "level=2")
        self.until(lambda: self.said(first, '"event":"config","config":{"level":"2"}'), 10, "it is told what is new")
        self.must("link", "put", "counter", "kv", "wasi:keyvalue/store", "--target-config", "level")
        self.until(lambda: self.said(first, '"link-put","link":{"source_id":"counter"'), 10, "it is told of a link")
        self.must("link", "del", "counter", "wasi:keyvalue")
        self.until(lambda: self.said(first, '"event":"link-del","source":"counter"'), 10, "and that it has gone")
        self.assertIn("kv", self.providers_of("first"))
        self.must("stop", "provider", "kv", "--on", "first")
        self.assertTrue(self.said(first, '"event":"shutdown","right_host":true'))
        self.assertNotIn("kv", self.providers_of("first"))

    def test_a_program_that_crashes_is_started_anew_and_ends_with_its_host(self):
        first, _ = self.hosts("--unsigned")
        self.must("config", "put", "crash", "crash=7")
        self.start_program("first", "--config", "crash")
        self.until(lambda: sum('"event":"started"' in str(e.get("message", "")) for e in first.events()) >= 2, 30,
                   "it is started again")
        self.must("config", "put", "crash", "level=1")
        self.until(lambda: self.said(first, '"config":{"level":"1"}'), 30, "with what it is to have then")
        before = subprocess.run(["pgrep", "-f", str(PROVIDER)], capture_output=True, text=True).stdout.split()
        self.assertTrue(before)
        first.process.kill()
        first.process.wait()
        self.until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in before), 10, "its process is gone")


    def archive(self, name, issuer):
        """Signed, with the program for each machine that this test may run on."""
        path = self.folder / name
        subject = f"service-{os.getpid()}-{name}"
        writ("keys", "gen", "service", subject)
        program = self.script()
        targets = [word for machine in ("x86_64", "aarch64") for word in ("--target", f"{machine}-linux={program}")]
        writ("par", "create", "--name", "Echo", "--vendor", "Tests", "--rev", "4", "--issuer", issuer, *targets,
             "--subject", subject, "--out", path)
        return path

    def test_only_archives_that_the_host_believes_run(self):
        harness.account()
        stranger = f"stranger-{os.getpid()}"
        writ("keys", "gen", "account", stranger)
        good, strange = self.archive("good.par.gz", "tests"), self.archive("strange.par", stranger)
        first, _ = self.hosts()
        changed = self.folder / "changed.par"
        data = bytearray(strange.read_bytes())
        data[data.index(b"exec ") + 5] ^= 1
        changed.write_bytes(data)
        for path, why in ((self.script(), "without a signature"), (strange, "unknown-issuer"),
                          (changed, "hash-mismatch")):
            self.lattice("start", "provider", f"file://{path}", "kv", "--on", "first")
            self.assertNotEqual(self.code, 0)
            self.assertIn(why, self.error)
            self.assertNotIn("kv", self.providers_of("first"))
        self.must("start", "provider", f"file://{good}", "kv", "--on", "first")
        self.until(lambda: self.said(first, '"event":"started"'), 20, "it has started")
        kv = self.providers_of("first")["kv"]
        self.assertEqual((kv.get("name"), kv["revision"]), ("Echo", 4))


if __name__ == "__main__":
    sys.exit(harness.main())
