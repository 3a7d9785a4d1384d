#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A small file with very many imports costs little, whatever its token allows."""
import sys
import time
import unittest

import harness
from harness import Case

ENVIRONMENT = 5
SECONDS_MAX = 20  # also of a build that checks everything; without limits it was minutes


def leb(n):
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def vector(content):
    return leb(len(content)) + content


def component(count):
    names = (f"wasi:sockets/tcp@0.2.{i}".encode() for i in range(count))
    imports = leb(count) + b"".join(b"\0" + vector(n) + b"\5\0" for n in names)
    return b"\0asm\x0d\0\1\0" + b"\7" + vector(b"\1\x42\0") + b"\x0a" + vector(imports)


class ManyImports(Case):
    def test_many(self):
        env = {"WRIT_HOME": str(self.folder / "home")}
        plain = self.folder / "many.wasm"
        plain.write_bytes(component(20000))

        def writ(*arguments, status=0):
            begin = time.monotonic()
            done = harness.run(*arguments, env=env, cache=False, cwd=self.folder, timeout=120)
            self.assertEqual(done.returncode, status, done.stderr)
            self.assertLess(time.monotonic() - begin, SECONDS_MAX)
            return done

        writ("keys", "gen", "account")
        caps = []
        for k in range(3):
            caps += ["--cap", "wasi:sockets;hosts=" + ",".join(f"h{i}.k{k}.example.org" for i in range(256))]
        writ("sign", *caps, "--out", "signed.wasm", plain)
        self.assertIn("20000 imports", writ("inspect", "signed.wasm", status=ENVIRONMENT).stderr)
        self.assertIn("not compared", writ("diff", plain, "signed.wasm").stdout)


if __name__ == "__main__":
    sys.exit(harness.main())
