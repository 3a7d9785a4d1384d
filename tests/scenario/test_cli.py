# SPDX-License-Identifier: Apache-2.0
"""The command line: help, formats, exit statuses, inspect, doctor, versions."""
import hashlib
import json
import pathlib
import re
import shlex
import subprocess
import sys

import broken
import harness
from harness import Case, guest

ALL = harness.COMMANDS + harness.MEMBERS


def listed(text):
    """The names that the help of the program or of a group lists."""
    return re.findall(r"(?m)^  ([a-z-]+)  +\S", text.split("Commands:")[1].split("Examples:")[0])


class Help(Case):
    def test_of_the_program(self):
        for arguments in (("--help",), ("-h",), ("help",)):
            done = harness.run(*arguments)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertEqual(sorted(listed(done.stdout)), sorted((*harness.COMMANDS, *harness.GROUPS)))
            self.assertIn("Examples:", done.stdout)

    def test_of_each_command(self):
        for command in ALL:
            with self.subTest(command):
                done = harness.run(*command.split(), "--help", cache=False)
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                self.assertRegex(done.stdout, rf"(?m)^Usage: writ {command} \[OPTIONS\]")
                self.assertIn("Options:", done.stdout)
                self.assertRegex(done.stdout.split("Examples:")[1], rf"(?m)^  writ {command}\b")
                self.assertRegex(done.stdout, r"-o, --output")

    def test_of_each_group(self):
        for group, names in harness.GROUPS.items():
            with self.subTest(group):
                done = harness.run(group, "--help", cache=False)
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                self.assertEqual(listed(done.stdout), list(names))
                self.assertRegex(done.stdout.split("Examples:")[1], rf"(?m)^  writ {group} ")

    def test_one_letter_means_one_option(self):
        """But for those that only one command has, which are named as its like in other tools."""
        meanings = {}
        for command in ALL:
            for letter, name in re.findall(r"(?m)^  -(\w), --([a-z-]+)", self.options_of(command)):
                meanings.setdefault(letter, {}).setdefault(name, set()).add(command.split()[0])
        several = {letter: found for letter, found in meanings.items() if len(found) > 1}
        self.assertEqual(sorted(several), ["f", "l", "t", "w"], several)

    def test_one_option_has_one_letter(self):
        letters = {}
        for command in ALL:
            for letter, name in re.findall(r"(?m)^  (-\w,|   ) --([a-z-]+)", self.options_of(command)):
                letters.setdefault(name, {}).setdefault(letter.strip(), []).append(command)
        odd = {name: found for name, found in letters.items() if len(found) > 1}
        self.assertEqual(odd, {})

    def options_of(self, command):
        return self.help_of(command).split("Options:")[1].split("Examples:")[0]

    def help_of(self, command):
        return harness.run(*command.split(), "--help", cache=False).stdout

    def test_names_every_option(self):
        text = harness.run("run", "--help", cache=False).stdout
        for option in ("--listen", "--workers", "--dir", "--env", "--allow-http", "--allow-net", "--stdio", "--grant",
                       "--refuse", "--strict", "--max-memory", "--cpu-time", "--timeout", "--max-instances", "--queue",
                       "--reuse", "--suggest-grants"):
            self.assertRegex(text, rf"(?m)^\s.*{option}\b", option)

    def test_the_documentation_names_every_option(self):
        """Each in a section of docs/cli.md that is about its command, or before the first one."""
        head, *sections = (harness.ROOT / "docs" / "cli.md").read_text().split("\n## ")
        for command in ALL:
            with self.subTest(command):
                about = [text for text in sections if re.search(rf"`writ {command}\b", text)]
                self.assertTrue(about)
                offered = re.findall(r"(?m)^  (?:-\w,|   ) (--[a-z-]+)", self.options_of(command))
                named = set(re.findall(r"(?<![\w-])--[a-z-]+", head + "".join(about)))
                self.assertEqual([], [option for option in offered if option not in named])

    def test_lines_are_not_too_long(self):
        for command in ALL + tuple(harness.GROUPS):
            with self.subTest(command):
                self.assertLess(max(map(len, self.help_of(command).splitlines())), 130)

    def test_examples_are_right(self):
        """Each is a command line that the program understands: what fails is a file or a key, never the usage."""
        for command in ALL + tuple(harness.GROUPS):
            examples = re.sub(r"\\\n\s+", " ", self.help_of(command).split("Examples:")[1])
            for line in re.findall(r"(?m)^  (writ .*)$", examples):
                for piece in re.split(r" && | \| | [<>]", re.sub(r"\s{3,}.*", "", line)):
                    if piece.startswith("writ ") and not piece.startswith(("writ run", "writ host")):
                        with self.subTest(piece):
                            self.understood(piece)

    def understood(self, line):
        account, module = harness.account(), harness.writ("keys", "gen", "module", "--keys", self.folder, "--replace")
        for letter, kind in (("N", "server"), ("U", "user")):
            def key(_, kind=kind):  # each is another
                return harness.writ("keys", "gen", kind, "--keys", self.folder, "--replace")
            line = re.sub(rf"\b{letter}[A-Z]*\.\.\.", key, line)
        line = re.sub(r"ACCOUNTKEY|\bA[A-Z]*\.\.\.", account, re.sub(r"\bM[A-Z]*\.\.\.", module, line))
        words = shlex.split(line.replace("5f...", "5f" * 32))[1:]
        done = harness.run(*words, cache=False, cwd=self.folder,
                           env={"WRIT_HOME": str(self.folder), "SPIFFE_ENDPOINT_SOCKET": f"unix://{self.folder}/none"})
        self.assertIn(done.returncode, (0, 3, 4, 5), done.stderr)


