#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`writ explain`: what it says is what happens when the same thing runs."""

import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402

MANIFEST = """\
apiVersion: core.oam.dev/v1beta1
kind: Application
metadata: {{name: shop, annotations: {{version: v1}}}}
spec:
  components:
    - name: front
      type: component
      properties: {{image: "{calls}"}}
      traits:
        - {{type: spreadscaler, properties: {{instances: 5}}}}
        - {{type: link, properties: {{target: back, namespace: test, package: calls, interfaces: [work]}}}}
    - name: back
      type: component
      properties: {{image: "{calls}"}}
      traits:
        - {{type: spreadscaler, properties: {{instances: 5}}}}{more}
    - name: store
      type: component
      properties: {{image: "{links}", config: [{{name: c, properties: {{greeting: hello}}}}]}}
      traits:
        - {{type: spreadscaler, properties: {{instances: 5}}}}
        - type: link
          properties: {{target: kv, namespace: wasi, package: keyvalue, interfaces: [store, atomics, batch]}}
    - name: kv
      type: capability
      properties: {{image: "writ:memory"}}
  policies:
    - name: front
      type: workload.writ/v1
      properties: {{components: front, routes: /}}
    - name: store
      type: workload.writ/v1
      properties: {{components: store, routes: /store, allow-http: api.example.org}}
    - name: calls
      type: calls.writ/v1
      properties:
        deny: "front -> back test:calls/work.spin"
        only: "store -> kv wasi:keyvalue/store.get"
        reason: nobody spins here
"""


OF_BACK = """
        - {type: link, properties: {target: back, namespace: test, package: calls, interfaces: [work]}}"""


