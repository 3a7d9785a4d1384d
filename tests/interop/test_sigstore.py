#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# timeout: 900
"""Sigstore bundles against the sigstore-go package, in both directions: what it makes is judged by both alike, and
what we make is good for it. Its virtual authorities make certificates, log entries and time stamps; nothing is asked
of the network."""
import json
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "scenario"))
import harness  # noqa: E402
import peers  # noqa: E402

WHO = ("dev@example.org", "https://login.example.org")

# What each bundle of `make` is refused for; "good" ones are believed.
REASONS = {
    "good-v03": "good",
    "good-v02": "good",
    "good-v01": "good",
    "good-no-stamp": "good",
    "good-stamp-time": "good",  # its entry has no promise: the time is the stamp's
    "good-dsse": "good",
    "good-dsse-rekor2": "good",
    "good-p384": "good",
    "good-rsa": "good",
    "bad-signature": "bad-log-entry",
    "bad-digest": "hash-mismatch",
    "bad-promise": "bad-log-entry",
    "bad-time": "bad-log-entry",
    "bad-proof-root": "bad-log-entry",
    "bad-proof-size": "bad-log-entry",
    "bad-proof-extra-hash": "bad-log-entry",
    "bad-proof-other-log": "bad-log-entry",
    "bad-checkpoint": "bad-log-entry",
    "bad-promise-other-log": "bad-log-entry",
    "bad-entry-other-file": "bad-log-entry",
    "bad-entry-other-signature": "bad-log-entry",
    "bad-all-other": "no-log-entry",
    "bad-certificate-other": "untrusted-certificate",
    "bad-early": "outside-validity",
    "bad-late": "outside-validity",
    "bad-stamp-only": "bad-timestamp",
    "bad-dsse-payload": "bad-log-entry",
    "bad-dsse-subject": "hash-mismatch",
    "no-promise-no-stamp": "no-time",
    "no-entry-no-stamp": "no-log-entry",
    "only-stamp": "no-log-entry",
    "good-key": "wrong-material",
    "v03-chain": "malformed",
}


