#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`writ sign` and `writ verify`, and both directions against other implementations of the format: the `wascap` crate
(built by tools/setup/setup.py for tests) and, where WRIT_PEERS names a folder with it, the `wash` of wasmCloud 1.x."""
import json
import shutil
import stat
import subprocess
import sys
import unittest

import harness
from harness import Case

WASCAP = harness.ROOT / "build" / "deps" / "tools" / "bin" / "wascap-tool"
NOW = "2027-01-31T12:00:00Z"
OK, USAGE, REFUSED, INVALID, ENVIRONMENT = 0, 2, 3, 4, 5


class SignCase(Case):
    def setUp(self):
        super().setUp()
        self.home = self.folder / "home"
        self.component = self.folder / "hello-c.wasm"
        shutil.copyfile(harness.unsigned_guest("hello-c"), self.component)
        self.signed = self.folder / "hello-c.signed.wasm"

    def writ(self, *arguments, status=OK):
        done = harness.run(*arguments, env={"WRIT_HOME": str(self.home)}, cache=False, cwd=self.folder)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done

    def key(self, kind="account", name=None):
        return self.writ("keys", "gen", kind, *([name] if name else [])).stdout.strip()

    def sign(self, *arguments, status=OK):
        done = self.writ("sign", "-o", "json", "--at", NOW, *arguments, status=status)
        return json.loads(done.stdout) if status == OK else json.loads(done.stderr)

    def verify(self, *arguments, at=NOW, status=OK):
        return json.loads(self.writ("verify", "-o", "json", "--at", at, *arguments, status=status).stdout)

    def refused(self, reason, *arguments, at=NOW, status=REFUSED):
        seen = self.verify(*arguments, at=at, status=status)
        self.assertEqual((seen["good"], seen["reason"]), (False, reason), seen["message"])
        return seen["message"]


class Sign(SignCase):
    def test_the_whole_way(self):
        account = self.key()
        seen = self.sign("--for", "90d", "--rev", "7", "--version", "1.2.3", "--tag", "a", "--tag", "b", self.component)
        self.assertEqual(seen["written"], str(self.signed))
        self.assertEqual((seen["issuer"], seen["subject_key"], seen["subject_key_made"]),
                         (account, "hello-c.module", True))
        self.assertEqual(seen["not_covered"], [])
        self.assertEqual((seen["claims"]["revision"], seen["claims"]["version"]), (7, "1.2.3"))
        self.assertTrue(self.signed.read_bytes().startswith(self.component.read_bytes()))
        good = self.verify("--issuer", account, self.signed)
        self.assertEqual((good["good"], good["hash"], good["trusted_key"]), (True, seen["hash"], account))
        text = self.writ("verify", "--issuer", account, "--at", NOW, self.signed).stdout
        self.assertIn("until 2027-05-01T12:00:00Z", text)

    def test_time_at_its_bounds(self):
        account = self.key()
        self.sign("--for", "1d", "--not-before", "2027-02-01", self.component)
        arguments = ("--issuer", account, self.signed)
        self.assertIn("2027-02-01T00:00:00Z", self.refused("not-yet-valid", *arguments, at="2027-01-31T23:59:59Z"))
        self.verify(*arguments, at="2027-02-01T00:00:00Z")
        self.verify(*arguments, at="2027-02-01T23:59:59Z")
        self.refused("expired", *arguments, at="2027-02-02T00:00:00Z")
        self.assertIn("never be valid", self.sign("--until", "2027-01-31", self.component, status=USAGE)["message"])

    def test_trust(self):
        account, other = self.key(), self.key(name="other")
        self.sign(self.component)
        self.refused("unknown-issuer", self.signed)
        self.refused("unknown-issuer", "--issuer", other, self.signed)
        self.refused("unsigned", self.component)
        store = self.folder / "trust.json"
        self.writ("verify", "--trust", store, self.signed, status=ENVIRONMENT)
        store.write_text(json.dumps({"version": 1, "issuers": [{"key": account}]}))
        store.chmod(0o600)
        self.assertEqual(self.verify("--trust", store, self.signed)["trusted_key"], account)
        store.write_text('{"version": 1, "iss')
        self.writ("verify", "--trust", store, self.signed, status=ENVIRONMENT)

    def test_detached(self):
        account = self.key()
        before = self.component.read_bytes()
        token = self.folder / "hello.jwt"
        self.sign("--detached", token, self.component)
        self.assertEqual(self.component.read_bytes(), before)
        self.assertFalse(self.signed.exists())
        self.verify("--issuer", account, "--token", token, self.component)
        token.write_text(token.read_text() + "\n")
        self.verify("--issuer", account, "--token", token, self.component)
        self.sign(self.component)
        self.refused("malformed", "--issuer", account, "--token", token, self.signed)
        self.assertIn("one inside", self.sign("--detached", token, self.signed, status=INVALID)["message"])

    def test_allow_lists(self):
        account = self.key()
        imports = {entry["interface"] for entry in self.sign(self.component)["allow"]}
        self.assertIn("wasi:http/types", imports)
        done = self.writ("sign", "--cap", "wasi:io@^0.2.0", self.component)
        self.assertRegex(done.stderr, r"warning: .*does not cover .*--from-imports.*\n  wasi:http/types@0\.2")
        self.assertNotIn("wasi:io", done.stderr)
        self.assertIn("wasi:http/types", self.refused("not-allowed", "--issuer", account, self.signed, at="0s"))
        seen = self.sign("--cap", "wasi:io@^0.2.0", "--from-imports", self.component)
        self.assertEqual([e["interface"] for e in seen["allow"]], ["wasi:io", "wasi:http/types"])
        self.verify("--issuer", account, self.signed)
        seen = self.sign("--no-allow-list", self.component)
        self.assertIsNone(seen["allow"])
        self.verify("--issuer", account, self.signed)

    def test_signing_again(self):
        account = self.key()
        self.key(name="other")
        first = self.sign(self.component)
        shutil.move(self.signed, self.folder / "renamed.wasm")
        again = self.sign("--in-place", self.folder / "renamed.wasm")
        self.assertEqual((again["subject"], again["hash"], again["subject_key"]), (first["subject"], first["hash"], ""))
        refused = self.sign("--issuer", "other", "--in-place", self.folder / "renamed.wasm", status=REFUSED)
        self.assertIn(account, refused["message"])
        self.sign("--issuer", "other", "--in-place", "--force", self.folder / "renamed.wasm")
        self.refused("unknown-issuer", "--issuer", account, self.folder / "renamed.wasm")
        self.sign(self.component)
        self.assertIn("--in-place", self.sign(self.signed, status=USAGE)["message"])

    def test_renewing_does_not_vouch_for_other_bytes(self):
        """Who renews the signature of a file that somebody changed would sign the change."""
        self.key()
        good = self.sign(self.component)
        whole, raw = self.signed.read_bytes(), self.component.read_bytes()
        token = whole[len(raw):]
        attacks = {"another component": raw[:8] + b"\0\5\4evil" + raw[8:] + token, "a second token": whole + token,
                   "a padded size": raw[:8] + b"\0\x85\0\4evil" + raw[8:] + token}
        for name, data in attacks.items():
            with self.subTest(name):
                self.signed.write_bytes(data)
                message = self.sign("--in-place", self.signed, status=REFUSED)["message"]
                self.assertIn("--force", message)
                self.assertEqual(self.signed.read_bytes(), data)
        self.signed.write_bytes(attacks["another component"])
        self.assertNotEqual(self.sign("--in-place", "--force", self.signed)["hash"], good["hash"])

    def test_files(self):
        self.key()
        self.component.chmod(0o640)
        self.sign("--in-place", self.component)
        self.assertEqual(stat.S_IMODE(self.component.stat().st_mode), 0o640)
        self.sign("--out", self.folder / "missing" / "a.wasm", self.component, status=ENVIRONMENT)
        self.sign(self.folder / "nothing.wasm", status=ENVIRONMENT)
        self.assertEqual([p.name for p in self.folder.iterdir() if p.name.endswith(".part")], [])

    def test_keys(self):
        self.assertIn("writ keys gen account", self.sign(self.component, status=ENVIRONMENT)["message"])
        operator, module = self.key("operator"), self.key("module", "m")
        self.assertIn("only an account", self.sign("--issuer", "operator", self.component, status=INVALID)["message"])
        self.key()
        self.assertEqual(self.sign("--subject", module, self.component)["subject"], module)
        self.assertEqual(self.sign("--subject", "m", self.component)["subject"], module)
        self.sign("--subject", operator, self.component, status=INVALID)

    def test_through_an_operator(self):
        operator, account = self.key("operator"), self.key()
        token = self.folder / "account.jwt"
        token.write_text(self.writ("token", "create", "--kind", "account", "--issuer", "operator", "--subject",
                                   "account", "--at", NOW).stdout.strip())
        self.sign("--chain", token, self.component)
        seen = self.verify("--issuer", operator, self.signed)
        self.assertEqual((seen["trusted_key"], [c["subject"] for c in seen["chain"]]), (operator, [account]))
        self.key(name="other")
        wrong = self.sign("--issuer", "other", "--chain", token, self.component, status=REFUSED)
        self.assertIn("--chain", wrong["message"])

    def test_what_is_no_component(self):
        account = self.key()
        self.sign(self.component)
        broken = self.folder / "broken.wasm"
        for content in (b"", b"hello", self.signed.read_bytes()[:1000]):
            broken.write_bytes(content)
            self.refused("malformed", "--issuer", account, broken, status=INVALID)
            self.writ("sign", broken, status=INVALID)
        for offset, reason in ((20000, "hash-mismatch"), (-1, "malformed"), (-300, "bad-signature")):
            content = bytearray(self.signed.read_bytes())
            content[offset] ^= 1
            broken.write_bytes(content)
            seen = self.verify("--issuer", account, broken, status=REFUSED)
            self.assertIn(seen["reason"], (reason, "malformed"))

    def test_the_command_lines(self):
        for wrong in (("sign",), ("sign", "--for", "1d", "--until", "2030-01-01", "a"), ("sign", "--for", "x", "a"),
                      ("sign", "--in-place", "--out", "b", "a"), ("sign", "--no-allow-list", "--cap", "a:b", "a"),
                      ("sign", "--cap", "?", "a"), ("verify",), ("verify", "--issuer", "A", "a"),
                      ("verify", "--at", "yesterday", "a"), ("verify", "--issuer", self.key("module"), "a")):
            self.writ(*wrong, status=USAGE)
        for command in ("sign", "verify"):
            self.assertIn("Examples", self.writ(command, "--help").stdout)


@unittest.skipUnless(harness.peer("wash"), "no `wash` in $WRIT_PEERS or PATH")
class WithWash(SignCase):
    def wash(self, *arguments):
        env = {**harness.environment(), "HOME": str(self.folder), "WASH_KEYS": str(self.folder / "wash-keys")}
        done = subprocess.run([harness.peer("wash"), *map(str, arguments), "-o", "json"], env=env, capture_output=True,
                              text=True, timeout=60, cwd=self.folder)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return json.loads(done.stdout[done.stdout.index("{"):])

    def test_ours_there(self):
        account = self.key()
        seen = self.sign("--rev", "7", "--version", "1.2.3", "--call-alias", "My Alias", self.component)
        there = self.wash("claims", "inspect", self.signed)
        self.assertEqual((there["account"], there["component"]), (account, seen["subject"]), there)

    def test_theirs_here(self):
        account, module = self.wash("keys", "gen", "account"), self.wash("keys", "gen", "module")
        self.wash("claims", "sign", self.component, "--name", "hello", "--rev", "3", "--ver", "0.3.0", "--issuer",
                  account["seed"], "--subject", module["seed"], "--disable-keygen", "--destination", self.signed)
        seen = self.verify("--issuer", account["public_key"], self.signed, at="0s")
        self.assertEqual((seen["claims"]["subject"], seen["claims"]["name"], seen["claims"]["revision"]),
                         (module["public_key"], "hello", 3))
        # Their signature is replaced only on purpose, and the hash is the same.
        self.key()
        self.sign("--in-place", self.signed, status=REFUSED)
        self.assertEqual(self.sign("--force", "--in-place", self.signed)["hash"], seen["hash"])


@unittest.skipUnless(WASCAP.exists(), f"{WASCAP} is not built")
class WithWascap(SignCase):
    def wascap(self, *arguments):
        done = subprocess.run([WASCAP, *map(str, arguments)], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout) if done.stdout.startswith("{") else done.stdout.strip()

    def test_hashes_of_all_guests(self):
        account = self.key()
        paths = sorted(harness.GUESTS.glob("*.wasm"))
        self.assertTrue(paths)
        for path in paths:
            with self.subTest(path.name):
                ours = self.folder / "ours.wasm"
                seen = self.sign("--no-allow-list", "--out", ours, path)
                self.assertEqual(self.wascap("hash", path), seen["hash"])
                there = self.wascap("inspect", ours)
                self.assertEqual((there["claims"]["iss"], there["claims"]["wascap"]["hash"]), (account, seen["hash"]))

    def test_theirs_here(self):
        account, module = self.wascap("key", "account"), self.wascap("key", "component")
        self.wascap("sign-component", self.component, self.signed, account["seed"], module["seed"], "hello")
        seen = self.verify("--issuer", account["public"], self.signed, at="0s")
        self.assertEqual(seen["claims"]["subject"], module["public"])


if __name__ == "__main__":
    sys.exit(harness.main())
