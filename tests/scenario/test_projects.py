#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# timeout: 3000
"""`writ new` and `writ build`: each template in each language is made, built with the real tool chain, signed and
served; what is wrong is told with what to do about it."""
import json
import pathlib
import sys

import harness
from projects import LANGUAGES, ProjectCase


class Hello:
    def test_hello(self):
        server = self.up(self.made("hello", self.language))
        self.assertEqual(f"Hello from {LANGUAGES[self.language]}.\n", server.get("/").text)

    def test_counter(self):
        server = self.up(self.made("counter", self.language))
        for number in (1, 2):
            self.assertEqual(f"Hello, visitor number {number}.\n", server.get("/").text)

    def test_linked(self):
        server = self.up(self.made("linked", self.language))
        self.assertEqual(f"Hello, Ada. This is the greeter, in {LANGUAGES[self.language]}.\n", server.get("/Ada").text)
        self.assertIn("Hello, world.", server.get("/").text)

    def test_worker(self):
        server = self.up(self.made("worker", self.language))
        self.assertEqual(f"Hello, Ada. This is the worker, in {LANGUAGES[self.language]}.\n", server.get("/Ada").text)


class InC(Hello, ProjectCase):
    language = "c"


class InJavaScript(Hello, ProjectCase):
    language = "js"


class InPython(Hello, ProjectCase):
    language = "python"


class InGo(Hello, ProjectCase):
    language = "go"


class New(ProjectCase):
    def test_the_list_has_each_template_in_each_language(self):
        rows = json.loads(harness.run("new", "--list", "-o", "json").stdout)
        pairs = {(row["template"], row["lang"]) for row in rows}
        self.assertEqual({(template, lang) for template, _ in pairs for lang in LANGUAGES}, pairs)
        text = harness.run("new", "--list").stdout
        for word in ("hello", "counter", "linked", "worker", "JavaScript"):
            self.assertIn(word, text)

    def test_every_project_checks(self):
        for row in json.loads(harness.run("new", "--list", "-o", "json").stdout):
            name = f"p-{row['template']}-{row['lang']}"
            with self.subTest(name):
                project = self.new(row["template"], name, row["lang"])
                done = harness.run("manifest", "check", project / "app.yaml")
                self.assertIn("valid, 0 errors, 0 warnings", done.stdout)
                texts = [path.read_bytes() for path in project.rglob("*") if path.is_file()]
                self.assertFalse([text for text in texts if b"@NAME@" in text])
                for wanted in ("README.md", "writ.yaml", "wit/world.wit", ".gitignore", "build.sh"):
                    self.assertTrue((project / wanted).is_file(), wanted)

    def test_nothing_is_overwritten(self):
        self.new("hello", "mine", "c")
        (self.folder / "mine" / "app.yaml").write_text("changed")
        (self.folder / "file").write_text("kept")
        for name in ("mine", "file"):
            done = harness.run("new", name, "--lang", "c", cwd=self.folder)
            self.assertEqual(5, done.returncode)
            self.assertIn("is there already", done.stderr)
        self.assertEqual("changed", (self.folder / "mine" / "app.yaml").read_text())

    def test_a_link_is_not_followed(self):
        (self.folder / "elsewhere").mkdir()
        (self.folder / "mine").symlink_to(self.folder / "elsewhere")
        self.assertEqual(5, harness.run("new", "mine", "--lang", "c", cwd=self.folder).returncode)
        self.assertEqual([], list((self.folder / "elsewhere").iterdir()))

    def test_what_is_wrong_with_the_command_line(self):
        for words, part in ((("new",), "needs a name"), (("new", "x"), "in which language"),
                            (("new", "Shop", "--lang", "c"), "is no name"),
                            (("new", "../x", "--lang", "c"), "is no name"),
                            (("new", "nope", "x", "--lang", "c"), "writ new --list"),
                            (("new", "x", "--lang", "cobol"), "no template in \"cobol\"")):
            with self.subTest(words):
                done = harness.run(*words, cwd=self.folder)
                self.assertEqual(2, done.returncode)
                self.assertIn(part, done.stderr)
        self.assertEqual([], list(self.folder.iterdir()))


