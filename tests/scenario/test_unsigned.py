# SPDX-License-Identifier: Apache-2.0
"""Signed, or it does not run: what `writ run` refuses, what --unsigned changes, and what nothing changes."""

import json
import os
import pathlib
import pty
import re
import shlex
import shutil
import signal
import subprocess
import sys
import unittest

import harness
from harness import guest, unsigned_guest, write_trust

REFUSED, MALFORMED, ENVIRONMENT = 3, 4, 5


class Host(harness.Case):
    """A host of the test's own: its keys, its trust."""

    def setUp(self):
        super().setUp()
        self.home = self.folder / "home"
        self.home.mkdir(mode=0o700)
        self.env = {"WRIT_HOME": str(self.home)}
        self.raw = self.folder / "hello.wasm"
        shutil.copyfile(unsigned_guest("hello-c"), self.raw)

    def writ(self, *arguments, status=0, **keywords):
        done = harness.run(*arguments, env=self.env, timeout=20, **keywords)
        self.assertEqual(done.returncode, status, f"writ {arguments}: {done.stdout}{done.stderr}")
        return done

    def key(self, name="acme"):
        return self.writ("keys", "gen", "account", name).stdout.strip()

    def trust(self, *issuers, **more):
        write_trust(self.home / "trust.json", *issuers, **more)

    def trusted_key(self, **entry):
        key = self.key()
        self.trust({"key": key, "note": "ours", **entry})
        return key

    def sign(self, *options, name="signed"):
        out = self.folder / f"{name}.wasm"
        self.writ("sign", "--issuer", "acme", "--out", out, *options, self.raw)
        return out

    def start(self, component, *options, **keywords):
        return self.serve(component, *options, env=self.env, **keywords)

    def refused(self, component, *options, status=REFUSED):
        """What it says when it does not start, by one process and by workers."""
        texts = []
        for workers in ("2", "0"):
            done = self.writ("run", "--listen", "127.0.0.1:0", "--workers", workers, *options, component, status=status)
            self.assertNotIn("serving", done.stderr)
            texts.append(done.stderr)
        return texts[0]

    def refused_always(self, component, *options):
        """By --unsigned as well."""
        self.assertRegex(self.refused(component, *options, "--unsigned"), "--unsigned does not help|not covered|allow")
        return self.refused(component, *options)


class Default(Host):
    def test_unsigned_is_refused_and_both_ways_on_work_as_written(self):
        self.trusted_key()
        text = self.refused(self.raw)
        sign = re.search(r"(?m)^ +sign it: +(writ sign .*)$", text)[1]
        once = re.search(r"(?m)^ +run it unsigned, this once: +writ (run --unsigned .*)$", text)[1]
        self.start(self.raw, *shlex.split(once)[1:-1])
        self.writ(*shlex.split(sign)[1:-1], "--issuer", "acme", self.raw)
        self.assertEqual(self.start(self.folder / "hello.signed.wasm").get("/").status, 200)

    def test_nothing_is_compiled_before_it_is_verified(self):
        cache = self.folder / "cache"
        self.writ("run", "--cache", cache, self.raw, status=REFUSED, cache=False)
        self.assertFalse(cache.exists())

    def test_unknown_issuer_names_the_line_that_trusts_it(self):
        key = self.key()
        text = self.refused(self.sign())
        self.assertRegex(text, rf"writ trust add {key}")
        self.assertIn("--unsigned", text)

    def test_signed_and_trusted_says_by_whom(self):
        key = self.trusted_key()
        server = self.start(self.sign("--rev", "7", "--version", "1.2.3", "--for", "90d"), json_log=False)
        log = server.log()
        for part in ("revision 7", "version 1.2.3", key, f"ours, in {self.home}/trust.json"):
            self.assertIn(part, log)
        self.assertNotIn("UNSIGNED", log)
        writ = next(e for e in self.start(self.sign()).events() if e.get("event") == "writ")["writ"]
        self.assertTrue(writ["signed"])
        self.assertEqual(writ["issuer"], key)

    def test_a_user_without_a_home_believes_nobody(self):
        env = {k: "" for k in ("WRIT_HOME", "HOME", "XDG_CONFIG_HOME")}
        done = harness.run("run", guest("hello-c"), env=env)
        self.assertEqual(done.returncode, REFUSED, done.stderr)

    def test_commands_too(self):
        done = self.writ("run", unsigned_guest("cli-c"), "--", "args", status=REFUSED)
        self.assertEqual(done.stdout, "")


