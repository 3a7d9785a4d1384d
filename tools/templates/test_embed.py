#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How the files of a project come together, and what does not."""
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(os.path.join(HERE.parent, "test"))
import closing  # noqa: E402


class Embed(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.write("templates/templates.toml", '[languages.c]\ntitle = "C"\nadapter = "reactor"\n'
                   '[templates.one]\nsummary = "a \\"word\\""\ncontracts = ["kv"]\n')
        self.write("templates/lang/c/dot-gitignore", "build/\n")
        self.write("templates/lang/c/both", "from the language")
        self.write("templates/lang/c/writ.yaml.part", "tools: []\n")
        self.write("templates/one/all/writ.yaml", "name: x\n")
        self.write("templates/one/all/both", "from all")
        self.write("templates/one/c/both", "from the template in C")
        self.write("deps/wasi-io/package.wit", "package wasi:io;")
        self.write("contracts/kv.wit", "package kv;")
        self.write("adapters/wasi_snapshot_preview1.reactor.wasm", "adapter")

    def write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def embed(self, status=0):
        folders = [word for name in ("templates", "deps", "contracts", "adapters")
                   for word in (f"--{name}", self.folder / name)]
        done = subprocess.run([sys.executable, HERE / "embed.py", *folders, "--out", self.folder / "out.c", "--unpack",
                               self.folder / "out"], capture_output=True, text=True)
        self.assertEqual(status, done.returncode, done.stderr)
        return done.stderr

    def test_files_are_laid_over_each_other(self):
        self.embed()
        project = self.folder / "out" / "one" / "c"
        texts = {str(p.relative_to(project)): p.read_text() for p in project.rglob("*") if p.is_file()}
        self.assertEqual({".gitignore": "build/\n", "both": "from the template in C",
                          "writ.yaml": "name: x\ntools: []\n", "wit/deps/wasi-io/package.wit": "package wasi:io;",
                          "wit/deps/kv.wit": "package kv;",
                          "tools/wasi_snapshot_preview1.reactor.wasm": "adapter"}, texts)

    def test_c_has_every_project(self):
        self.embed()
        text = (self.folder / "out.c").read_text()
        self.assertIn('{"one", "a \\"word\\"", "c", "C", files_one_c, 6},', text)
        self.assertIn("const size_t template_project_count = 1;", text)

    def test_what_does_not_fit_is_told(self):
        self.write("templates/one/c/other.part", "x")
        self.assertIn("other.part has no file to stand behind", self.embed(status=1))
        (self.folder / "templates/one/c/other.part").unlink()
        (self.folder / "contracts/kv.wit").unlink()
        self.assertIn("kv.wit", self.embed(status=1))


if __name__ == "__main__":
    sys.exit(closing.main())
