#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`make install`: what it installs runs outside the tree, is hardened, and comes with manuals that tell the truth."""
import os
import re
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.append(os.path.join(ROOT, "tools", "test"))
import closing  # noqa: E402
import harness  # noqa: E402

PAGES = {**{command: (command,) for command in harness.COMMANDS if command != "version"},
         **{group: tuple(f"{group} {name}" for name in names) for group, names in harness.GROUPS.items()}}


def output_of(*command, **options):
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=300, **options)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(command)} ended with status {done.returncode}:\n{done.stdout}")
    return done.stdout


class InstallTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        # Staged below DESTDIR, then moved: nothing may depend on where it was installed.
        output_of(os.path.join(ROOT, "tools/dev/install.sh"), "/opt/writ", cls.folder.name + "/stage")
        cls.prefix = os.path.join(cls.folder.name, "moved")
        os.rename(cls.folder.name + "/stage/opt/writ", cls.prefix)
        cls.writ = os.path.join(cls.prefix, "bin", "writ")

    def test_runs_outside_the_tree(self):
        text = output_of(self.writ, "--version", cwd="/", env={"PATH": "/usr/bin:/bin"})
        self.assertRegex(text, r"\d+\.\d+\.\d+")

    def test_uses_its_own_engine_library(self):
        libraries = output_of("ldd", self.writ, env={"PATH": "/usr/bin:/bin"})
        path = re.search(r"libwasmtime\.so => (\S+)", libraries)[1]
        self.assertEqual(os.path.realpath(path), os.path.realpath(f"{self.prefix}/lib/writ/libwasmtime.so"))
        self.assertNotIn("not found", libraries)

    def test_names_no_folder_of_the_build(self):
        dynamic = output_of("readelf", "-d", self.writ)
        paths = re.findall(r"R(?:UN)?PATH\)\s+Library r(?:un)?path: \[(.*)\]", dynamic)
        self.assertEqual(paths, ["$ORIGIN/../lib/writ"])
        with open(self.writ, "rb") as f:
            self.assertNotIn(ROOT.encode() + b"/src", f.read())

    def test_is_hardened(self):
        header = output_of("readelf", "-hW", self.writ)
        self.assertRegex(header, r"Type:\s+DYN \(Position-Independent Executable")
        dynamic = output_of("readelf", "-dW", self.writ)
        self.assertRegex(dynamic, r"FLAGS_1.*NOW")
        segments = output_of("readelf", "-lW", self.writ)
        self.assertIn("GNU_RELRO", segments)
        self.assertRegex(segments, r"GNU_STACK.*RW ")
        symbols = output_of("readelf", "--dyn-syms", "-W", self.writ)
        self.assertIn("__stack_chk_fail", symbols)
        self.assertRegex(symbols, r"__\w+_chk\b")

    def test_brings_manuals(self):
        for page in ("writ", *(f"writ-{page}" for page in PAGES)):
            path = os.path.join(self.prefix, "share/man/man1", page + ".1")
            with open(path, encoding="utf-8") as f:
                self.assertIn(f".TH {page.upper()} 1", f.read())

    def test_manuals_name_the_options_of_the_program(self):
        for name, commands in PAGES.items():
            with self.subTest(name):
                page = self.page(f"writ-{name}")
                offered = self.offered(*commands)
                # "Options about one component are those of writ-run".
                elsewhere = self.offered("run") if ".BR writ-run (1);" in page else set()
                if "are the options of\n.BR writ-up (1)" in page:
                    elsewhere |= self.offered("up")
                if re.search(r"options (that|of)\n\.BR writ-get \(1\)", page):
                    elsewhere |= self.offered("get")
                # Each stands on the line after a .TP, with quotes where a font ends.
                tags = [line.split("\n")[0].replace('"', "") for line in page.split("\n.TP\n")[1:]]
                described = {(letter, option) for tag in tags
                             for letter, option in re.findall(r"(?:(-\w) ?, +)?(?<!-)(--[a-z-]+)", tag)}
                self.assertTrue(offered)
                self.assertEqual(offered, described | (elsewhere & offered))

    def offered(self, *commands):
        options = "".join(output_of(self.writ, *command.split(), "--help").split("Options:")[1]
                          .split("Examples:")[0] for command in commands)
        return set(re.findall(r"^\s+(?:(-\w), )?(--[a-z-]+)", options, re.MULTILINE))

    def test_manuals_name_each_other(self):
        page = self.page("writ")
        for name in PAGES:
            self.assertIn(f"writ-{name} (1)", page)
        for name, commands in PAGES.items():
            text = self.page(f"writ-{name}")
            self.assertIn(".BR writ (1)", text)
            for other in re.findall(r"writ-([a-z]+) \(1\)", text):
                self.assertIn(other, PAGES, name)
            for command in commands:
                self.assertIn(f".B writ {command}\n", text)

    @staticmethod
    def page(name):
        with open(os.path.join(ROOT, "docs/man", f"{name}.1"), encoding="utf-8") as f:
            return f.read().replace("\\-", "-")


if __name__ == "__main__":
    sys.exit(closing.main())
