# SPDX-License-Identifier: Apache-2.0
"""writ keys: making, listing, exporting, importing; what is refused; and that seeds are not shown."""
import json
import os
import pty
import re
import select
import stat
import sys
import termios

import harness
from harness import Case

PUBLIC = re.compile(r"[ACMNOUVX][A-Z2-7]{55}")
SEED = re.compile(r"S[ACMNOUVX][A-Z2-7]{56}")
KINDS = {"account": "A", "cluster": "C", "module": "M", "server": "N", "operator": "O", "user": "U", "service": "V",
         "curve": "X"}


class Keys(Case):
    def setUp(self):
        super().setUp()
        self.home = self.folder / "home"
        self.keys = self.home / "keys"
        self.outputs = []

    def writ(self, *arguments, code=0, env=None):
        done = harness.run("keys", *arguments, env={"WRIT_HOME": str(self.home), **(env or {})}, cache=False)
        self.assertEqual(done.returncode, code, done.stderr)
        self.outputs.append(done.stdout + done.stderr)
        return done

    def refused(self, code, words, *arguments):
        done = self.writ(*arguments, code=code)
        self.assertEqual(done.stdout, "")
        self.assertIn(words, done.stderr)
        return done.stderr

    def private(self, name, text):
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o600)
        return path


class Making(Keys):
    def test_every_kind(self):
        for kind, letter in KINDS.items():
            public = self.writ("gen", kind).stdout.strip()
            self.assertRegex(public, rf"^{letter}[A-Z2-7]{{55}}$")
            self.assertEqual(self.writ("show", kind).stdout.strip(), public)
            file = self.keys / f"{kind}.nk"
            self.assertRegex(file.read_text(), rf"^S{letter}[A-Z2-7]{{56}}$")
            self.assertEqual(stat.S_IMODE(file.stat().st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(self.keys.stat().st_mode), 0o700)
        listed = json.loads(self.writ("list", "-o", "json").stdout)["keys"]
        self.assertEqual([k["name"] for k in listed], sorted(KINDS))
        self.assertEqual([k["kind"] for k in listed], sorted(KINDS))
        self.assertFalse(any(k["encrypted"] for k in listed))

    def test_the_umask_does_not_matter(self):
        before = os.umask(0)
        self.addCleanup(os.umask, before)
        self.writ("gen", "account")
        self.assertEqual(stat.S_IMODE((self.keys / "account.nk").stat().st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(self.keys.stat().st_mode), 0o700)

    def test_a_name_is_taken_once(self):
        first = self.writ("gen", "account", "acme").stdout
        self.refused(5, "--replace", "gen", "account", "acme")
        self.refused(5, "--replace", "gen", "operator", "acme")
        self.assertEqual(self.writ("show", "acme").stdout, first)
        second = self.writ("gen", "account", "acme", "--replace").stdout
        self.assertNotEqual(first, second)
        self.assertEqual(self.writ("show", "acme").stdout, second)

    def test_wrong_command_lines(self):
        self.refused(2, "not a kind", "gen", "frobnicate")
        self.refused(2, "not a name", "gen", "account", "../x")
        self.refused(2, "not a name", "show", ".x")
        self.refused(2, "--out", "export", "x")
        self.refused(2, "write one", "gen", "account", "--passphrase", "--passphrase-file", "x")
        self.refused(5, "no key nobody", "show", "nobody")
        self.assertEqual(self.writ("list").stdout, "")
        self.assertFalse(self.home.exists())

    def test_another_directory(self):
        other = self.folder / "other"
        public = self.writ("gen", "account", "a", "--keys", other).stdout
        self.assertTrue((other / "a.nk").exists())
        self.assertEqual(self.writ("show", "a", "--keys", other).stdout, public)
        self.refused(5, "no key a", "show", "a")


class Moving(Keys):
    def test_a_key_goes_out_and_in(self):
        public = self.writ("gen", "account", "acme").stdout
        out = self.folder / "acme-copy.nk"
        self.assertEqual(self.writ("export", "acme", "--out", out).stdout, public)
        self.assertEqual(stat.S_IMODE(out.stat().st_mode), 0o600)
        self.refused(5, "exists already", "export", "acme", "--out", out)
        self.assertEqual(self.writ("import", out).stdout, public)
        self.assertEqual(self.writ("show", "acme-copy").stdout, public)
        self.assertEqual(self.writ("import", out, "third").stdout, public)

    def test_a_pipe_gets_the_seed_and_a_terminal_does_not(self):
        self.writ("gen", "account", "acme")
        seed = (self.keys / "acme.nk").read_text()
        self.assertEqual(self.writ("export", "acme", "--out", "-").stdout, seed)
        code, shown = terminal(self, ["export", "acme", "--out", "-"], [])
        self.assertEqual(code, 3)
        self.assertIn("terminal", shown)
        self.assertNotIn(seed[2:20], shown)

    def test_what_is_no_seed(self):
        seed = "SAAJ2YNRTXX72WTAXKCEV5ES5QWMIRCJYVUXWMTJDFYDXLADDSXH6YHY3Q"
        public = "ADLVVGABQKYQVN6VJP7NHSLEA45A5YLS6PNKMIZFV4BBU2HXA5IRVRTU"
        self.assertEqual(self.writ("import", self.private("good.nk", f" {seed}\r\n")).stdout.strip(), public)
        for words, text in (("checksum", seed[:30] + "A" + seed[31:]), ("public key", public), ("has 57", seed[:57]),
                            ("upper case", seed.lower()), ("sets bits", seed[:57] + "R"), ("has 0", ""),
                            ("character 20", seed[:19] + "1" + seed[20:])):
            message = self.refused(4, words, "import", self.private("bad.nk", text))
            self.assertNotIn(seed[31:50], message)
        self.refused(5, "larger", "import", self.private("bad.nk", " " * 5000))
        self.refused(5, "no such file", "import", self.folder / "missing.nk")
        self.refused(4, "not a regular file", "import", self.folder)

    def test_a_seed_in_the_place_of_a_name_is_not_repeated(self):
        seed = "SAAJ2YNRTXX72WTAXKCEV5ES5QWMIRCJYVUXWMTJDFYDXLADDSXH6YHY3Q"
        for command in ("show", "gen"):
            arguments = [command, "account", seed] if command == "gen" else [command, seed]
            self.assertNotIn(seed[2:12], self.refused(2, "looks like a seed", *arguments))

    def test_files_that_others_can_read(self):
        self.writ("gen", "account", "acme")
        file = self.keys / "acme.nk"
        file.chmod(0o640)
        self.refused(3, f"chmod 600 {file}", "show", "acme")
        self.refused(3, f"chmod 600 {file}", "export", "acme", "--out", self.folder / "x")
        self.refused(3, f"chmod 600 {file}", "import", file, "again")
        self.assertIn("chmod 600", self.writ("list").stdout)
        file.chmod(0o600)
        self.keys.chmod(0o770)
        self.refused(3, "chmod go-w", "show", "acme")


class Passphrases(Keys):
    def test_from_a_file(self):
        word = self.private("word", "correct horse\n")
        public = self.writ("gen", "account", "acme", "--passphrase-file", word).stdout
        text = (self.keys / "acme.nk.enc").read_text()
        self.assertEqual(self.writ("show", "acme").stdout, public)
        self.assertIn("encrypted", self.writ("list").stdout)
        out = self.folder / "plain.nk"
        self.refused(3, "passphrase is wrong", "export", "acme", "--out", out, "--passphrase-file",
                     self.private("wrong", "correct\n"))
        self.assertFalse(out.exists())
        self.writ("export", "acme", "--out", out, "--passphrase-file", word)
        self.assertNotIn(out.read_text()[2:14], text)
        self.assertEqual(self.writ("import", out, "back").stdout, public)
        again = self.writ("import", self.keys / "acme.nk.enc", "copy", "--passphrase-file", word).stdout
        self.assertEqual(again, public)
        self.assertTrue((self.keys / "copy.nk.enc").exists())
        word.chmod(0o644)
        self.refused(3, "chmod 600", "gen", "user", "--passphrase-file", word)

    def test_typed_on_the_terminal_without_echo(self):
        code, shown = terminal(self, ["gen", "account", "acme", "--passphrase"],
                               [("New passphrase", b"horsf\x7fe\n"), ("again", b"horse\n")])
        self.assertEqual(code, 0, shown)
        self.assertNotIn("hors", shown)
        self.assertRegex(shown, PUBLIC)
        out = self.folder / "out.nk"
        code, shown = terminal(self, ["export", "acme", "--out", str(out)], [("Passphrase", b"horse\n")])
        self.assertEqual(code, 0, shown)
        self.assertTrue(out.exists())

    def test_giving_up(self):
        code, shown = terminal(self, ["gen", "account", "a", "--passphrase"],
                               [("New passphrase", b"one\n"), ("again", b"two\n")])
        self.assertEqual(code, 1)
        self.assertIn("differ", shown)
        for key in (b"\x03", b"\x04", b"\n"):
            code, shown = terminal(self, ["gen", "account", "a", "--passphrase"], [("New passphrase", key)])
            self.assertEqual(code, 1, shown)
            self.assertIn("entered", shown)
        self.assertFalse(self.keys.exists())

    def test_a_changed_file(self):
        word = self.private("word", "correct horse\n")
        self.writ("gen", "account", "acme", "--passphrase-file", word)
        file = self.keys / "acme.nk.enc"
        lines = file.read_text().split("\n")
        other = self.writ("gen", "account", "other").stdout.strip()
        file.write_text("\n".join([lines[0], f"public {other}", *lines[2:]]))
        self.refused(4, "another's seed", "export", "acme", "--out", self.folder / "x", "--passphrase-file", word)
        file.write_text("\n".join(lines[:2]) + "\n")
        self.refused(4, "sealed", "show", "acme")


class Silence(Keys):
    def test_no_command_but_export_shows_a_seed(self):
        word = self.private("word", "correct horse\n")
        self.writ("gen", "account", "plain")
        self.writ("gen", "account", "sealed", "--passphrase-file", word)
        self.writ("gen", "account", "plain", code=5)
        self.writ("list")
        self.writ("list", "-o", "json")
        self.writ("show", "plain", "-o", "json")
        self.writ("show", "sealed")
        self.writ("export", "sealed", "--out", self.folder / "s.nk", "--passphrase-file", word)
        self.writ("import", self.folder / "s.nk", "plain", code=5)
        self.writ("import", self.folder / "s.nk", "new", "-o", "json")
        everything = "".join(self.outputs)
        self.assertRegex(everything, PUBLIC)
        for file in (self.keys / "plain.nk", self.folder / "s.nk"):
            seed = file.read_text()
            self.assertRegex(seed, SEED)
            self.assertNotIn(seed[2:14], everything)
        self.assertNotRegex(everything, SEED)


def terminal(case, arguments, answers):
    return terminal_of(case, ["keys", *arguments], answers)


def terminal_of(case, arguments, answers):
    """Runs `writ` on a terminal of its own; answers each prompt. Returns exit code and all that was shown."""
    child, fd = pty.fork()
    if child == 0:
        env = harness.environment({"WRIT_HOME": str(case.home)})
        os.execvpe(str(harness.BINARY), [str(harness.BINARY), *arguments], env)
    shown = b""
    waiting = list(answers)
    while True:
        select.select([fd], [], [])
        try:
            part = os.read(fd, 4096)
        except OSError:
            break
        if not part:
            break
        shown += part
        if waiting and waiting[0][0].encode() in shown and shown.rstrip(b" ").endswith(b":") and echo_is_off(fd):
            os.write(fd, waiting.pop(0)[1])
    os.close(fd)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), shown.decode(errors="replace")


def echo_is_off(fd):
    """Waits for what the program does right after its prompt."""
    while termios.tcgetattr(fd)[3] & termios.ECHO:
        pass
    return True


if __name__ == "__main__":
    sys.exit(harness.main())
