#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Rules of calls: what a link makes possible, a rule takes away again, function by function. The guest is
tests/guests/links-c."""

import json
import os
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402

GUEST = "links-c"


class Calls(harness.Case):
    def start(self, *denied, links=("wasi:keyvalue=sqlite,path=kv.db",), workers=1):
        given = [("--link", link) for link in links] + [("--deny-call", call) for call in denied]
        return self.serve(harness.guest(GUEST), *(word for pair in given for word in pair),
                          "--data", self.folder / "data", workers=workers)

    def ask(self, server, path, expected=200):
        answer = server.get(path)
        self.assertEqual(expected, answer.status, answer.body)
        return answer.body.decode()

    def fill(self):
        server = self.start()
        self.ask(server, "/kv/set?bucket=b&key=k&value=kept")
        server.close()

    def check_reads_only(self, workers):
        self.fill()
        server = self.start("wasi:keyvalue/store.set", "wasi:keyvalue/atomics", workers=workers)
        self.assertEqual("kept", self.ask(server, "/kv/get?bucket=b&key=k"))
        self.assertEqual("access-denied\n", self.ask(server, "/kv/set?bucket=b&key=k&value=new", 502))
        self.assertEqual("access-denied\n", self.ask(server, "/kv/increment?bucket=b&key=n", 502))
        self.assertEqual("kept", self.ask(server, "/kv/get?bucket=b&key=k"))
        return server

    def test_a_function_that_is_denied(self):
        server = self.check_reads_only(1)
        line = json.loads(server.wait_line("call-denied"))
        self.assertEqual("links-c may not call set of wasi:keyvalue/store at sqlite: denied by the rule at "
                         "--deny-call wasi:keyvalue/store.set", line["reason"])
        self.assertEqual("warn", line["level"])

    def test_in_one_process(self):
        self.check_reads_only(0)

    def test_everything_denied(self):
        server = self.start("wasi:keyvalue/*")
        for path in ("get?bucket=b&key=k", "set?bucket=b&key=k&value=x", "list?bucket=b", "many?bucket=b"):
            self.assertEqual("access-denied\n", self.ask(server, f"/kv/{path}", 502))

    def test_a_rule_about_something_else(self):
        server = self.start("wasi:keyvalue/store.delete", "wasi:blobstore/*")
        self.ask(server, "/kv/set?bucket=b&key=k&value=x")
        self.assertEqual("access-denied\n", self.ask(server, "/kv/delete?bucket=b&key=k", 502))
        self.assertEqual("x", self.ask(server, "/kv/get?bucket=b&key=k"))

    def test_the_log_is_not_flooded(self):
        server = self.start("*.set")
        started = time.monotonic()
        for _ in range(100):
            self.ask(server, "/kv/set?bucket=b&key=k&value=x", 502)
        seconds = time.monotonic() - started
        server.close()
        lines = [line for line in server.lines if "call-denied" in line]
        self.assertGreaterEqual(len(lines), 1)
        self.assertLessEqual(len(lines), seconds + 1)

    def test_what_is_no_call(self):
        for text in ("wasi:keyvalue", "store.set", "wasi:keyvalue/store@0.2.0", ""):
            with self.subTest(text):
                done = harness.run("run", "--deny-call", text, harness.guest(GUEST))
                self.assertEqual(2, done.returncode, done.stderr)
                self.assertIn("--deny-call", done.stderr)


if __name__ == "__main__":
    unittest.main()