class Usage(Case):
    def wrong(self, *arguments):
        done = harness.run(*arguments, cache=False)
        self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
        self.assertTrue(done.stderr.strip())
        return done.stderr

    def test_wrong_command_lines(self):
        self.wrong()
        self.assertIn("frobnicate", self.wrong("frobnicate"))
        for group in harness.GROUPS:
            self.wrong(group)
            self.assertIn(f"{group} frobnicate", self.wrong(group, "frobnicate"))
        for command in ALL:
            self.assertIn("--frobnicate", self.wrong(*command.split(), "--frobnicate"))
            self.assertIn("output", self.wrong(*command.split(), "-o", "xml"))
        self.wrong("run")
        self.wrong("inspect")
        self.assertIn("--frobnicate", self.wrong("run", "--frobnicate", "x.wasm"))
        self.wrong("run", "x.wasm", "y.wasm")
        self.wrong("run", "--workers")
        for option, value in (("--listen", "nowhere"), ("--listen", "127.0.0.1:99999"), ("--workers", "-1"),
                              ("--workers", "many"), ("--max-memory", "lots"), ("--max-memory", "-5M"),
                              ("--timeout", "5"), ("--timeout", "5 parsecs"), ("--queue", "x"), ("--reuse", "0"),
                              ("--stdio", "some"), ("-o", "xml"), ("--max-instances", "0")):
            with self.subTest(option, value=value):
                text = self.wrong("run", option, value, "x.wasm")
                self.assertIn(option.lstrip("-") if option != "-o" else "output", text)
                self.assertIn("--help", text)

    def test_all_errors_at_once(self):
        text = self.wrong("run", "--workers", "many", "--queue", "x", "x.wasm")
        self.assertIn("workers", text)
        self.assertIn("queue", text)

    def test_missing_file(self):
        for command in ("run", "inspect"):
            done = harness.run(command, "no-such-file.wasm")
            self.assertEqual((done.returncode, done.stdout), (5, ""), done.stderr)
            self.assertIn("no-such-file.wasm", done.stderr)

    def test_json_error(self):
        done = harness.run("inspect", "-o", "json", "no-such-file.wasm")
        self.assertEqual(done.returncode, 5)
        self.assertIn("no-such-file.wasm", json.loads(done.stderr)["message"])

    def test_listening_elsewhere(self):
        for address in ("localhost", "[::1]"):
            with self.subTest(address):
                process = subprocess.Popen([harness.BINARY, "run", "--cache", harness.CACHE, "--listen", f"{address}:0",
                                            guest("hello-c")], stderr=subprocess.PIPE, text=True,
                                           env=harness.environment())
                try:
                    line = next(line for line in process.stderr if "http://" in line or "cannot" in line)
                    if address == "[::1]" and "http://" not in line:
                        self.skipTest("no IPv6 here")
                    self.assertRegex(line, r"http://(127\.0\.0\.1|\[::1\]):\d+/")
                finally:
                    process.terminate()
                    process.communicate(timeout=20)


class Version(Case):
    def test_text(self):
        for arguments in (("--version",), ("-V",), ("version",)):
            done = harness.run(*arguments)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertRegex(done.stdout, r"^writ \d+\.\d+\.\d+")
            self.assertRegex(done.stdout, r"(?i)wasmtime.*\d+\.\d+\.\d+")

    def test_json(self):
        found = json.loads(harness.run("version", "-o", "json").stdout)
        self.assertRegex(found["version"], r"^\d+\.\d+\.\d+")
        self.assertIn("engine", found)


class Doctor(Case):
    def test_text(self):
        done = harness.run("doctor")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        for word in ("engine|[Ww]asmtime", "[Ll]andlock", "seccomp|system call filter", "memory|address space",
                     "cache"):
            self.assertRegex(done.stdout, word)

    def test_json(self):
        done = harness.run("doctor", "-o", "json")
        found = json.loads(done.stdout)
        self.assertTrue(found["works"])
        self.assertTrue(all({"check", "state", "detail"} <= set(row) for row in found["checks"]))

    def test_small_machine(self):
        """It says what would be slow: here, because address space is short."""
        done = subprocess.run(["prlimit", f"--as={2 << 30}", harness.BINARY, "doctor"], capture_output=True, text=True)
        if "ReserveShadowMemoryRange" in done.stderr:
            self.skipTest("a build with AddressSanitizer does not start in so little address space")
        self.assertIn(done.returncode, (0, 5), done.stderr)
        self.assertRegex(done.stdout, "address space|slow|smaller")


