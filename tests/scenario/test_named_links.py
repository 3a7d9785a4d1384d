#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The same interface several times: imports with names of their own, and links that are chosen by name, to drivers and
to other components. The guest is tests/guests/named-c."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402

PERSON = """\
    - name: {name}
      type: component
      properties: {{image: "{image}", config: [{{name: {name}-name, properties: {{name: {name}}}}}]}}
      traits:
        - {{type: spreadscaler, properties: {{instances: 40}}}}
{links}"""

LINK = """\
        - type: link
          properties: {{name: {link}, target: {target}, namespace: {package[0]}, package: {package[1]},
                       interfaces: [{package[2]}]}}
"""
KEYVALUE, PEOPLE, THINGS = ("wasi", "keyvalue", "store"), ("test", "named", "person"), ("test", "named", "things")


def person(name, image, first, left, right):
    links = (("cache", "fast", KEYVALUE), ("backup", "slow", KEYVALUE),
             ("default", first, PEOPLE), ("left", left, PEOPLE),
             ("right", right, PEOPLE), ("other", right, PEOPLE), ("things-left", left, THINGS),
             ("things-right", right, THINGS))
    return PERSON.format(name=name, image=image, links="".join(
        LINK.format(link=link, target=target, package=package) for link, target, package in links))


MANIFEST = """\
apiVersion: core.oam.dev/v1beta1
kind: Application
metadata: {{name: named, annotations: {{version: v1}}}}
spec:
  components:
{people}
    - name: fast
      type: capability
      properties: {{image: "writ:memory"}}
    - name: slow
      type: capability
      properties: {{image: "writ:sqlite"}}
  policies:
    - name: routes
      type: workload.writ/v1
      properties: {{components: front, routes: /}}
{more}"""


class Named(harness.Case):
    def manifest(self, more="", edit=lambda text: text):
        image = harness.guest("named-c")
        people = "".join(person(name, image, *links) for name, *links in (
            ("front", "anna", "anna", "bert"), ("anna", "anna", "bert", "anna"), ("bert", "bert", "anna", "bert")))
        path = self.folder / "app.yaml"
        path.write_text(edit(MANIFEST.format(people=people, more=more)))
        return path

    def up(self, *arguments, **keywords):
        path = self.manifest(*arguments, **keywords)
        return self.serve(path, "--data", self.folder / "data", command="up", workers=1)

    def ask(self, server, path, status=200):
        answer = server.get(path)
        self.assertEqual(status, answer.status, answer.body)
        return answer.body.decode()

    def test_imports_with_names(self):
        server = self.up()
        self.ask(server, "/cache/warm")
        self.ask(server, "/backup/kept")
        self.assertEqual("warm", self.ask(server, "/cache/"))
        self.assertEqual("kept", self.ask(server, "/backup/"))
        self.assertEqual(["anna", "bert", "anna"], [self.ask(server, path) for path in ("/left", "/right", "/default")])
        self.assertEqual("one of anna, one of bert", self.ask(server, "/things"))

    def test_a_link_that_is_chosen(self):
        server = self.up()
        self.assertEqual("bert", self.ask(server, "/choose/other"))
        self.assertEqual("anna", self.ask(server, "/choose/default"))
        self.assertEqual("anna", self.ask(server, "/default"))  # it was the choice of one request
        said = self.ask(server, "/choose/nobody", 502)
        self.assertIn('set-link-name: workload named-front has no link named "nobody" for test:named/person', said)
        self.assertIn('has no link named "nobody"', said.split("; ")[1])

    def test_failures_and_circles_through_names(self):
        server = self.up()
        self.assertRegex(self.ask(server, "/fail", 502), "^named-anna: .*unreachable.*; then anna$")
        self.assertEqual("15", self.ask(server, "/deep"))  # anna and bert call each other; the limit is 16

    def test_rules_know_the_names(self):
        server = self.up("""\
    - name: rules
      type: calls.writ/v1
      properties: {deny: "front -> bert test:named/person.name via right", reason: "not to the right"}
""")
        self.assertIn("not to the right", self.ask(server, "/right", 502))
        self.assertEqual("bert", self.ask(server, "/choose/other"))

    def refused(self, edit):
        done = harness.run("up", "--dry-run", "-o", "json", self.manifest(edit=edit))
        self.assertEqual(3, done.returncode, done.stderr)
        return done.stderr

    def test_a_name_that_no_link_has(self):
        said = self.refused(lambda text: text.replace("{name: cache, target: fast", "{name: cold, target: fast"))
        self.assertIn("no link has its name", said)
        self.assertIn("a trait of type link for wasi:keyvalue/store with name cache", said)
        self.assertIn("cache", said)

    def test_explain_and_inspect_show_them(self):
        done = harness.run("explain", "what-may", "-f", self.manifest(), "front")
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertRegex(done.stdout, r"cache: wasi:keyvalue/store@0.2.0-draft +granted +linked to fast")
        self.assertRegex(done.stdout, r"test:named/person via right to named-bert\n    may     name")
        done = harness.run("explain", "why-denied", "-f", self.manifest(), "front", "test:named/things", "--via",
                           "things-left")
        self.assertEqual(0, done.returncode, done.stdout)
        self.assertIn("interface cache implements wasi:keyvalue/store@0.2.0-draft",
                      harness.run("inspect", harness.guest("named-c")).stdout)

    def test_a_writ_names_the_interface(self):
        signed = harness.sign(harness.unsigned_guest("named-c"), self.folder / "named.wasm", "--from-imports")
        text = harness.run("inspect", self.folder / "named.wasm").stdout
        self.assertNotIn("NOT allowed", text, signed)


if __name__ == "__main__":
    sys.exit(harness.main())
