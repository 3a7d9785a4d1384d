#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What our messages and documents tell people to type: commands and options that there are, and that lead on."""
import functools
import json
import re
import shlex
import shutil
import sys

import harness
from harness import Case

STRING = r'"(?:\\.|[^"\\\n])*"'
LITERALS = re.compile(rf"//[^\n]*|/\*.*?\*/|'(?:\\.|[^'\\])'|({STRING}(?:\s*{STRING})*)", re.DOTALL)
COMMAND = re.compile(rf"\bwrit ({'|'.join((*harness.COMMANDS, *harness.GROUPS))})\b")
# The end of a command line in running text: a mark, a pipe, a comment, or the next sentence.
END = re.compile(r"[;,:.)(](?:\s|$)|[)`\n|>]|\s&&\s|\s#\s|\s--\s|\s{3,}")
OPTION = re.compile(r"(?<![\w-])(--[a-z][a-z-]*|-[a-zA-Z])(?![\w-])")
# Of the program itself; of tar, which a message advises; of a component in an example.
OTHERS = {"--version", "--format", "--count"}


@functools.lru_cache(maxsize=None)
def offered(command):
    """The options in --help of a command; of a group those of all its members, for "writ keys --passphrase"."""
    members = [f"{command} {name}" for name in harness.GROUPS.get(command, ())] or [command]
    text = "".join(harness.run(*m.split(), "--help", cache=False).stdout.split("Options:")[1].split("Examples:")[0]
                   for m in members)
    return {option for row in re.findall(r"(?m)^  (?:(-\w),|   ) (--[a-z-]+)", text) for option in row}


def literals(source):
    """The string literals of a C source, neighbours joined, escapes read."""
    for match in LITERALS.finditer(source):
        if match[1]:
            text = "".join(re.findall(r'"((?:\\.|[^"\\])*)"', match[1]))
            yield text.replace("\\n", "\n").replace('\\"', '"').replace("\\\\", "\\")


def commands(text):
    """(command, options) of each command line in a text."""
    text = re.sub(r"\\\n\s*", "", text)
    for match in COMMAND.finditer(text):
        rest = text[match.end():]
        following = COMMAND.search(rest)
        rest = rest[:following.start()] if following else rest
        name = match[1]
        if name in harness.GROUPS:
            member = re.match(r" ([a-z-]+)\b", rest)
            if member:
                name = f"{name} {member[1]}"
                rest = rest[member.end():]
        end = END.search(rest)
        yield name, OPTION.findall(rest[:end.start()] if end else rest)


class Words(Case):
    def check(self, where, text):
        for name, options in commands(text):
            group, _, member = name.partition(" ")
            with self.subTest(f"{where}: writ {name} {' '.join(options)}"):
                if member:
                    self.assertIn(member, harness.GROUPS[group])
                self.assertEqual([], [option for option in options if option not in offered(name)])

    def test_messages(self):
        for path in sorted((harness.ROOT / "src").rglob("*.[ch]")):
            for text in literals(path.read_text()):
                self.check(path.relative_to(harness.ROOT), text)

    def test_every_option_of_a_message_is_one_of_ours(self):
        """Also where no command is named: "add --adopt"."""
        known = OTHERS.union(*(offered(command) for command in harness.COMMANDS + harness.MEMBERS))
        for folder in ("cli", "host", "identity", "artifact"):
            for path in sorted((harness.ROOT / "src" / folder).rglob("*.[ch]")):
                for text in literals(path.read_text()):
                    with self.subTest(f"{path.name}: {text[:80]}"):
                        found = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*(?![\w-])", text))
                        self.assertEqual(set(), found - known)

    def test_documents(self):
        for path in sorted([*harness.ROOT.glob("*.md"), *harness.ROOT.glob("docs/**/*.md"),
                            *harness.ROOT.glob("examples/**/*.md")]):
            blocks = re.split(r"(?m)^```.*$", path.read_text())
            for block in blocks[1::2]:
                self.check(path.relative_to(harness.ROOT), block)
            for span in re.findall(r"`([^`\n]+)`", "".join(blocks[0::2])):
                self.check(path.relative_to(harness.ROOT), span.replace("\\|", "/"))


class Followed(Case):
    """From a component that nobody signed to one that runs, doing nothing but what the messages say."""

    def setUp(self):
        super().setUp()
        self.home = self.folder / "home"
        self.home.mkdir(mode=0o700)
        self.component = self.folder / "it's mine.wasm"
        shutil.copyfile(harness.unsigned_guest("cli-c"), self.component)

    def writ(self, *words, status=0):
        done = harness.run(*words, env={"WRIT_HOME": str(self.home)}, cache=words[0] == "run", cwd=self.folder)
        self.assertEqual(status, done.returncode, f"{words}: {done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    def advised(self, text, command):
        """The words of the advice to call a command, as a shell would split them."""
        match = re.search(rf"writ {command}\b[^\n]*", text)
        self.assertTrue(match, text)
        return shlex.split(re.sub(r", or .*", "", match[0]))[1:]

    def test_from_unsigned_to_running(self):
        refused = self.writ("run", self.component, "--", "both", status=3)
        self.assertIn("to stdout", self.writ(*self.advised(refused, "run --unsigned"), "--", "both"))
        sign = self.advised(refused, "sign")
        self.writ(*self.advised(self.writ(*sign, status=5), "keys gen"))
        self.writ(*sign)
        signed = self.component.with_suffix(".signed.wasm")
        refused = self.writ("run", signed, "--", "both", status=3)
        self.assertIn("to stdout", self.writ(*self.advised(refused, "run --unsigned"), "--", "both"))
        self.writ(*self.advised(refused, "trust add"))
        self.assertIn("to stdout", self.writ("run", signed, "--", "both"))

    def test_another_trust_store(self):
        self.writ("keys", "gen", "account")
        self.writ("sign", self.component)
        signed = self.component.with_suffix(".signed.wasm")
        store = self.folder / "for tests.json"
        refused = self.writ("run", "--trust", store, signed, "--", "both", status=3)
        self.writ(*self.advised(refused, "trust add"))
        self.assertIn("to stdout", self.writ("run", "--trust", store, signed, "--", "both"))

    def test_going_back_on_purpose(self):
        account = self.writ("keys", "gen", "account").strip()
        self.writ("trust", "add", account)
        self.writ("sign", "--rev", "2", self.component)
        signed = self.component.with_suffix(".signed.wasm")
        subject = json.loads(self.writ("inspect", "-o", "json", signed))["writ"]["token"]["subject"]
        self.writ("trust", "require", "--rev", "7", subject)
        refused = self.writ("verify", signed, status=3)
        self.writ(*self.advised(refused, "trust require"))
        self.writ("verify", signed)


if __name__ == "__main__":
    sys.exit(harness.main())
