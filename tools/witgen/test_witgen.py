#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the generator refuses, names and leaves alone. What its code does is tested in C, see tests/unit/witgen."""
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(HERE), str(HERE.parent / "test")]

import closing  # noqa: E402
import wit  # noqa: E402

WASM_TOOLS = ROOT / "build" / "deps" / "tools" / "bin" / "wasm-tools"
WASI = ROOT / "build" / "deps" / "wit" / "deps"


class Generating(unittest.TestCase):
    def setUp(self):
        work = tempfile.TemporaryDirectory()
        self.addCleanup(work.cleanup)
        self.wit = pathlib.Path(work.name) / "wit"
        self.out = pathlib.Path(work.name) / "out"
        self.wit.mkdir()

    def run_on(self, folder, *options):
        return subprocess.run([sys.executable, HERE / "witgen.py", "--wasm-tools", WASM_TOOLS, "--wit", folder,
                               "--out", self.out, *options], capture_output=True, text=True)

    def generate(self, interface, expected=0, package="a:b"):
        (self.wit / "a.wit").write_text(f"package {package}@1.0.0;\ninterface i {{\n{interface}\n}}\n"
                                        "world host { import i; }\n")
        done = self.run_on(self.wit)
        self.assertEqual(done.returncode, expected, done.stderr)
        return done.stderr if expected else (self.out / f"{package.replace(':', '/')}_i.h").read_text()


class Refusals(Generating):
    def test_what_it_does_not_know_is_named(self):
        for text, name in (("f: async func();", "f"), ("f: func(x: stream<u8>);", "stream"),
                           ("f: func(x: future<u8>);", "future"), ("f: func(x: error-context);", "error-context"),
                           ("f: func(x: list<u8, 4>);", "fixed")):
            with self.subTest(text):
                self.assertIn(name, self.generate(text, expected=1))

    def test_a_resource_is_not_passed_on(self):
        self.assertIn("cannot be passed on", self.generate("resource r; f: func(x: r);", 1, "wasmcloud:postgres"))

    def test_wit_that_does_not_parse(self):
        self.assertIn("cannot read the WIT", self.generate("f: func(", expected=1))

    def test_no_such_world(self):
        self.generate("f: func();")
        done = self.run_on(self.wit, "--world", "other")
        self.assertEqual(done.returncode, 1)
        self.assertIn("world other", done.stderr)


class NamesInC(Generating):
    def test_type_gives_way_to_function(self):
        header = self.generate("record r-stat { x: u8 } resource r { stat: func() -> r-stat; }")
        self.assertIn("} a_b_i_r_stat_data;", header)
        self.assertRegex(header, r"status a_b_i_r_stat\(host_call \*call, a_b_i_r \*self, a_b_i_r_stat_data \*ret")

    def test_words_of_c_and_of_ours(self):
        header = self.generate("record r { %default: u8, errno: u8, int: u8 } "
                               "f: func(call: u8, e: u8, status: u8, for: u8, x: r) -> u8;")
        for word in ("default_", "errno_", "int_"):
            self.assertIn(f"uint8_t {word};", header)
        self.assertIn("uint8_t call_, uint8_t e_, uint8_t status_, uint8_t for_", header)


class Versions(Generating):
    def write(self, name, text):
        (self.wit / "contracts").mkdir(exist_ok=True)
        (self.wit / "contracts" / f"{name}.wit").write_text(text)

    def generate_versions(self, *versions):
        for i, version in enumerate(versions):
            self.write(f"p{i}", f"package p:q@{version};\ninterface i {{ f: func(); }}\n")
        imports = " ".join(f"import p:q/i@{version};" for version in versions)
        (self.wit / "a.wit").write_text(f"package a:b@1.0.0;\nworld host {{ {imports} }}\n")
        return self.run_on(self.wit)

    def test_pre_releases_keep_their_name(self):
        self.assertEqual(0, self.generate_versions("0.2.0-draft").returncode)
        self.assertIn('.pre = SLICE_LITERAL("draft")', (self.out / "p" / "q_i.c").read_text())

    def test_older_versions_have_names_of_their_own(self):
        self.assertEqual(0, self.generate_versions("1.0.0", "2.0.1").returncode)
        self.assertIn("p_q_i_f(", (self.out / "p" / "q_i.h").read_text())
        self.assertIn("p_q_i_1_f(", (self.out / "p" / "q_i_1.h").read_text())

    def test_pre_releases_of_one_version(self):
        self.assertEqual(0, self.generate_versions("0.2.0-draft", "0.2.0-draft2").returncode)
        self.assertIn("p_q_i_f(", (self.out / "p" / "q_i.h").read_text())
        self.assertIn("p_q_i_draft2_f(", (self.out / "p" / "q_i_draft2.h").read_text())

    def test_two_versions_of_one_track(self):
        done = self.generate_versions("2.0.0", "2.0.1")
        self.assertEqual(1, done.returncode)
        self.assertIn("p:q/i: two versions of one major number", done.stderr)