class Inspect(Case):
    def test_text(self):
        path = pathlib.Path(guest("http-c"))
        done = harness.run("inspect", path)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn(hashlib.sha256(path.read_bytes()).hexdigest(), done.stdout)
        for text in ("wasi:http/incoming-handler@0.2.12", "wasi:http/outgoing-handler@0.2.12", "clang", "wit-component",
                     "handle", "own<incoming-request>|incoming-request", "inert", "granted"):
            self.assertRegex(done.stdout, text)

    def test_json(self):
        path = pathlib.Path(guest("http-c"))
        done = harness.run("inspect", "-o", "json", path)
        found = json.loads(done.stdout)
        self.assertEqual(found["bytes"], path.stat().st_size)
        self.assertEqual(found["sha256"], hashlib.sha256(path.read_bytes()).hexdigest())
        names = {item["name"] for item in found["imports"]}
        self.assertIn("wasi:http/types@0.2.12", names)
        self.assertIn("wasi:http/incoming-handler@0.2.12", {item["name"] for item in found["exports"]})
        self.assertEqual({row["import"] for row in found["grants"]}, names)
        types = next(item for item in found["imports"] if item["name"] == "wasi:http/types@0.2.12")
        functions = {item["name"]: item.get("type", "") for item in types["items"]}
        self.assertRegex(functions["[method]fields.append"], r"name: field-name, .*-> result<_, header-error>")

    def test_every_guest(self):
        for name in ("hello-c", "http-c", "http-rust", "http-js", "http-python", "http-go", "composed", "files-c",
                     "files-go", "net-c", "cli-c", "hostile-c"):
            with self.subTest(name):
                found = json.loads(harness.run("inspect", "-o", "json", guest(name)).stdout)
                self.assertTrue(found["exports"])
                self.assertTrue(all(row["state"] in ("granted", "inert") for row in found["grants"]), found["grants"])

    def test_languages(self):
        for name, word in (("http-rust", "Rust"), ("http-js", "JavaScript|componentize-js|ComponentizeJS"),
                           ("http-python", "[Pp]ython"), ("http-c", "clang")):
            with self.subTest(name):
                self.assertRegex(harness.run("inspect", guest(name)).stdout, word)

    def test_shows_what_would_be_refused(self):
        done = harness.run("inspect", guest("bad/unknown-import"))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"acme:gadget/spin@1\.0\.0\s+refused")

    def test_names_cannot_steer_a_terminal(self):
        """An import name with control bytes is either refused or printed harmlessly."""
        name = b"a\x1b[31m\x07b"
        # One import: an instance of an empty type.
        content = b"\x01\0" + broken.leb(len(name)) + name + b"\x05\0"
        data = broken.PREAMBLE + broken.section(broken.TYPE, b"\x01\x42\0") + broken.section(broken.IMPORT, content)
        path = self.folder / "steer.wasm"
        path.write_bytes(data)
        done = harness.run("inspect", path)
        self.assertNotIn("\x1b", done.stdout + done.stderr)
        self.assertNotIn("\x07", done.stdout + done.stderr)

    def test_output_to_a_closed_pipe(self):
        """`writ inspect | head -1` ends quietly."""
        done = subprocess.run(["sh", "-c", f"'{harness.BINARY}' inspect '{guest('http-python')}' | head -1"],
                              capture_output=True, text=True)
        self.assertEqual(done.stderr, "")


class Run(Case):
    def test_ready_line(self):
        server = self.serve(guest("hello-c"), json_log=False)
        self.assertRegex(server.log(), r"(?m)^writ: serving http://127\.0\.0\.1:\d+/")

    def test_json_log_is_json(self):
        server = self.serve(guest("http-c"), "--verbose")
        server.get("/hello")
        server.get("/trap")
        server.wait_line("trap_on_purpose")
        server.close()
        for line in server.lines:
            with self.subTest(line):
                self.assertIsInstance(json.loads(line), dict)
        events = {event.get("event") for event in server.events()}
        self.assertTrue({"grants", "serving", "trap"} <= events, events)

    def test_results_go_to_stdout_alone(self):
        done = harness.run("run", guest("cli-c"), "--", "args")
        self.assertTrue(all(re.match(r"\d+: ", line) for line in done.stdout.splitlines()), done.stdout)

    def test_component_without_suffix_and_through_a_link(self):
        link = self.folder / "link"
        link.symlink_to(guest("cli-c"))
        self.assertEqual(harness.run("run", link, "--", "both").stdout, "to stdout\n")

    def test_timeout_of_a_command(self):
        done = harness.run("run", "--timeout", "300ms", guest("cli-c"), "--", "wait", "60000", timeout=20)
        self.assertNotEqual(done.returncode, 0)
        self.assertRegex(done.stderr, "time|deadline")
        done = harness.run("run", "--cpu-time", "300ms", guest("cli-c"), "--", "spin", timeout=20)
        self.assertNotEqual(done.returncode, 0)


if __name__ == "__main__":
    sys.exit(harness.main())
