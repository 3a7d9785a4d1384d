#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""writ:crypto: hashes in the worker, proofs with keys that neither the guest nor the worker ever has. The guest is
tests/guests/crypto-c."""

import base64
import hashlib
import hmac
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402

SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")  # RFC 8032, 7.1
PUBLIC = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
SECRET = b"the key of the orders, which nobody sees"


class Crypto(harness.Case):
    def store(self, name, value):
        self.secrets = self.folder / "secrets"
        self.secrets.mkdir(exist_ok=True)
        done = harness.run("secrets", "set", "--secrets", self.secrets, name, stdin=value)
        self.assertEqual(0, done.returncode, done.stderr)

    def start(self, *options, workers=1):
        self.store("orders", SECRET)
        self.store("seed", base64.b64encode(SEED))
        return self.serve(harness.guest("crypto-c"), "--secrets", self.secrets,
                          "--link", "writ:crypto@orders=keys,algorithm=hmac-sha256,key=@orders",
                          "--link", "writ:crypto@me=keys,algorithm=ed25519,key=@seed,message-bytes-max=100",
                          *options, workers=workers)

    def ask(self, server, path, status=200):
        answer = server.get(path)
        self.assertEqual(status, answer.status, answer.body)
        return answer.body.decode()

    def test_hashes(self):
        server = self.start()
        for name in ("sha256", "sha384", "sha512"):
            self.assertEqual(hashlib.new(name, b"abc").hexdigest(), self.ask(server, f"/{name}/abc"))
        self.assertEqual(hashlib.sha256(b"a" * 3000001).hexdigest(), self.ask(server, "/many/3000001/65536"))
        self.assertEqual(hashlib.sha256(b"").hexdigest(), self.ask(server, "/many/0/1"))
        self.ask(server, "/many/2000000/1048577", 500)  # one byte too many at once
        server.wait_line("use a hasher")

    def check_keys(self, server):
        tag = self.ask(server, "/authenticate/orders/hello")
        self.assertEqual(hmac.new(SECRET, b"hello", "sha256").hexdigest(), tag)
        self.assertEqual("right", self.ask(server, f"/verify-tag/orders/hello/{tag}"))
        self.assertEqual("wrong", self.ask(server, f"/verify-tag/orders/other/{tag}"))
        signature = self.ask(server, "/sign/me/hello")
        self.assertEqual(PUBLIC, self.ask(server, "/public/me"))
        self.assertEqual("right", self.ask(server, f"/verify/me/hello/{signature}"))
        self.assertEqual("right", self.ask(server, f"/ed25519/{PUBLIC}/hello/{signature}"))
        self.assertEqual("wrong", self.ask(server, f"/ed25519/{PUBLIC}/hallo/{signature}"))
        self.assertEqual("wrong", self.ask(server, f"/ed25519/00/hello/{signature}"))
        self.assertEqual("ed25519", self.ask(server, "/algorithm/me"))

    def test_keys(self):
        self.check_keys(self.start())

    def test_keys_in_one_process(self):
        self.check_keys(self.start(workers=0))

    def test_errors(self):
        server = self.start("--deny-call", "writ:crypto/hmac.authenticate")
        self.assertEqual("not-found", self.ask(server, "/sign/nobody/x", 502))
        self.assertEqual("unsupported", self.ask(server, "/sign/orders/x", 502))
        self.assertEqual("unsupported", self.ask(server, "/verify-tag/me/x/00", 502))
        self.assertEqual("too-large", self.ask(server, "/sign/me/" + "x" * 101, 502))
        self.assertEqual("access-denied", self.ask(server, "/authenticate/orders/x", 502))
        self.assertEqual("wrong", self.ask(server, "/verify-tag/orders/x/00"))

    def test_no_worker_has_a_key(self):
        server = self.start()
        self.check_keys(server)
        for pid in server.workers():
            self.assertFalse(self.has_in_memory(pid, SECRET) or self.has_in_memory(pid, SEED))
        drivers = [pid for pid in server.children() if b"__drivers" in bytes(harness.command_line(pid))]
        self.assertTrue(any(self.has_in_memory(pid, SECRET) for pid in drivers))  # the search finds what is there
        self.assertNotIn(SECRET.decode(), server.log())

    def has_in_memory(self, pid, needle):
        with open(f"/proc/{pid}/maps", encoding="ascii") as maps, open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
            for line in maps:
                start, end = (int(part, 16) for part in line.split()[0].split("-"))
                if "r" not in line.split()[1] or "[v" in line or end - start > 1 << 28:
                    continue
                try:
                    memory.seek(start)
                    if needle in memory.read(end - start):
                        return True
                except (OSError, ValueError):
                    pass  # cannot be read
        return False

    def test_a_key_in_clear_and_one_that_is_missing(self):
        self.store("orders", SECRET)
        for link, part in (("algorithm=hmac-sha256,key=abc", "credential"), ("algorithm=hmac-sha256,key=@none", "none"),
                           ("algorithm=rsa,key=@orders", "rsa")):
            done = harness.run("run", harness.guest("crypto-c"), "--secrets", self.secrets, "--link",
                               f"writ:crypto=keys,{link}", timeout=30)
            self.assertNotEqual(0, done.returncode)
            self.assertIn(part, done.stderr)


if __name__ == "__main__":
    sys.exit(harness.main())
