#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Virtual time and a seed, for tests of components: the same answer from every instance, in every run, and no waiting.
The guest is tests/guests/time-c."""

import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402

CLOCK = ("--test-clock", "2030-01-31T12:00:00Z")
START = 1896091200  # of CLOCK, in seconds since 1970


class VirtualTime(harness.Case):
    def answers(self, *options, workers=2):
        server = self.serve(harness.guest("time-c"), *options, workers=workers)
        bodies = [server.get("/").body.decode() for _ in range(3)]
        log = server.log()
        server.close()
        return bodies, log

    def test_the_same_in_every_run(self):
        before = time.monotonic()
        first, log = self.answers(*CLOCK, "--test-seed", "42")
        self.assertEqual(1, len(set(first)), first)
        lines = first[0].splitlines()
        self.assertEqual([f"wall {START}", "ready 1 of 1, hours 1", f"wall {START + 3600}"], lines[:3])
        self.assertLess(time.monotonic() - before, 60)
        self.assertIn("TEST MODE", log)
        again, _ = self.answers(*CLOCK, "--test-seed", "42", workers=0)
        self.assertEqual(first, again)
        other, _ = self.answers(*CLOCK, "--test-seed", "43")
        self.assertEqual(lines[:3], other[0].splitlines()[:3])
        self.assertNotEqual(lines[3], other[0].splitlines()[3])

    def test_one_without_the_other(self):
        bodies, log = self.answers(*CLOCK)
        self.assertEqual(3, len({body.splitlines()[3] for body in bodies}))  # random bytes are random
        self.assertIn("its time is not real", log)

    def test_a_locked_host_refuses_it(self):
        settings = self.folder / "host.conf"
        settings.write_text("require_signatures = locked\n")
        settings.chmod(0o600)
        for options in (CLOCK, ("--test-seed", "1")):
            done = harness.run("run", harness.guest("time-c"), *options, "--config", settings, timeout=30)
            self.assertEqual(3, done.returncode, done.stderr)
            self.assertIn("--test-clock and --test-seed are not possible on this host", done.stderr)

    def test_wrong_values(self):
        for options in (("--test-clock", "tomorrow"), ("--test-seed", "-1"), ("--test-seed", "x")):
            self.assertEqual(2, harness.run("run", harness.guest("time-c"), *options).returncode)


if __name__ == "__main__":
    sys.exit(harness.main())