class Unsigned(Host):
    def test_it_is_loud_everywhere(self):
        server = self.start(self.raw, "--unsigned", "--metrics", "0")
        events = server.events()
        writ = next(e for e in events if e.get("event") == "writ")["writ"]
        self.assertEqual((writ["signed"], writ["reason"]), (False, "unsigned"))
        warning = next(e for e in events if e.get("event") == "unsigned")
        self.assertEqual((warning["level"], warning["reason"]), ("warn", "unsigned"))
        port = int(re.search(r":(\d+)/metrics", server.log())[1])
        text = harness.request(port, "GET", "/metrics").text
        self.assertIn("\nwrit_workload_signed 0\n", text)
        self.assertIn('signature="unsigned"', text)
        self.assertIn('writ_workload_refusals_total{reason="unsigned"} 1\n', text)
        self.assertEqual(server.get("/").status, 200)

    def test_text_start_table(self):
        for options in ((), ("--workers", "0")):
            log = self.start(self.raw, "--unsigned", *options, json_log=False).log()
            self.assertRegex(log, r"writ: WARNING: UNSIGNED: .*hello\.wasm")
            self.assertRegex(log, r"(?m)^  WRIT +UNSIGNED")
            self.assertRegex(log, r"(?m) warn  hello: UNSIGNED")

    def test_red_on_a_terminal(self):
        ours, theirs = pty.openpty()
        env = harness.environment({**self.env, "TERM": "xterm"})
        env.pop("NO_COLOR", None)
        process = subprocess.Popen([harness.BINARY, "run", "--cache", harness.CACHE, "--listen",
                                    "127.0.0.1:0", "--unsigned", self.raw], stdin=subprocess.DEVNULL,
                                   stdout=theirs, stderr=theirs, env=env)
        os.close(theirs)
        text = b""
        try:
            while b"serving" not in text:
                text += os.read(ours, 4096)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)
            os.close(ours)
        self.assertIn(b"\x1b[1;31mwrit: WARNING: UNSIGNED", text)

    def test_inspect_shows_it_and_needs_no_trust(self):
        done = self.writ("inspect", self.raw)
        self.assertRegex(done.stdout, r"(?m)^writ: UNSIGNED$")
        self.assertIn("REFUSED (unsigned)", done.stdout)
        writ = json.loads(self.writ("inspect", "-o", "json", self.raw).stdout)["writ"]
        self.assertEqual((writ["signed"], writ["here"]["runs"], writ["here"]["runs_with_unsigned"],
                          writ["here"]["reason"]), (False, False, True, "unsigned"))

    def test_an_unknown_issuer_may_run_and_its_list_still_narrows(self):
        self.key()
        server = self.start(self.sign(), "--unsigned")
        writ = next(e for e in server.events() if e.get("event") == "writ")["writ"]
        self.assertEqual((writ["signed"], writ["reason"]), (False, "unknown-issuer"))
        self.refused(self.sign("--cap", "wasi:io"), "--unsigned", "--grant", "wasi:http")

    def test_signed_stays_signed(self):
        self.trusted_key()
        self.assertNotIn("UNSIGNED", self.start(self.sign(), "--unsigned").log())