class Explain(harness.Case):
    def manifest(self, more=""):
        path = self.folder / "app.yaml"
        path.write_text(MANIFEST.format(calls=harness.guest("calls-c"), links=harness.guest("links-c"), more=more))
        return path

    def explain(self, what, *arguments, code=0):
        done = harness.run("explain", what, "-o", "json", *arguments)
        self.assertEqual(code, done.returncode, done.stderr + done.stdout)
        return json.loads(done.stdout)

    def asked(self, caller, call, *more, code):
        return self.explain("why-denied", "-f", self.manifest(), caller, call, *more, code=code)

    def test_a_rule(self):
        said = self.asked("front", "test:calls/work.spin", code=3)
        self.assertEqual(("rule", "shop-front", "shop-back"), (said["denied_by"], said["caller"], said["target"]))
        self.assertIn("nobody spins here", said["steps"]["rule"]["why"])
        self.assertRegex(said["change"][0], r"take the line at .*app.yaml:\d+ out of `deny`")
        self.assertTrue(self.asked("front", "test:calls/work.wait", code=0)["allowed"])
        # without a function: the first that is denied
        self.assertIn("spin", self.asked("front", "test:calls/work", code=3)["steps"]["rule"]["why"])

    def test_it_says_what_the_run_does(self):
        server = self.serve(self.manifest(OF_BACK), "--data", self.folder / "data", command="up", workers=1)
        said = self.explain("why-denied", "-f", self.folder / "app.yaml", "front", "test:calls/work.spin", code=3)
        body = server.get("/spin").body.decode()
        place = said["steps"]["rule"]["why"].split("denied by the rule at ")[1]
        self.assertIn(place, body)
        server.wait_line("explain why-denied")

    def test_only(self):
        said = self.asked("store", "wasi:keyvalue/store.set", code=3)
        self.assertRegex(said["change"][0], "add a line to `only` .*: shop-store -> shop-kv wasi:keyvalue/store.set")
        self.assertTrue(self.asked("store", "wasi:keyvalue/store.get", code=0)["allowed"])

    def test_a_link_that_is_not_there(self):
        said = self.asked("store", "wasi:keyvalue/store.get", "--via", "cache", code=3)
        self.assertEqual("link", said["denied_by"])
        self.assertIn("no link named cache", said["steps"]["link"]["why"])
        self.assertIn("name: cache", said["change"][0])
        said = self.asked("back", "test:calls/work.wait", code=3)
        self.assertIn("type: link", said["change"][0])
        self.assertEqual("import", self.asked("back", "wasi:keyvalue/store.get", code=3)["denied_by"])

    def test_a_host(self):
        signed = harness.guest("http-c")
        given = (signed, "wasi:http/outgoing-handler", "--allow-http", "api.example.org")
        self.assertTrue(self.explain("why-denied", *given, "--target", "api.example.org")["allowed"])
        said = self.explain("why-denied", *given, "--target", "api.example.org:22", code=3)
        self.assertEqual(("name", ["add --allow-http api.example.org:22"]), (said["denied_by"], said["change"]))

    def test_why_refused(self):
        path = harness.unsigned_guest("links-c")
        said = self.explain("why-refused", path, code=3)
        self.assertIn("not signed", said["claim"])
        self.assertIn("wasi:keyvalue/store", said["import"])
        self.assertTrue(any("--link wasi:keyvalue/store=DRIVER" in line for line in said["change"]))
        said = self.explain("why-refused", path, "--unsigned", "--link", "wasi:keyvalue=memory")
        self.assertTrue(said["starts"])
        self.assertIn("file", self.explain("why-refused", self.folder / "nothing.wasm", code=3))
        text = harness.run("explain", "why-refused", path).stdout
        self.assertIn(f"writ sign {path}", text)

    def test_a_component_that_does_not_have_what_it_is_linked_for(self):
        path = self.manifest(OF_BACK.replace("target: back", "target: store"))
        said = self.explain("why-refused", "-f", path, "back", code=3)
        self.assertIn("shop-store does not export test:calls/work", said["link"])
        said = self.explain("why-denied", "-f", path, "back", "test:calls/work.spin", code=3)
        self.assertEqual("link", said["denied_by"])
        started = harness.run("up", path)
        self.assertNotEqual(0, started.returncode)
        self.assertIn("shop-store does not export test:calls/work", started.stderr)
        self.assertNotIn("link", self.explain("why-refused", "-f", self.manifest(OF_BACK), "back"))

    def test_what_may(self):
        said = self.explain("what-may", "-f", self.manifest(), "store")
        self.assertTrue(said["starts"])
        functions = {f"{row['interface']}.{f['name']}": f["allowed"] for row in said["calls"] for f in row["functions"]}
        self.assertTrue(functions["wasi:keyvalue/store.get"])
        self.assertFalse(functions["wasi:keyvalue/store.set"])
        reached = {(row["kind"], row["name"]) for row in said["reaches"]}
        self.assertEqual({("http", "api.example.org"), ("value", "greeting")}, reached)
        back = self.explain("what-may", "-f", self.manifest(), "back")
        self.assertEqual([("caller", "shop-front")], [(r["kind"], r["name"]) for r in back["reached_by"]])
        self.assertFalse(back["starts"])  # its own import is linked to nothing
        text = harness.run("explain", "what-may", "-f", self.manifest(), "front").stdout
        self.assertRegex(text, r"may not spin: .*app.yaml:\d+")

    def test_functions_that_are_called_by_another_name(self):
        given = [harness.guest("blobs-c"), "--unsigned", "--link", "wasi:blobstore=directory",
                 "--deny-call", "wasi:blobstore/blobstore.get-container-data",
                 "--deny-call", "wasi:blobstore/blobstore.delete-object"]
        for call in ("container.get-data", "container.delete-object", "container", "blobstore",
                     "blobstore.get-container-data", "blobstore.delete-object"):
            said = self.explain("why-denied", given[0], "wasi:blobstore/" + call, *given[1:], code=3)
            self.assertEqual("rule", said["denied_by"], call)
        for call in ("container.name", "container.has-object", "blobstore.create-container"):
            self.assertTrue(self.explain("why-denied", given[0], "wasi:blobstore/" + call, *given[1:])["allowed"])
        calls = self.explain("what-may", *given)["calls"]
        may = {f["name"]: f["allowed"] for row in calls for f in row["functions"]}
        self.assertEqual({"get-container-data", "delete-object"}, {name for name in may if not may[name]})
        self.assertEqual(14, len(may))

    def test_names_and_usage(self):
        self.assertEqual(4, harness.run("explain", "why-refused", "-f", self.manifest(), "nobody").returncode)
        for wrong in (("wasi:keyvalue/*",), ("nonsense",), ("wasi:keyvalue/store@0.2.0",)):
            self.assertNotEqual(0, harness.run("explain", "why-denied", "-f", self.manifest(), "store",
                                               *wrong).returncode)


if __name__ == "__main__":
    sys.exit(harness.main())