class Bundles(harness.Case):
    seconds_max = 600

    @classmethod
    def setUpClass(cls):
        cls.peer = peers.sigstore_go()
        made = tempfile.TemporaryDirectory(prefix="writ-sigstore-")
        cls.addClassCleanup(made.cleanup)
        cls.made = pathlib.Path(made.name)
        cls.component = cls.made / "a.wasm"
        cls.component.write_bytes(b"\0asm\x0d\0\x01\0" + b"\0\x05\x01aaaa")
        done = subprocess.run([cls.peer, "make", cls.component, cls.made], capture_output=True, text=True, check=True)
        cls.later = done.stdout.strip()  # after every time in the bundles that are good
        cls.much_later = cls.later.replace(cls.later[:4], str(int(cls.later[:4]) + 1), 1)

    def judge(self, bundle, *, component=None, root="root", who=WHO, at=None):
        """Our reason."""
        done = harness.run("bundle", "verify", component or self.component, "--bundle", self.made / f"{bundle}.json",
                           "--identity", who[0], "--oidc-issuer", who[1], "--trusted-root", self.made / f"{root}.json",
                           "--at", at or self.much_later, "-o", "json")
        found = json.loads(done.stdout)
        expected = 0 if found["reason"] == "good" else 4 if found["reason"] in ("malformed", "unsupported") else 3
        self.assertEqual((done.returncode, found["good"]), (expected, expected == 0), done.stderr)
        self.assertEqual(found["message"] == "", found["good"])
        return found["reason"]

    def judge_theirs(self, bundle, *, component=None, root="root", who=WHO):
        done = subprocess.run([self.peer, "verify-identity", component or self.component, self.made / f"{bundle}.json",
                               self.made / f"{root}.json", *who], capture_output=True, text=True, check=False)
        self.assertIn(done.returncode, (0, 1), done.stderr)
        return done.returncode == 0

    def test_both_judge_alike(self):
        made = {path.stem for path in self.made.glob("*.json") if not path.stem.startswith("root")}
        self.assertEqual(made, set(REASONS))
        for bundle, reason in REASONS.items():
            root = {"good-p384": "root-p384", "good-rsa": "root-rsa"}.get(bundle, "root")
            with self.subTest(bundle):
                self.assertEqual(self.judge(bundle, root=root), reason)
                self.assertEqual(self.judge_theirs(bundle, root=root), reason == "good")

    def test_another_file(self):
        other = self.folder / "other.wasm"
        other.write_bytes(self.component.read_bytes() + b"\0\x03\x01aa")
        for bundle in ("good-v03", "good-v01", "good-dsse", "good-dsse-rekor2"):
            with self.subTest(bundle):
                self.assertEqual(self.judge(bundle, component=other), "hash-mismatch")
                self.assertFalse(self.judge_theirs(bundle, component=other))

    def test_another_signer(self):
        for who, reason in ((("eve@example.org", WHO[1]), "wrong-identity"),
                            (("dev@example.or", WHO[1]), "wrong-identity"),
                            ((WHO[0].upper(), WHO[1]), "wrong-identity"), ((WHO[0], WHO[1] + "/"), "wrong-issuer")):
            with self.subTest(who):
                self.assertEqual(self.judge("good-v03", who=who), reason)
                self.assertFalse(self.judge_theirs("good-v03", who=who))

    def test_other_roots(self):
        for bundle, root, reason in (("good-v03", "root-p384", "no-log-entry"),
                                     ("only-stamp", "root-no-log", "good"),
                                     ("good-v03", "root-no-stamp", "good"),
                                     ("good-v03", "root-old-log", "bad-log-entry"),
                                     ("good-stamp-time", "root-old-log", "bad-log-entry"),
                                     ("good-stamp-time", "root-no-stamp", "bad-timestamp")):
            with self.subTest(bundle, root=root):
                self.assertEqual(self.judge(bundle, root=root), reason)

    def test_signed_after_the_date(self):
        self.assertEqual(self.judge("good-v03", at=self.later), "good")
        self.assertEqual(self.judge("good-v03", at="2020-01-01"), "in-the-future")

    def test_facts(self):
        done = harness.run("bundle", "verify", self.component, "--bundle", self.made / "good-v03.json",
                           "--identity", WHO[0], "--oidc-issuer", WHO[1], "--trusted-root", self.made / "root.json",
                           "--at", self.later, "-o", "json")
        facts = json.loads(done.stdout)["facts"]
        self.assertEqual((facts["identity"], facts["oidc_issuer"]), WHO)
        self.assertEqual((facts["log_entries"], facts["inclusion_proofs"], facts["timestamps"]), (1, 1, 1))
        self.assertLess(facts["signed_at"], self.later)

    # ---- with keys

    def verify_key(self, bundle, key):
        done = harness.run("bundle", "verify", self.component, "--bundle", bundle, "--key", key, "-o", "json")
        return json.loads(done.stdout)["reason"]

    def verify_key_theirs(self, bundle, key):
        done = subprocess.run([self.peer, "verify-key", self.component, bundle, key], capture_output=True, check=False)
        return done.returncode == 0

    def test_their_key(self):
        self.assertEqual(self.verify_key(self.made / "good-key.json", self.made / "key.pub"), "good")
        self.assertEqual(self.verify_key(self.made / "good-v03.json", self.made / "key.pub"), "wrong-material")

    def test_ours_are_good_for_them(self):
        for kind in (("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"), ("-algorithm", "ed25519")):
            with self.subTest(kind):
                key, public, bundle = (self.folder / name for name in ("key", "key.pub", "a.sigstore.json"))
                subprocess.run(["openssl", "genpkey", *kind, "-out", key], check=True, capture_output=True)
                subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-out", public], check=True)
                done = harness.run("bundle", "sign", self.component, "--key", key, "--out", bundle)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertEqual(self.verify_key(bundle, public), "good")
                self.assertTrue(self.verify_key_theirs(bundle, public))
                self.assertEqual(self.verify_key(bundle, self.made / "key.pub"), "bad-signature")
                self.assertFalse(self.verify_key_theirs(bundle, self.made / "key.pub"))


if __name__ == "__main__":
    sys.exit(harness.main())
