#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The model of the handshake between hosts (handshake.pml), searched whole by SPIN; and that the search would see it if
one of the things that keep an attacker out were missing."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

FOLDER = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parents[1] / "tools" / "test"))
import closing  # noqa: E402  pylint: disable=wrong-import-position

SECONDS_MAX = 250
STATES_MIN = 100_000  # of the whole model: a search that sees less sees less than it should


@unittest.skipUnless(shutil.which("spin"), "spin is not installed (Debian: spin)")
class Handshake(unittest.TestCase):
    def search(self, *words):
        """The number of errors and of states."""
        with tempfile.TemporaryDirectory(prefix="writ-test-") as folder:
            def run(*command):
                return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=SECONDS_MAX,
                                      check=False)

            made = run("spin", *(f"-D{word}" for word in words), "-a", str(FOLDER / "handshake.pml"))
            self.assertEqual(made.returncode, 0, made.stdout + made.stderr)
            built = run(os.environ.get("CC", "cc"), "-w", "-O2", "-DSAFETY", "-o", "pan", "pan.c")
            self.assertEqual(built.returncode, 0, built.stderr)
            done = run("./pan", "-m100000", "-E")
        errors = re.search(r"errors: (\d+)", done.stdout)
        states = re.search(r"(\S+) states, stored", done.stdout)
        self.assertTrue(errors and states, done.stdout + done.stderr)
        self.assertNotIn("search not completed", done.stdout + done.stderr if not words else "")
        return int(errors[1]), float(states[1])

    def test_no_attack_is_there(self):
        errors, states = self.search()
        self.assertEqual(errors, 0)
        self.assertGreater(states, STATES_MIN)

    def test_honest_hosts_get_to_talk(self):
        self.assertEqual(self.search("HONEST_NEVER_TALK")[0], 1)
        self.assertEqual(self.search("SECOND_LIFE_NEVER_TALKS")[0], 1)

    def test_a_hello_says_for_whom_it_is(self):
        self.assertEqual(self.search("NO_TO")[0], 1)

    def test_a_welcome_says_which_hello_it_answers(self):
        self.assertEqual(self.search("NO_HASH")[0], 1)

    def test_keys_are_signed(self):
        self.assertEqual(self.search("UNSIGNED_KEY")[0], 1)

    def test_a_new_life_ends_the_old_one(self):
        self.assertEqual(self.search("NO_EPOCH")[0], 1)


if __name__ == "__main__":
    sys.exit(closing.main())
