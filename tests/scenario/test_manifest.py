#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`writ manifest`: what people are told about a manifest, and what programs read of it."""
import json
import re
import sys

import harness
from harness import Case

OK, INVALID, ENVIRONMENT = 0, 4, 5

HEAD = "apiVersion: core.oam.dev/v1beta1\nkind: Application\nmetadata: {name: shop, annotations: {}}\nspec:\n"
GOOD = HEAD + """  components:
    - name: cart
      type: component
      properties: {image: ./cart.wasm}
      traits:
        - {type: spreadscaler, properties: {replicas: 2}}
        - {type: link, properties: {target: store, namespace: wasi, package: keyvalue, interfaces: [store]}}
    - {name: store, type: capability, properties: {image: "writ:sqlite"}}
"""
REMOTE = GOOD.replace("./cart.wasm", "ghcr.io/example/cart:1.0")
BAD = HEAD + """  components:
    - {name: a, type: component, properties: {image: 5}}
    - {name: a, type: component, properties: {image: ./a.wasm}}
"""


class Manifest(Case):
    def writ(self, *arguments, status=OK, **keywords):
        done = harness.run("manifest", *arguments, cache=False, cwd=self.folder, **keywords)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done

    def file(self, text, name="app.yaml"):
        (self.folder / name).write_text(text)
        return name

    def check(self, *arguments, status=OK):
        return json.loads(self.writ("check", "-o", "json", *arguments, status=status).stdout)

    def test_a_good_one(self):
        done = self.writ("check", self.file(GOOD))
        self.assertEqual((done.stdout, done.stderr), ("app.yaml: valid, 0 errors, 0 warnings\n", ""))
        self.assertEqual(self.check("app.yaml"), {"valid": True, "manifests": [
            {"file": "app.yaml", "name": "shop", "valid": True, "errors": 0, "warnings": 0, "findings": []}]})

    def test_every_line_has_its_place(self):
        done = self.writ("check", self.file(BAD), status=INVALID)
        lines = done.stdout.splitlines()
        self.assertIn("never runs", lines[0])
        self.assertEqual(lines[1], "app.yaml:6:54: error: spec.components[0].properties.image: expected text, found a "
                                   'number without quotes; put it in quotes: "5"')
        for line in lines[:-1]:
            self.assertRegex(line, r"^app\.yaml:\d+:\d+: (error|warning): \S.*")
        self.assertIn("app.yaml:7:14: error: Duplicate component name in manifest: a", done.stdout)
        self.assertRegex(lines[-1], r"^app\.yaml: invalid, 2 errors, 2 warnings$")
        self.assertIn("1 of 1 manifests", done.stderr)

    def test_several_files(self):
        seen = self.check(self.file(GOOD), self.file(BAD, "bad.yaml"), self.file(REMOTE, "remote.yaml"), status=INVALID)
        self.assertFalse(seen["valid"])
        self.assertEqual([(m["file"], m["valid"]) for m in seen["manifests"]],
                         [("app.yaml", True), ("bad.yaml", False), ("remote.yaml", False)])
        for finding in seen["manifests"][1]["findings"]:
            self.assertEqual(sorted(finding), ["advice", "column", "level", "line", "message", "rule"])

    def test_what_only_a_lattice_can_run(self):
        seen = self.check(self.file(REMOTE), status=INVALID)["manifests"][0]["findings"]
        self.assertEqual([(f["rule"], f["line"], f["column"]) for f in seen], [("local-image", 8, 27)])
        self.assertTrue(self.check("--cluster", "app.yaml")["valid"])

    def test_normalised(self):
        shown = json.loads(self.writ("show", self.file(REMOTE)).stdout)
        self.assertEqual(shown["spec"]["components"][0]["traits"][0]["properties"], {"instances": 2})
        self.assertEqual(shown["spec"]["components"][0]["traits"][1]["properties"]["target"], {"name": "store"})
        self.assertNotIn("annotations", shown["metadata"])
        done = self.writ("show", self.file(BAD), status=INVALID)
        self.assertEqual(done.stdout, "")
        self.assertIn("app.yaml:6:54: error:", done.stderr)
        done = self.writ("show", "-o", "json", "app.yaml", status=INVALID)
        self.assertEqual(json.loads(done.stderr)["error"], "invalid")

    def test_json_is_yaml(self):
        manifest = {"apiVersion": "core.oam.dev/v1beta1", "kind": "Application",
                    "metadata": {"name": "shop", "annotations": {"version": "1"}},
                    "spec": {"components": [{"name": "c", "type": "component", "properties": {"image": "c.wasm"},
                                             "traits": [{"type": "spreadscaler", "properties": {"instances": 1}}]}]}}
        self.writ("check", self.file(json.dumps(manifest, indent="\t")))
        self.assertEqual(json.loads(self.writ("show", "app.yaml").stdout), manifest)

    def test_files_that_are_no_manifests(self):
        self.assertIn("nowhere.yaml", self.writ("check", "nowhere.yaml", status=ENVIRONMENT).stderr)
        self.writ("show", "nowhere.yaml", status=ENVIRONMENT)
        for text in ("", "a: [", "%", "\ufeff", "- 1", "&a [*a]"):
            with self.subTest(text):
                self.writ("check", self.file(text), status=INVALID)
        (self.folder / "app.yaml").write_bytes(b"\xff\xfe\x00a: 1")
        self.writ("check", "app.yaml", status=INVALID)
        with open(self.folder / "large.yaml", "wb") as f:
            f.truncate(64 << 20)
        self.writ("check", "large.yaml", status=ENVIRONMENT)

    def test_a_small_text_stays_small(self):
        lines = ["a: &a0 [x, x, x, x, x, x, x, x, x]"]
        for i in range(1, 12):
            lines.append(f"b{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]")
        done = self.writ("check", self.file("\n".join(lines)), status=INVALID)
        self.assertIn("more than 50000 values", done.stdout)

    def test_no_text_steers_a_terminal(self):
        name = "\x1b[2J\u202eevil\\nwrit: ok"
        text = BAD.replace("name: a,", json.dumps({"name": name})[1:-1] + ",")
        done = self.writ("check", self.file(text), status=INVALID)
        for bad in ("\x1b", "\u202e", "\nwrit: ok"):
            self.assertNotIn(bad, done.stdout)
        self.assertFalse(self.check("app.yaml", status=INVALID)["valid"])

    def test_the_examples_of_the_documentation(self):
        text = (harness.ROOT / "docs" / "manifest.md").read_text()
        whole, *parts = re.findall(r"(?s)```yaml\n(.*?)```", text)
        done = self.writ("check", self.file(whole))
        self.assertEqual(done.stdout, "app.yaml: valid, 0 errors, 0 warnings\n")
        for part in parts:
            done = self.writ("check", self.file(GOOD.replace("name: cart", "name: shop") + part))
            self.assertIn("valid, 0 errors, 0 warnings", done.stdout)

    def test_the_documentation_names_every_rule(self):
        text = "".join((harness.ROOT / "docs" / name).read_text() for name in ("manifest.md", "develop.md"))
        sources = [p.read_text() for folder in ("deploy", "codec") for p in (harness.ROOT / "src" / folder).glob("*.c")
                   if p.name != "project.c"]  # which reads another file
        calls = [re.findall(r'problems_(?:add|warn)\([^;"]*?"([a-z-]+)"', s) for s in sources]
        rules = {rule for found in calls for rule in found}
        self.assertGreater(len(rules), 20)
        self.assertEqual([], sorted(rule for rule in rules if f"`{rule}`" not in text))


if __name__ == "__main__":
    sys.exit(harness.main())
