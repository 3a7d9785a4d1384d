#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`writ up` with components that call each other: tests/guests/calls-c, one in front and one behind it."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402

MANIFEST = """\
apiVersion: core.oam.dev/v1beta1
kind: Application
metadata:
  name: calls
  annotations: {{version: v1}}
spec:
  components:
    - name: front
      type: component
      properties: {{image: "{image}"}}
      traits:
        - {{type: spreadscaler, properties: {{instances: 20}}}}
        - {{type: link, properties: {{target: back, namespace: test, package: calls, interfaces: [work]}}}}
    - name: back
      type: component
      properties: {{image: "{image}"}}
      traits:
        - {{type: spreadscaler, properties: {{instances: 40}}}}
        - {{type: link, properties: {{target: back, namespace: test, package: calls, interfaces: [work]}}}}
  policies:
    - name: bounds
      type: workload.writ/v1
      properties: {{components: front, routes: /, timeout: 20s}}
    - name: bounds-of-back
      type: workload.writ/v1
      properties: {{components: back, cpu-time: 300ms, max-memory: 16M}}
{more}"""


class Components(harness.Case):
    def up(self, more=""):
        path = self.folder / "app.yaml"
        path.write_text(MANIFEST.format(image=harness.guest("calls-c"), more=more))
        return self.serve(path, "--data", self.folder / "data", command="up", workers=2)

    def ask(self, server, path, status=200):
        answer = server.get(path)
        self.assertEqual(status, answer.status, answer.body)
        return answer.body.decode()

    def test_a_call_and_its_answer(self):
        server = self.up()
        self.assertEqual("wait: 30\n", self.ask(server, "/wait/30"))
        self.assertEqual("deep: 4\n", self.ask(server, "/deep/4"))

    def test_the_end_of_a_callee_is_a_failure_of_its_caller_and_no_more(self):
        server = self.up()
        for path, words in (("/spin", "CPU time"), ("/fill", ""), ("/deep/1000", "")):
            with self.subTest(path):
                said = self.ask(server, path)
                self.assertRegex(said, r"^\w+: error")
                self.assertIn(words, said)
                self.assertEqual("wait: 1\n", self.ask(server, "/wait/1"))
        self.assertEqual("leave: error\n", self.ask(server, "/leave"))
        self.assertNotIn("worker-died", server.log())

    def test_a_rule_forbids_a_call(self):
        server = self.up("""\
    - name: quiet
      type: calls.writ/v1
      properties: {deny: "front -> back test:calls/work.spin", reason: "nobody spins here"}
""")
        self.assertRegex(self.ask(server, "/spin"), "^spin: error.*nobody spins here")
        self.assertEqual("wait: 1\n", self.ask(server, "/wait/1"))


if __name__ == "__main__":
    sys.exit(harness.main())