class Files(Generating):
    def test_only_what_changed_is_written(self):
        self.generate("f: func();")
        files = sorted(self.out.rglob("*.*"))
        for file in files:
            os.utime(file, (1, 1))
        (self.out / "a" / "old.c").write_text("gone from the WIT")
        self.generate("f: func();")
        self.assertEqual({file.stat().st_mtime for file in files}, {1.0})
        self.assertFalse((self.out / "a" / "old.c").exists())
        self.generate("g: func();")
        changed = sorted(file.name for file in files if file.stat().st_mtime > 1)
        self.assertEqual(changed, ["b_i.c", "b_i.h"])

    def test_two_runs_are_equal(self):
        text = "variant v { a(u8), b(string) } f: func(x: v) -> list<tuple<v, u8>>;"
        self.generate(text)
        first = {f: f.read_text() for f in self.out.rglob("*.*")}
        self.generate(text)
        self.assertEqual(first, {f: f.read_text() for f in self.out.rglob("*.*")})

    @unittest.skipUnless(WASI.is_dir(), "the WASI packages are not here")
    def test_unstable_functions_are_left_out(self):
        done = self.run_on(ROOT / "wit", "--deps", WASI)
        self.assertEqual(done.returncode, 0, done.stderr)
        everything = "\n".join(f.read_text() for f in (self.out / "wasi").glob("*.c"))
        self.assertNotRegex(everything, "send-informational|timezone|network-error-code")
        documented = (HERE / "witgen.py").read_text()
        for feature in ("clocks-timezone", "informational-outbound-responses", "network-error-code"):
            self.assertIn(feature, documented)
            self.assertIn(f"feature = {feature}", "\n".join(f.read_text() for f in WASI.rglob("*.wit")))
        gates = set(re.findall(r"@unstable\(feature = ([\w-]+)\)",
                               "\n".join(f.read_text() for f in WASI.rglob("*.wit"))))
        self.assertLessEqual({g for g in gates if g not in documented}, set(), "document what is left out")


class Forwarded(Generating):
    def test_types_and_one_body_for_all(self):
        header = self.generate("variant v { a, b(string) } f: func(x: v); g: func() -> string;",
                               package="wasmcloud:postgres")
        source = (self.out / "wasmcloud" / "postgres_i.c").read_text()
        self.assertEqual(1, header.count("status wasi_link_forward("))
        self.assertNotIn("wasmcloud_postgres_i_f(", header)
        self.assertEqual(2, source.count(", wasi_link_forward},"))
        self.assertNotRegex(source, r"\b(body|lift|store)_")


class Layout(unittest.TestCase):
    def test_join(self):
        for a, b, both in (("i32", "i32", "i32"), ("i32", "f32", "i32"), ("f32", "i32", "i32"), ("f32", "f64", "i64"),
                           ("i32", "i64", "i64"), ("f64", "i64", "i64"), ("i32", "f64", "i64"), ("f64", "f64", "f64")):
            self.assertEqual(wit.join(a, b), both, (a, b))

    def test_discriminants_grow(self):
        for count, size in ((1, 1), (256, 1), (257, 2), (65536, 2), (65537, 4)):
            t = wit.Type("enum")
            t.fields = [wit.Field(f"c{i}", None) for i in range(count)]
            self.assertEqual(t.lay_out().discriminant, size)

    def test_flags(self):
        for count, size in ((1, 1), (8, 1), (9, 2), (16, 2), (17, 4), (32, 4)):
            t = wit.Type("flags")
            t.fields = [wit.Field(f"f{i}", None) for i in range(count)]
            self.assertEqual((t.lay_out().size, t.align), (size, size))
        t.fields.append(wit.Field("f32", None))
        self.assertRaises(wit.Unsupported, t.lay_out)


if __name__ == "__main__":
    sys.exit(closing.main())
