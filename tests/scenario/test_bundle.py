# SPDX-License-Identifier: Apache-2.0
"""writ bundle: signing and checking with keys, exit statuses, both formats. Certificates, logs and time stamps are
tested against another implementation in tests/interop/test_sigstore.py."""
import hashlib
import json
import subprocess
import sys

import harness
from harness import Case


class Bundle(Case):
    def setUp(self):
        super().setUp()
        if not harness.have("openssl"):
            self.skipTest("no openssl command here")
        self.component = self.folder / "a.wasm"
        self.component.write_bytes(b"\0asm\x0d\0\x01\0\0\x05\x01aaaa")
        self.beside = self.folder / "a.wasm.sigstore.json"
        self.openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", "key")
        self.openssl("pkey", "-in", "key", "-pubout", "-out", "key.pub")

    def openssl(self, *arguments):
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True)

    def writ(self, *arguments, code=0):
        done = harness.run("bundle", *arguments, cwd=self.folder)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done

    def refused(self, code, word, *arguments):
        done = self.writ(*arguments, code=code)
        self.assertEqual(done.stdout, "")
        self.assertIn(word, done.stderr)

    def test_sign_and_verify(self):
        self.writ("sign", "a.wasm", "--key", "key")
        self.assertIn("a.wasm: good", self.writ("verify", "a.wasm", "--key", "key.pub").stdout)
        found = json.loads(self.writ("verify", "a.wasm", "--key", "key.pub", "-o", "json").stdout)
        der = self.folder / "key.der"
        self.openssl("pkey", "-in", "key", "-pubout", "-outform", "DER", "-out", "key.der")
        self.assertEqual((found["good"], found["reason"]), (True, "good"))
        self.assertEqual(found["facts"]["key"], hashlib.sha256(der.read_bytes()).hexdigest())
        self.assertFalse(found["facts"]["witnesses_checked"])
        claims = json.loads(self.writ("inspect", "a.wasm.sigstore.json", "-o", "json").stdout)
        self.assertEqual(claims["digest"], hashlib.sha256(self.component.read_bytes()).hexdigest())
        self.assertFalse(claims["verified"])
        self.assertIn("not verified", self.writ("inspect", "a.wasm.sigstore.json").stdout)

    def test_refusals(self):
        self.writ("sign", "a.wasm", "--key", "key")
        self.openssl("genpkey", "-algorithm", "ed25519", "-out", "other")
        self.openssl("pkey", "-in", "other", "-pubout", "-out", "other.pub")
        self.refused(3, "(bad-signature)", "verify", "a.wasm", "--key", "other.pub")
        self.component.write_bytes(self.component.read_bytes() + b"\0\x03\x01aa")
        self.refused(3, "(hash-mismatch)", "verify", "a.wasm", "--key", "key.pub")
        done = self.writ("verify", "a.wasm", "--key", "key.pub", "-o", "json", code=3)
        self.assertEqual(json.loads(done.stdout)["reason"], "hash-mismatch")
        self.beside.write_text(self.beside.read_text()[:-20])
        self.refused(4, "(malformed)", "verify", "a.wasm", "--key", "key.pub")
        self.refused(4, "bundle", "inspect", "a.wasm.sigstore.json")

    def test_what_this_machine_lacks(self):
        self.refused(5, "a.wasm.sigstore.json", "verify", "a.wasm", "--key", "key.pub")
        self.refused(5, "nokey", "sign", "a.wasm", "--key", "nokey")
        self.refused(5, "none.wasm", "sign", "none.wasm", "--key", "key")
        self.refused(5, "public key", "verify", "a.wasm", "--key", "key")
        self.openssl("pkcs8", "-topk8", "-passout", "pass:x", "-in", "key", "-out", "sealed")
        self.refused(5, "encrypted", "sign", "a.wasm", "--key", "sealed")
        self.assertFalse(self.beside.exists())

    def test_usage(self):
        self.refused(2, "--key", "sign", "a.wasm")
        self.refused(2, "--identity", "verify", "a.wasm")
        self.refused(2, "--identity", "verify", "a.wasm", "--identity", "a", "--oidc-issuer", "b")
        self.refused(2, "--identity", "verify", "a.wasm", "--key", "key.pub", "--identity", "a")
        self.refused(2, "date", "verify", "a.wasm", "--key", "key.pub", "--at", "tomorrow")
        self.refused(2, "missing argument", "inspect")
        self.assertIn("verify", self.writ("--help").stdout)


if __name__ == "__main__":
    sys.exit(harness.main())
