#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The runner's own tests: a suite cannot pass by dying, hanging, keeping silent or running nothing."""
import contextlib
import io
import os
import sys
import tempfile
import time
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import closing  # noqa: E402
import run  # noqa: E402


class RunnerTest(unittest.TestCase):
    def setUp(self):
        logs = tempfile.TemporaryDirectory()
        self.addCleanup(logs.cleanup)
        self.addCleanup(setattr, run, "LOGS", run.LOGS)
        run.LOGS = logs.name

    def outcome(self, script, timeout_s=20):
        suite = run.run_suite(run.Suite("a/suite", ["sh", "-c", script], timeout_s))
        return (suite.passed, suite.failed, suite.skipped), suite.trouble

    def test_counts_come_from_the_last_line(self):
        self.assertEqual(self.outcome("echo 9 passed, 9 failed; echo 3 passed, 0 failed"), ((3, 0, 0), ""))
        self.assertEqual(self.outcome("echo 3 passed, 0 failed, 2 skipped"), ((3, 0, 2), ""))
        self.assertEqual(self.outcome("echo 3 passed, 1 failed; exit 1"), ((3, 1, 0), ""))

    def test_reasons_of_what_was_skipped_are_shown(self):
        script = "echo skipped: no server; echo 0 passed, 0 failed, 1 skipped"
        suite = run.run_suite(run.Suite("a/suite", ["sh", "-c", script], 20))
        with contextlib.redirect_stdout(io.StringIO()) as out:
            run.report(suite)
        self.assertIn("     skipped: no server\n", out.getvalue())

    def test_silence_is_a_failure(self):
        counts, trouble = self.outcome("echo fine")
        self.assertEqual(counts, (0, 1, 0))
        self.assertIn("closing line", trouble)
        self.assertEqual(self.outcome("true")[0], (0, 1, 0))
        self.assertEqual(self.outcome("echo '3 passed, 0 failed, mostly'")[0], (0, 1, 0))

    def test_a_status_that_contradicts_the_line_is_a_failure(self):
        self.assertEqual(self.outcome("echo 3 passed, 0 failed; exit 4")[0], (3, 1, 0))

    def test_a_signal_is_a_failure(self):
        counts, trouble = self.outcome("echo 3 passed, 0 failed; kill -SEGV $$")
        self.assertEqual(counts, (3, 1, 0))
        self.assertIn("SIGSEGV", trouble)

    def test_nothing_run_is_a_failure(self):
        self.assertEqual(self.outcome("echo 0 passed, 0 failed")[0], (0, 1, 0))

    def test_a_hang_is_stopped_with_all_that_it_started(self):
        with tempfile.NamedTemporaryFile() as mark:
            counts, trouble = self.outcome(f"(sleep 60; echo late) >{mark.name} & echo $! >{mark.name}.pid; wait", 0.5)
            with open(mark.name + ".pid", encoding="utf-8") as f:
                child = int(f.read())
            os.unlink(mark.name + ".pid")
        self.assertEqual(counts, (0, 1, 0))
        self.assertIn("stopped after", trouble)
        self.assertTrue(self.is_gone(child))

    @staticmethod
    def is_gone(pid):
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
                    if f.read().rsplit(")", 1)[1].split()[0] == "Z":
                        return True
            except FileNotFoundError:
                return True
            time.sleep(0.01)
        return False

    def test_a_command_that_does_not_exist_is_a_failure(self):
        suite = run.run_suite(run.Suite("a/suite", ["/nonexistent/program"], 5))
        self.assertEqual(suite.failed, 1)
        with contextlib.redirect_stdout(io.StringIO()) as out:
            run.report(suite)
        self.assertIn("could not be started", out.getvalue())


if __name__ == "__main__":
    sys.exit(closing.main())
