#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What set-up does when something is missing or is not what was pinned. Nothing is fetched or installed here."""
import os
import re
import sys
import tempfile
import tomllib
import unittest
import unittest.mock

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "test"))

import closing  # noqa: E402
import setup  # noqa: E402

NO_NETWORK = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "", "PIP_INDEX_URL": "http://127.0.0.1:9/",
              "CARGO_NET_OFFLINE": "true", "PIP_CONFIG_FILE": os.devnull}


def versions():
    with open(os.path.join(setup.HERE, "versions.toml"), "rb") as f:
        return tomllib.load(f)


class PackageTest(unittest.TestCase):
    def test_one_command_for_those_who_are_not_root(self):
        with unittest.mock.patch.object(setup, "missing_packages", return_value=["libuv1-dev", "cmake"]), \
                unittest.mock.patch.object(os, "geteuid", return_value=1000), \
                self.assertRaises(setup.SetupError) as caught:
            setup.set_up_packages(["libuv1-dev", "cmake", "curl"])
        self.assertRegex(str(caught.exception), r"As root, run:\n    apt-get install .*libuv1-dev cmake$")

    def test_what_is_installed_is_left_alone(self):
        with unittest.mock.patch.object(setup, "run") as run:
            setup.set_up_packages(["dpkg", "coreutils"])
            run.assert_not_called()

    def test_missing_ones_are_found(self):
        self.assertEqual(setup.missing_packages(["dpkg", "no-such-package-here"]), ["no-such-package-here"])


class FetchTest(unittest.TestCase):
    def setUp(self):
        self.cache = tempfile.TemporaryDirectory()
        self.addCleanup(self.cache.cleanup)
        patch = unittest.mock.patch.dict(os.environ, dict(NO_NETWORK, WRIT_CACHE=self.cache.name))
        patch.start()
        self.addCleanup(patch.stop)

    def left_over(self):
        return [name for name in os.listdir(self.cache.name) if name != "cargo-target"]

    def make(self, name, function, **changes):
        pin = dict(versions()[name], **changes)
        return setup.cached(name, pin["version"], "test", function, pin)

    def test_without_network_the_message_names_what_and_how(self):
        with self.assertRaises(setup.SetupError) as caught:
            self.make("wasmtime", setup.make_wasmtime)
        message = str(caught.exception)
        self.assertIn("wasmtime==" + versions()["wasmtime"]["version"], message)
        self.assertIn("needs it once", message)
        self.assertIn(self.cache.name, message)
        self.assertEqual(self.left_over(), [])

    def test_a_crate_that_cannot_be_had_is_named(self):
        with tempfile.TemporaryDirectory() as home, unittest.mock.patch.dict(os.environ, CARGO_HOME=home), \
                self.assertRaises(setup.SetupError) as caught:
            setup.crate_source("wasm-tools", "1.0.0", "00", self.cache.name)
        self.assertIn("the crate wasm-tools 1.0.0", str(caught.exception))

    def test_a_missing_program_is_named_with_its_package(self):
        with unittest.mock.patch.dict(os.environ, PATH="/nonexistent"), self.assertRaises(setup.SetupError) as caught:
            setup.crate_source("wasm-tools", "1.0.0", "00", self.cache.name)
        self.assertIn("apt-get install cargo", str(caught.exception))

    def test_another_file_than_pinned_is_refused(self):
        path = os.path.join(self.cache.name, "file")
        with open(path, "wb") as f:
            f.write(b"something else")
        with self.assertRaises(setup.SetupError) as caught:
            setup.check_sha256(path, "00" * 32)
        self.assertIn("nothing was used", str(caught.exception))
        setup.check_sha256(path, setup.sha256_of(path))

    def test_the_cache_holds_whole_things_only(self):
        def half(_pin, _work, out):
            with open(os.path.join(out, "half"), "w", encoding="utf-8"):
                raise setup.SetupError("interrupted")

        with self.assertRaises(setup.SetupError):
            setup.cached("thing", "1", "pin", half, {})
        self.assertEqual(self.left_over(), [])

        def whole(_pin, _work, out):
            with open(os.path.join(out, "whole"), "w", encoding="utf-8"):
                pass

        folder = setup.cached("thing", "1", "pin", whole, {})
        self.assertEqual(os.listdir(folder), ["whole"])
        self.assertEqual(setup.cached("thing", "1", "pin", half, {}), folder)  # not made a second time
        with self.assertRaises(setup.SetupError):
            setup.cached("thing", "1", "another pin", half, {})


class PinTest(unittest.TestCase):
    def test_every_third_party_has_a_hash(self):
        pins = versions()
        hashes = [pins["wasmtime"]["crate_sha256"], pins["llhttp"]["sha256"]]
        hashes += [wheel["sha256"] for wheel in pins["wasmtime"]["wheel"].values()]
        hashes += [tool["sha256"] for tool in pins["tools"].values()]
        for value in hashes:
            self.assertTrue(re.fullmatch(r"[0-9a-f]{64}", value), value)

    def test_the_header_says_what_the_library_has(self):
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "conf.h.in"), "w", encoding="utf-8") as f:
                f.write("#cmakedefine WASMTIME_FEATURE_ASYNC\n#cmakedefine WASMTIME_FEATURE_DISABLE_LOGGING\n")
            setup.make_wasmtime_conf(versions()["wasmtime"], folder)
            with open(os.path.join(folder, "conf.h"), encoding="utf-8") as f:
                text = f.read()
        self.assertIn("#define WASMTIME_FEATURE_ASYNC\n", text)
        self.assertNotIn("#define WASMTIME_FEATURE_DISABLE_LOGGING", text)


if __name__ == "__main__":
    sys.exit(closing.main())
