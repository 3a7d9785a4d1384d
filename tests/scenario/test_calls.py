#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Rules of calls: what a link makes possible, a rule takes away again, function by function. The guest is
tests/guests/links-c."""

import json
import os
import shutil
import sys
import time

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


MANIFEST = """\
apiVersion: core.oam.dev/v1beta1
kind: Application
metadata: {name: bank, annotations: {}}
spec:
  components:
    - name: writer
      type: component
      properties: {image: ./app.wasm}
      traits:
        - {type: spreadscaler, properties: {instances: 10}}
        - &link {type: link, properties: {target: store, namespace: wasi, package: keyvalue,
                                          interfaces: [store, atomics, batch]}}
    - name: reader
      type: component
      properties: {image: ./app.wasm}
      traits:
        - {type: spreadscaler, properties: {instances: 10}}
        - *link
    - name: store
      type: capability
      properties: {image: "writ:sqlite"}
  policies:
    - {name: w, type: workload.writ/v1, properties: {components: writer, routes: writer.example}}
    - {name: r, type: workload.writ/v1, properties: {components: reader, routes: reader.example}}
    - name: calls
      type: calls.writ/v1
      properties:
        reason: one writes
"""


class InManifests(harness.Case):
    def up(self, rules):
        shutil.copyfile(harness.guest(GUEST), self.folder / "app.wasm")
        (self.folder / "app.yaml").write_text(MANIFEST + rules)
        return self.serve(self.folder / "app.yaml", "--data", self.folder / "data", command="up", workers=1)

    def ask(self, server, name, path, expected=200):
        answer = server.get(path, headers=[("host", f"{name}.example")])
        self.assertEqual(expected, answer.status, answer.body)
        return answer.body.decode()

    def check(self, server):
        self.ask(server, "writer", "/kv/set?bucket=b&key=k&value=kept")
        self.assertEqual("access-denied\n", self.ask(server, "reader", "/kv/set?bucket=b&key=k&value=new", 502))
        self.assertEqual("access-denied\n", self.ask(server, "reader", "/kv/delete?bucket=b&key=k", 502))
        self.assertEqual("kept", self.ask(server, "reader", "/kv/get?bucket=b&key=k"))
        self.assertEqual("7\n", self.ask(server, "writer", "/kv/increment?bucket=b&key=n&delta=7"))
        return json.loads(server.wait_line("call-denied"))["reason"]

    def test_deny(self):
        reason = self.check(self.up("        deny: |\n          reader -> store wasi:keyvalue/store.set\n"
                                    "          reader -> store *.delete\n"))
        self.assertRegex(reason, "^bank-reader may not call set of wasi:keyvalue/store at bank-store: "
                                 r"denied by the rule at \S*app.yaml:\d+, one writes$")

    def test_only(self):
        server = self.up("        only: reader -> store wasi:keyvalue/store.get\n")
        self.assertIn("one writes", self.check(server))
        self.assertEqual("access-denied\n", self.ask(server, "reader", "/kv/increment?bucket=b&key=n", 502))


if __name__ == "__main__":
    sys.exit(harness.main())
