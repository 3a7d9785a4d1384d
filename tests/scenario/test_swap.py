#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The second draft of wasi:keyvalue: values that are swapped only when nobody changed them, for every driver.
The guest is tests/guests/swap-c."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
import servers  # noqa: E402

AT_ONCE = 12


class Swap(harness.Case):
    def start(self, link, *options):
        return self.serve(harness.guest("swap-c"), "--link", link, "--data", self.folder / "data", *options, workers=2)

    def ask(self, server, path, status=200):
        answer = server.get(path)
        self.assertEqual(status, answer.status, answer.body)
        return answer.body.decode()

    def check(self, link):
        server = self.start(link)
        self.assertEqual("failed, then swapped", self.ask(server, "/race"))
        self.assertEqual("mine", self.ask(server, "/"))
        self.ask(server, "/set/0")
        answers = harness.in_parallel(AT_ONCE, lambda _: server.get("/add"))
        self.assertEqual([200] * AT_ONCE, [answer.status for answer in answers], [a.body for a in answers])
        self.assertEqual(str(AT_ONCE), self.ask(server, "/"))
        self.assertEqual({str(n) for n in range(1, AT_ONCE + 1)}, {a.body.decode().split()[0] for a in answers})
        self.assertEqual("-3", self.ask(server, f"/increment/-{AT_ONCE + 3}"))
        self.assertEqual("n\n", self.ask(server, "/list/"))
        self.assertEqual("that is no cursor", self.ask(server, "/list/x", 502))

    def test_memory(self):
        self.check("wasi:keyvalue=memory")

    def test_sqlite(self):
        self.check("wasi:keyvalue=sqlite,path=kv.db")

    def test_redis(self):
        self.check(f"wasi:keyvalue=redis,host=127.0.0.1,port={servers.Redis(self).port}")

    def test_a_rule_is_about_both_drafts(self):
        server = self.start("wasi:keyvalue=memory", "--deny-call", "wasi:keyvalue/atomics.compare-and-swap")
        self.assertEqual("access-denied", self.ask(server, "/add", 502))
        self.assertEqual("1", self.ask(server, "/increment/1"))


if __name__ == "__main__":
    sys.exit(harness.main())