class Build(ProjectCase):
    """A project whose commands need no tool chain."""

    def project(self, build, tools_text="", output="out.wasm"):
        folder = self.folder / "project"
        folder.mkdir(exist_ok=True)
        (folder / "in.wasm").write_bytes(pathlib.Path(harness.unsigned_guest("hello-c")).read_bytes())
        (folder / "writ.yaml").write_text(
            f"name: project\ncomponents:\n  - {{name: app, build: \"{build}\", output: {output}}}\n{tools_text}")
        return folder

    def test_the_result_is_signed_and_reported(self):
        folder = self.project("cp in.wasm out.wasm")
        shown = json.loads(self.build(folder, {}, "-o", "json").stdout)
        (row,) = shown["components"]
        self.assertEqual(("app", "out.wasm", harness.account()), (row["component"], row["output"], row["issuer"]))
        writ = json.loads(harness.run("inspect", "-o", "json", folder / "out.wasm").stdout)["writ"]["token"]
        self.assertEqual("project/app", writ["name"])
        self.assertEqual(row["bytes"], (folder / "out.wasm").stat().st_size)
        # Again, without a new file from the tool: still ours, the same subject.
        self.build(self.project("true"), {})
        again = json.loads(harness.run("inspect", "-o", "json", folder / "out.wasm").stdout)["writ"]["token"]
        self.assertEqual(writ["subject"], again["subject"])

    def test_output_passes_through_and_results_stay_apart(self):
        done = self.build(self.project("echo to stdout; echo to stderr >&2; cp in.wasm out.wasm"), {})
        self.assertIn("to stdout\nto stderr\n", done.stderr)
        self.assertNotIn("to stdout", done.stdout)
        self.assertRegex(done.stdout, r"^out.wasm: \d+ bytes, \d+\.\d s, signed by A")

    def test_a_command_that_fails(self):
        folder = self.project("echo this is wrong; exit 7")
        done = self.build(folder, {}, status=1)
        self.assertIn("this is wrong", done.stderr)
        self.assertIn("ended with exit status 7", done.stderr)
        self.assertIn("left no out.wasm", self.build(self.project("true"), {}, status=5).stderr)
        done = self.build(self.project("echo x > out.wasm"), {}, status=4)
        self.assertIn("this is text, not a WebAssembly component", done.stderr)

    def test_all_missing_programs_are_told_at_once(self):
        tools_text = ("tools:\n  - {run: no-such-compiler, get: \"buy one\"}\n  - {run: sh, get: x}\n"
                      "  - {run: bin/missing, get: \"npm install\"}\n")
        done = self.build(self.project("touch ran", tools_text), {}, status=5)
        self.assertIn("2 programs of the build are not here:\n  no-such-compiler: buy one\n  bin/missing: npm install",
                      done.stderr)
        self.assertFalse((self.folder / "project" / "ran").exists())

    def test_without_a_key(self):
        home = self.folder / "home"
        folder = self.project("cp in.wasm out.wasm")
        done = harness.run("build", folder, env={"WRIT_HOME": str(home)})
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertIn("not signed", done.stdout)
        self.assertIn("writ keys gen account && writ trust add account", done.stderr)
        self.assertIn("writ up --unsigned app.yaml", done.stderr)
        self.assertEqual((folder / "in.wasm").read_bytes(), (folder / "out.wasm").read_bytes())

    def test_a_wrong_project_file(self):
        folder = self.project("true")
        (folder / "writ.yaml").write_text("name: project\nbuild: x\ncomponents:\n  - {name: a, build: b, output: /x}\n")
        done = self.build(folder, {}, status=4)
        self.assertIn("writ.yaml:2:1: error: the project: unknown field `build`", done.stderr)
        self.assertIn("writ.yaml:4:33: error: \"/x\" is no path inside the project", done.stderr)
        (folder / "writ.yaml").unlink()
        self.assertIn("writ new makes one", self.build(folder, {}, status=5).stderr)

    def test_one_component_alone(self):
        folder = self.project("cp in.wasm out.wasm")
        with open(folder / "writ.yaml", "a") as file:
            file.write("  - {name: other, build: touch other, output: in.wasm}\n")
        self.build(folder, {}, "--only", "app")
        self.assertFalse((folder / "other").exists())
        self.assertIn("has no component nope", self.build(folder, {}, "--only", "nope", status=4).stderr)


if __name__ == "__main__":
    sys.exit(harness.main())
