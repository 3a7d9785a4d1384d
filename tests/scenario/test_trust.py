#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`writ trust`: from a component that nobody believes to one that is believed, revoked, and rolled back."""
import json
import shutil
import stat
import sys
import unittest

import harness
from harness import Case

OK, USAGE, REFUSED, INVALID, ENVIRONMENT = 0, 2, 3, 4, 5


class Trust(Case):
    def setUp(self):
        super().setUp()
        self.home = self.folder / "home"
        self.home.mkdir(mode=0o700)
        self.store = self.home / "trust.json"
        shutil.copyfile(harness.unsigned_guest("hello-c"), self.folder / "hello.wasm")
        self.account = self.writ("keys", "gen", "account").stdout.strip()

    def writ(self, *arguments, status=OK):
        done = harness.run(*arguments, env={"WRIT_HOME": str(self.home)}, cache=False, cwd=self.folder)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done

    def sign(self, *options):
        self.writ("sign", "--out", "signed.wasm", *options, "hello.wasm")

    def check(self, status=OK, file="signed.wasm"):
        return json.loads(self.writ("trust", "check", "-o", "json", file, status=status).stdout)

    def refused(self, reason, **more):
        seen = self.check(status=REFUSED, **more)
        self.assertEqual((seen["believed"], seen["reason"]), (False, reason), seen["message"])
        return seen["message"]

    def test_add_list_remove(self):
        self.sign("--name", "shop/cart")
        self.assertIn("writ trust add", self.refused("unknown-issuer"))
        terms = ["--name", "shop/*", "--until", "90d", "--cap", "wasi:http", "--cap", "wasi:cli"]
        self.writ("trust", "add", self.account, "--note", "the web team", *terms)
        self.assertEqual(self.check()["entry"]["note"], "the web team")
        self.assertEqual(stat.S_IMODE(self.store.stat().st_mode), 0o600)
        self.assertIn("the web team", self.writ("trust", "list").stdout)
        self.assertIn("wasi:http", self.writ("trust", "list").stdout)
        self.sign("--name", "other")
        self.refused("wrong-issuer")
        self.assertIn("removed 1 entry", self.writ("trust", "remove", self.account).stdout)
        self.refused("unknown-issuer")
        self.writ("trust", "remove", self.account, status=ENVIRONMENT)

    def test_the_same_entry_twice(self):
        self.writ("trust", "add", self.account)
        before = self.store.read_bytes()
        self.assertIn("already", self.writ("trust", "add", self.account, "--note", "again").stdout)
        self.assertEqual(self.store.read_bytes(), before)

    def test_keys_of_other_kinds(self):
        module = self.writ("keys", "gen", "module").stdout.strip()
        self.assertIn("accounts", self.writ("trust", "add", module, status=USAGE).stderr)
        self.assertIn("seed", self.writ("trust", "add", "S" + "A" * 57, status=USAGE).stderr)

    def test_keys_of_the_store_by_their_names(self):
        self.sign("--name", "shop/cart")
        self.assertIn(self.account, self.writ("trust", "add", "account").stdout)
        subject = self.check()["claims"]["subject"]
        self.assertIn(subject, self.writ("trust", "require", "hello.module", "--rev", "0").stdout)
        require = ("trust", "require", "hello.module", "--rev", "0", "--issuer")
        self.assertIn(self.account, self.writ(*require, "account").stdout)
        self.assertIn("--issuer", self.writ(*require, "acme", status=USAGE).stderr)
        self.writ("trust", "revoke", "--subject", "hello.module")
        self.assertIn(subject, self.refused("revoked"))
        self.writ("trust", "remove", "account")
        self.writ("keys", "gen", "account", "elsewhere", "--keys", "more")
        self.writ("trust", "revoke", "--subject", "elsewhere", "--keys", "more")
        for unknown in ("acme", "elsewhere", "../account", ""):
            self.writ("trust", "add", unknown, status=USAGE)
        self.assertIn("writ keys list", self.writ("trust", "add", "acme", status=USAGE).stderr)
        self.assertIn("--subject", self.writ("trust", "revoke", "--subject", "acme", status=USAGE).stderr)

    def test_one_issuer_alone(self):
        self.sign()
        self.writ("verify", "--issuer", "account", "signed.wasm")
        other = self.writ("keys", "gen", "account", "other").stdout.strip()
        refused = self.writ("verify", "--issuer", "other", "signed.wasm", status=REFUSED).stderr
        self.assertIn("unknown-issuer", refused)
        self.assertIn(f"--issuer believes {other} alone", refused)
        self.assertNotIn("trust add", refused)
        self.writ("keys", "gen", "user")
        self.writ("verify", "--issuer", "user", "signed.wasm", status=USAGE)

    def test_revoked_by_the_owner(self):
        self.writ("trust", "add", self.account)
        self.sign()
        subject = self.check()["claims"]["subject"]
        self.writ("trust", "revoke", "--subject", subject, "--before", "2020-01-01")
        self.check()
        self.writ("trust", "revoke", "--subject", subject, "--reason", "leaks sessions")
        self.assertIn("leaks sessions", self.refused("revoked"))

    def test_signed_lists(self):
        self.writ("trust", "add", self.account)
        self.sign()
        subject = self.check()["claims"]["subject"]
        issuer = ["trust", "revoke", "--issuer", "account"]
        self.writ(*issuer, "--subject", subject, "--out", "one.jwt")
        self.writ(*issuer, "--from", "one.jwt", "--hash", "ab" * 32, "--out", "two.jwt")
        self.writ("trust", "import", "two.jwt")
        self.assertIn("list 2 of", self.refused("revoked"))
        self.writ("trust", "import", "one.jwt", status=REFUSED)
        self.assertIn("--number", self.writ(*issuer, "--from", "two.jwt", "--number", "2", "--out", "x.jwt",
                                            status=INVALID).stderr)
        self.writ("keys", "gen", "account", "other")
        self.writ("trust", "revoke", "--issuer", "other", "--subject", subject, "--out", "other.jwt")
        self.assertIn("nobody here trusts", self.writ("trust", "import", "other.jwt", status=REFUSED).stderr)

    def test_minimum_revision(self):
        self.writ("trust", "add", self.account)
        self.sign("--rev", "4")
        subject = self.check()["claims"]["subject"]
        self.writ("trust", "require", subject, "--rev", "5")
        self.assertIn("writ trust require", self.refused("rolled-back"))
        self.assertIn("lowered", self.writ("trust", "require", subject, "--rev", "4").stdout)
        self.check()

    def test_files_that_cannot_be_believed(self):
        self.writ("trust", "add", self.account)
        self.sign()
        whole = self.store.read_text()
        self.store.write_text(whole[:100])
        self.assertIn("trust.json", self.writ("trust", "check", "signed.wasm", status=INVALID).stderr)
        self.store.write_text(whole)
        self.store.chmod(0o666)
        self.assertIn("chmod", self.writ("trust", "check", "signed.wasm", status=REFUSED).stderr)
        self.store.chmod(0o600)
        self.check()


if __name__ == "__main__":
    sys.exit(harness.main())