class Wrong(Host):
    """A token that is there and wrong: refused with the reason, whatever the options."""

    def test_tampered(self):
        self.trusted_key()
        data = bytearray(self.sign().read_bytes())
        at = data.index(b"Hello") if b"Hello" in data else len(data) // 3
        data[at] ^= 1
        path = self.folder / "tampered.wasm"
        path.write_bytes(data)
        self.assertIn("hash-mismatch", self.refused_always(path))

    def test_tampered_by_an_unknown_issuer(self):
        self.key()
        data = bytearray(self.sign().read_bytes())
        data[data.index(b"Hello") if b"Hello" in data else len(data) // 3] ^= 1
        path = self.folder / "tampered.wasm"
        path.write_bytes(data)
        self.assertIn("hash-mismatch", self.refused_always(path))

    def test_expired_and_not_yet_valid(self):
        self.trusted_key()
        self.assertIn("expired", self.refused_always(self.sign("--at", "2020-01-01", "--until", "2020-02-01")))
        self.assertIn("not-yet-valid", self.refused_always(self.sign("--not-before", "2300-01-01", name="later")))

    def test_revoked(self):
        key = self.trusted_key()
        path = self.sign()
        token = json.loads(self.writ("inspect", "-o", "json", path).stdout)["writ"]["token"]
        self.start(path)
        revocations = ({"subject": token["subject"], "reason": "leaked"}, {"subject": key},
                       {"hash": token["hash"].lower()})
        for revoked in revocations:
            for issuers in ([{"key": key}], []):
                with self.subTest(revoked=revoked, trusted=bool(issuers)):
                    self.trust(*issuers, revoked=[revoked])
                    self.assertIn("revoked", self.refused_always(path))

    def test_a_revoked_operator_reaches_what_its_accounts_signed(self):
        """Also where nobody is trusted, and --unsigned would do."""
        key, operator = self.key(), self.writ("keys", "gen", "operator", "root").stdout.strip()
        chain = self.folder / "acme.jwt"
        chain.write_text(self.writ("token", "create", "--kind", "account", "--issuer", "root", "--subject", key).stdout)
        path = self.sign("--chain", chain)
        for issuers in ([{"key": key}], [{"key": operator}], []):
            self.trust(*issuers)
            self.start(path, *([] if issuers else ["--unsigned"]))
            self.trust(*issuers, revoked=[{"subject": operator, "reason": "leaked"}])
            self.assertIn("revoked", self.refused_always(path))

    def test_revoked_for_all_time_is_so_until_its_last_second(self):
        key = self.trusted_key()
        path = self.sign("--at", "9999-12-31T23:59:59Z")
        for issuers in ([{"key": key}], []):
            self.trust(*issuers, revoked=[{"subject": key}])
            self.assertIn("revoked", self.refused_always(path))

    def test_withdrawn_bytes_do_not_come_back_without_their_token(self):
        self.trusted_key()
        signed = json.loads(self.writ("inspect", "-o", "json", self.sign()).stdout)["writ"]["token"]
        self.trust(revoked=[{"hash": signed["hash"].lower(), "reason": "bad release"}])
        self.assertIn("bad release", self.refused(self.raw, "--unsigned"))

    def test_rolled_back(self):
        key = self.trusted_key()
        new, old = self.sign("--rev", "8"), self.sign("--rev", "7", name="old")
        token = json.loads(self.writ("inspect", "-o", "json", new).stdout)["writ"]["token"]
        self.trust({"key": key}, minimum_revisions=[{"subject": token["subject"], "revision": 8}])
        self.start(new)
        self.assertIn("rolled-back", self.refused_always(old))

    def test_a_start_can_make_older_revisions_refused(self):
        self.trusted_key(ratchet=True)
        new, old = self.sign("--rev", "8"), self.sign("--rev", "7", name="old")
        self.start(old)
        server = self.start(new)
        server.wait_line("ratchet")
        self.assertIn("rolled-back", self.refused(old))
        self.start(new)

    def test_a_foreign_subject_does_not_shut_out_its_owner(self):
        """Whoever signs writes the subject as well as the revision."""
        owner, other = self.key(), self.key("other")
        self.trust({"key": owner, "ratchet": True}, {"key": other, "ratchet": True})
        ours = self.sign("--rev", "8")
        subject = json.loads(self.writ("inspect", "-o", "json", ours).stdout)["writ"]["token"]["subject"]
        theirs = self.folder / "theirs.wasm"
        self.writ("sign", "--issuer", "other", "--subject", subject, "--rev", str(2**31 - 1), "--out", theirs, self.raw)
        self.start(theirs).wait_line("ratchet")
        self.start(ours).wait_line("ratchet")
        learnt = json.loads(self.writ("trust", "list", "-o", "json").stdout)["minimum_revisions"]
        self.assertEqual({row["issuer"]: row["revision"] for row in learnt}, {owner: 8, other: 2**31 - 1})
        self.writ("trust", "require", subject, "--issuer", other, "--rev", "1")
        self.writ("trust", "require", subject, "--rev", "9")
        self.assertIn("rolled-back", self.refused(ours))

    def test_a_second_token_section(self):
        self.trusted_key()
        data = self.sign().read_bytes()
        other = self.sign("--rev", "2", name="other").read_bytes()
        raw_bytes = len(pathlib.Path(self.writ_stripped()).read_bytes())
        path = self.folder / "two.wasm"
        path.write_bytes(data + other[raw_bytes:])
        self.refused_always(path)

    def writ_stripped(self):
        return self.raw

    def test_imports_beyond_the_writ(self):
        self.trusted_key()
        path = self.sign("--cap", "wasi:io")
        text = self.refused(path, "--grant", "wasi:http/types")
        self.assertIn("wasi:http/types", text)
        self.refused(path, "--unsigned")
        writ = json.loads(self.writ("inspect", "-o", "json", path).stdout)["writ"]
        allowed = {row["name"].split("@")[0]: row["allowed"] for row in writ["imports"]}
        self.assertEqual((allowed["wasi:io/streams"], allowed["wasi:http/types"]), (True, False))
        self.assertEqual((writ["here"]["runs"], writ["here"]["reason"]), (False, "not-allowed"))
        self.assertIn("NOT allowed", self.writ("inspect", path).stdout)

    def test_imports_beyond_the_trust(self):
        self.trusted_key(allow=[{"interface": "wasi:io"}])
        self.assertIn("wasi:http/types", self.refused(self.sign()))

    def test_a_name_that_the_issuer_may_not_use(self):
        self.trusted_key(names=["shop/*"])
        self.start(self.sign("--name", "shop/hello"))
        self.assertIn("wrong-issuer", self.refused(self.sign("--name", "bank/hello", name="bank")))


class Detached(Host):
    def test_beside_the_component(self):
        self.trusted_key()
        token = self.folder / "hello.jwt"
        self.writ("sign", "--issuer", "acme", "--detached", token, self.raw)
        self.refused(self.raw)
        for workers in ("1", "0"):
            server = self.start(self.raw, "--token", token, "--workers", workers)
            self.assertEqual(server.get("/").status, 200)
            self.assertNotIn("UNSIGNED", server.log())
        self.assertIn("it may run", self.writ("inspect", "--token", token, self.raw).stdout)

    def test_of_another_component(self):
        self.trusted_key()
        token = self.folder / "hello.jwt"
        self.writ("sign", "--issuer", "acme", "--detached", token, self.raw)
        self.assertIn("hash-mismatch", self.refused_always(unsigned_guest("cli-c"), "--token", token))

    def test_files_that_are_none(self):
        self.trusted_key()
        token = self.folder / "token"
        for text in (b"", b"\n", b"x", b"a.b.c\n", b"\0" * 100):
            token.write_bytes(text)
            for more in ((), ("--unsigned",)):
                with self.subTest(text=text, more=more):
                    self.refused(self.raw, "--token", token, *more)
        self.refused(self.raw, "--token", self.folder / "missing", "--unsigned", status=ENVIRONMENT)

    def test_another_than_the_one_inside(self):
        self.trusted_key()
        token = self.folder / "hello.jwt"
        self.writ("sign", "--issuer", "acme", "--detached", token, self.raw)
        self.refused_always(self.sign("--rev", "3"), "--token", token)


class Broken(Host):
    """A host that is set up wrongly starts nothing."""

    def test_trust_store(self):
        self.trusted_key()
        path = self.sign()
        store = self.home / "trust.json"
        whole = store.read_text()
        for text in (whole[:len(whole) // 2], "", "{}", whole.replace('"note"', '"nota"'), whole + "x"):
            store.write_text(text)
            with self.subTest(text=text):
                for more in ((), ("--unsigned",)):
                    self.assertIn("trust", self.refused(path, *more, status=ENVIRONMENT))
                self.assertIn("REFUSED", self.writ("inspect", path).stdout)
        store.write_text(whole)
        store.chmod(0o666)
        self.assertIn("trust.json", self.refused(path, "--unsigned"))

    def test_settings(self):
        self.trusted_key()
        path = self.sign()
        settings = self.folder / "host.conf"
        for text in ("require_signatures = maybe\n", "locked\n", "a = b\n", "trust_store = x\n", "\0"):
            settings.write_text(text)
            with self.subTest(text=text):
                self.assertIn("host.conf:1:", self.refused(path, "--config", settings, status=ENVIRONMENT))
                self.assertIn("REFUSED", self.writ("inspect", "--config", settings, path).stdout)
        settings.write_text("# fine\n")
        self.start(path, "--config", settings)
        settings.chmod(0o622)
        self.assertIn("host.conf", self.refused(path, "--config", settings))
        self.refused(path, "--config", self.folder / "missing", status=ENVIRONMENT)


class Locked(Host):
    def setUp(self):
        super().setUp()
        self.trusted_key()
        self.settings = self.folder / "host.conf"
        self.settings.write_text("require_signatures = locked\n")

    def test_no_option_makes_an_exception(self):
        text = self.refused(self.raw, "--config", self.settings)
        self.assertIn("locked", text)
        self.assertNotIn("--unsigned", text)
        self.assertIn("not possible on this host", self.refused(self.raw, "--config", self.settings, "--unsigned"))
        self.refused(self.sign(), "--config", self.settings, "--unsigned")
        self.start(self.sign(), "--config", self.settings)

    def test_the_trust_store_stays_where_it_is(self):
        other = self.folder / "other.json"
        shutil.copyfile(self.home / "trust.json", other)
        other.chmod(0o600)
        path = self.sign()
        self.start(path, "--trust", other)
        self.assertIn("locked", self.refused(path, "--config", self.settings, "--trust", other))
        self.settings.write_text(f"require_signatures = locked\ntrust_store = {other}\n")
        self.start(path, "--config", self.settings, "--trust", other)
        write_trust(other)
        self.refused(path, "--config", self.settings)
        self.refused(path, "--config", self.settings, "--trust", self.home / "trust.json")

    def test_settings_of_the_system(self):
        """/etc/writ/host.conf, in a mount namespace in which /etc is the test's."""
        probe = subprocess.run(["unshare", "-rm", "mount", "--bind", self.folder, "/etc"], capture_output=True,
                               text=True)
        if probe.returncode != 0:
            raise unittest.SkipTest(f"no mount namespace to put a /etc/writ/host.conf in: {probe.stderr.strip()}")
        etc = self.folder / "etc"
        (etc / "writ").mkdir(parents=True)
        (etc / "writ" / "host.conf").write_text("require_signatures = locked\n")
        path = self.sign()
        extra = self.folder / "extra.conf"
        extra.write_text("require_signatures = yes\n")

        def run(*options):
            script = f"mount --bind {etc} /etc && exec \"$@\""
            return subprocess.run(["unshare", "-rm", "sh", "-c", script, "sh", harness.BINARY, "run", "--cache",
                                   harness.CACHE, "--listen", "127.0.0.1:0", "--workers", "0", *map(str, options)],
                                  stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
                                  env=harness.environment(self.env))

        for options in (("--unsigned", self.raw), ("--unsigned", "--config", extra, self.raw)):
            done = run(*options)
            self.assertEqual(done.returncode, REFUSED, done.stderr)
            self.assertIn("not possible on this host", done.stderr)
        # WRIT_HOME and --trust do not move the store: /etc/writ/trust.json, which is not there, believes nobody.
        done = run(path)
        self.assertEqual(done.returncode, REFUSED, done.stderr)
        self.assertIn("/etc/writ/trust.json", done.stderr)
        done = run("--trust", self.home / "trust.json", path)
        self.assertIn("locked to the trust store /etc/writ/trust.json", done.stderr)
        (etc / "writ" / "host.conf").write_text("require_signatures locked\n")
        done = run(path)
        self.assertEqual(done.returncode, ENVIRONMENT, done.stderr)
        self.assertIn("/etc/writ/host.conf:1:", done.stderr)


class Running(Host):
    def test_what_was_verified_is_what_runs(self):
        """The file is replaced under a running host: workers that start later run what was verified."""
        self.trusted_key()
        path = self.sign()
        server = self.start(path, workers=1)
        before = server.get("/").text
        path.write_bytes(b"not a component any more")
        worker = server.workers()[0]
        os.kill(worker, signal.SIGKILL)
        server.wait_line("worker-replaced")
        self.assertNotEqual(server.workers()[0], worker)
        self.assertEqual(server.get("/").text, before)

    def test_a_token_that_expires_is_announced_and_stops_the_next_start(self):
        for workers in ("1", "0"):
            with self.subTest(workers=workers):
                if not (self.home / "trust.json").exists():
                    self.trusted_key()
                path = self.sign("--for", "12s")
                server = self.start(path, "--workers", workers)
                server.wait_line("token-expires-soon", 30)
                server.wait_line("token-expired", 30)
                self.assertEqual(server.get("/").status, 200)
                self.assertIn("expired", self.refused(path))


if __name__ == "__main__":
    sys.exit(harness.main())
