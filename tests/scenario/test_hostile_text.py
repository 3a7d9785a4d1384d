#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a token says is shown on terminals: none of it may steer one, or look like a line of ours."""
import pathlib
import shutil
import sys
import unittest

import harness
from harness import Case

OK, REFUSED = 0, 3
# Escape, its one-character form (U+009B), an override of the direction, and a line that looks like ours.
EVIL = "x\x1b[31m\u009b2J\u202e\nwrit: verified"


class HostileText(Case):
    def setUp(self):
        super().setUp()
        self.home = self.folder / "home"
        self.home.mkdir(mode=0o700)
        shutil.copyfile(harness.unsigned_guest("hello-c"), self.folder / "hello.wasm")
        self.account = self.writ("keys", "gen", "account").stdout.strip()
        self.writ("sign", "--name", EVIL, "--version", EVIL, "--tag", EVIL, "--out", "evil.wasm", "hello.wasm")

    def writ(self, *arguments, status=OK):
        done = harness.run(*arguments, env={"WRIT_HOME": str(self.home)}, cache=False, cwd=self.folder)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        for line in (done.stdout + done.stderr).split("\n"):
            self.assertFalse(line.startswith("writ: verified"), line)
            self.assertFalse(set(line) & set("\x1b\x07\u009b\u202e"), repr(line))
        return done

    def test_of_a_stranger(self):
        for command in (["inspect"], ["diff", "hello.wasm"]):
            self.assertIn("\\x1b", self.writ(*command, "evil.wasm").stdout)
        self.writ("verify", "evil.wasm", status=REFUSED)
        self.writ("run", "evil.wasm", status=REFUSED)
        token = self.folder / "evil.jwt"
        token.write_bytes(pathlib.Path(self.folder / "evil.wasm").read_bytes().rsplit(b"wasmcloud_jwt", 1)[1])
        self.assertIn("\\x1b", self.writ("token", "inspect", "evil.jwt").stdout)

    def test_of_an_issuer_that_is_trusted_for_others(self):
        self.writ("trust", "add", self.account, "--name", "shop/*")
        for command in ("run", "verify"):
            self.assertIn("\\x1b", self.writ(command, "evil.wasm", status=REFUSED).stderr)
        self.writ("inspect", "evil.wasm")
        self.writ("trust", "check", "evil.wasm", status=REFUSED)

    def test_of_somebody_who_is_believed(self):
        self.writ("trust", "add", self.account)
        self.assertIn("\\x9b", self.writ("verify", "evil.wasm").stdout)
        self.writ("inspect", "evil.wasm")
        self.writ("trust", "revoke", "--issuer", "account", "--subject", self.account, "--reason", EVIL, "--out", "l")
        self.writ("trust", "import", "l")
        self.writ("trust", "list")
        for command in ("run", "verify"):
            self.assertIn("\\u202e", self.writ(command, "evil.wasm", status=REFUSED).stderr)


if __name__ == "__main__":
    sys.exit(harness.main())
