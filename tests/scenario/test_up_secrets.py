#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`writ up` with secrets from the sealed store, from mounted files and from a server with the API of Vault."""

import contextlib
import datetime
import http.server
import json
import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import unittest
import urllib.error
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "interop"))
import harness  # noqa: E402
import peers  # noqa: E402
import servers  # noqa: E402
from test_links import memory_files_with  # noqa: E402
from test_secrets import occurrences  # noqa: E402

MARKER = "Kd3-never-to-be-seen-Wp5"

MANIFEST = """\
apiVersion: core.oam.dev/v1beta1
kind: Application
metadata:
  name: shop
  annotations: {{version: v1}}
spec:
  components:
    - name: app
      type: component
      properties:
        image: ./app.wasm
        secrets: [{secrets}]
      traits:
        - type: spreadscaler
          properties: {{instances: 10}}
    - name: other
      type: component
      properties:
        image: ./app.wasm
        secrets: [{others}]
      traits:
        - type: spreadscaler
          properties: {{instances: 10}}
  policies:
    - name: app-bounds
      type: workload.writ/v1
      properties: {{components: app, routes: /}}
    - name: other-bounds
      type: workload.writ/v1
      properties: {{components: other, routes: other.example/, grant: wasmcloud:secrets}}
{policies}"""

POLICY = """\
    - name: {name}
      type: policy.secret.wasmcloud.dev/v1alpha1
      properties: {properties}
"""


def flow(values):
    """A map in YAML's flow style, all of it text."""
    return "{" + ", ".join(f"{k}: {json.dumps(str(v))}" for k, v in values.items()) + "}"


def secret(name, policy, key, **more):
    return f"{{name: {name}, properties: {flow({'policy': policy, 'key': key, **more})}}}"


class UpSecrets(harness.Case):
    seconds_max = 240

    def setUp(self):
        super().setUp()
        self.home = self.folder / "home"
        self.store = self.home / "secrets"
        self.log = self.folder / "logs" / "audit.log"
        shutil.copyfile(harness.guest("secrets-c"), self.folder / "app.wasm")

    def put(self, *arguments, value):
        done = harness.run("secrets", *arguments, env={"WRIT_HOME": str(self.home)}, cache=False, stdin=value.encode())
        self.assertEqual(0, done.returncode, done.stderr)

    def write(self, secrets, policies, others=()):
        text = MANIFEST.format(secrets=", ".join(secrets), others=", ".join(others),
                               policies="".join(POLICY.format(name=n, properties=flow(p))
                                                for n, p in policies.items()))
        path = self.folder / "app.yaml"
        path.write_text(text)
        return path

    def start(self, path, *options, **keywords):
        keywords.setdefault("workers", 1)
        return self.serve(path, "--secrets", self.store, "--audit", self.log, *options, command="up", **keywords)

    def check(self, path, *options):
        return harness.run("up", "--secrets", self.store, *options, path)

    def reveal(self, server, name):
        answer = server.get(f"/reveal?{name}")
        return answer.body.decode() if answer.status in (200, 206) else answer.status

    def place(self, path, part):
        """LINE:COLUMN of a part of the manifest."""
        text = path.read_text()
        at = text.index(part)
        return f"{path}:{text.count(chr(10), 0, at) + 1}:{at - text.rfind(chr(10), 0, at)}"

    def lines(self):
        return [json.loads(line) for line in self.log.read_text().splitlines()]


class Sealed(UpSecrets):
    POLICIES = {"safe": {"backend": "store"}}

    def test_granted_and_nothing_else(self):
        self.put("set", "key", value="one")
        self.put("set", "db", "--field", "password", value="two")
        path = self.write([secret("key", "safe", "key"), secret("password", "safe", "db", field="password")],
                          self.POLICIES, [secret("mine", "safe", "key")])
        for workers in (0, 1):
            with self.subTest(workers=workers):
                server = self.start(path, workers=workers)
                self.assertEqual("one", self.reveal(server, "key"))
                self.assertEqual("two", self.reveal(server, "password"))
                self.assertEqual(404, self.reveal(server, "mine"))  # the other component's
                self.assertEqual(404, self.reveal(server, "db"))
                server.close()
        reveals = [line["about"] for line in self.lines() if line["kind"] == "secret.reveal"]
        self.assertEqual(2 * [("shop-app", "key"), ("shop-app", "password")],
                         [(r["workload"], r["name"]) for r in reveals])
        self.assertEqual(0, harness.run("audit", "verify", self.log).returncode)

    def test_a_rotation_needs_no_restart_and_overlaps(self):
        self.put("set", "key", value="one")
        done = harness.run("secrets", "show", "key", "-o", "json", env={"WRIT_HOME": str(self.home)}, cache=False)
        first = json.loads(done.stdout)["version"]
        path = self.write([secret("key", "safe", "key"), secret("old", "safe", "key", version=first)], self.POLICIES)
        server = self.start(path)
        self.assertEqual("one", self.reveal(server, "key"))
        self.put("rotate", "key", "--overlap", "1d", value="two")
        self.until(lambda: self.reveal(server, "key") == "two", 20, "the new value is there")
        self.assertEqual("one", self.reveal(server, "old"))

    def test_all_that_are_missing_are_told_with_their_places(self):
        self.put("set", "key", value="one")
        path = self.write([secret("key", "safe", "key"), secret("first-gone", "safe", "nothing"),
                           secret("second-gone", "safe", "key", field="f")], self.POLICIES,
                          [secret("third-gone", "safe", "key", version="99")])
        for options in ((), ("--dry-run",)):
            done = self.check(path, *options)
            self.assertEqual(5, done.returncode, done.stderr)
            for name in ("first-gone", "second-gone", "third-gone"):
                self.assertIn(f"{self.place(path, name)}: error: the secret `{name}` of shop-", done.stderr)
            self.assertIn("3 secrets are missing", done.stderr)
            self.assertNotIn("serving", done.stderr)
        events = [json.loads(line) for line in self.check(path, "-o", "json").stderr.splitlines()]
        missing = [e for e in events if e.get("event") == "secret-missing"]
        self.assertEqual(["first-gone", "second-gone", "third-gone"], [e["secret"] for e in missing])
        self.assertTrue(all(e["absent"] and e["place"].startswith(str(path)) for e in missing))

    def test_a_dry_run_has_everything(self):
        self.put("set", "key", value=MARKER)
        done = self.check(self.write([secret("key", "safe", "key")], self.POLICIES), "--dry-run")
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertNotIn(MARKER, done.stdout + done.stderr)

    def test_shapes_are_checked(self):
        path = self.write([secret("a", "safe", MARKER + " !"), secret("b", "files", "k", version="1"),
                           secret("c", "far", "k"), secret("d", "short", "k")],
                          {"safe": {"backend": "store", "colour": "red"}, "files": {"backend": "kubernetes"},
                           "far": {"backend": "nats-kv"},
                           "short": {"backend": "vault", "address": "http://vault.example", "token-file": "t"}})
        for command in (("manifest", "check"), ("up",)):
            done = harness.run(*command, path)
            text = done.stdout + done.stderr
            self.assertEqual(4, done.returncode, text)
            for part, message in (('"' + MARKER, "this cannot be the `key` of a secret of the backend store"),
                                  ("colour", "the backend store has no setting `colour`"),
                                  ('"nats-kv"', "a host on its own has no backend `nats-kv`; it has store, kubernetes"),
                                  ('"http://vault', "this is no `address`; write https://")):
                self.assertIn(f"{self.place(path, part)}: error: {message}", text)
            self.assertIn("the policy `files` does not say enough; add `directory:`", text)
            self.assertIn("this cannot be the `version` of a secret of the backend kubernetes", text)
            self.assertNotIn(MARKER, text)

    def test_secrets_where_nobody_takes_them(self):
        self.put("set", "key", value="one")
        path = self.write([secret("key", "safe", "key")], self.POLICIES)
        text = path.read_text()
        link = ("        - type: link\n          properties: {namespace: wasi, package: keyvalue, interfaces: [store], "
                f"target: {{name: kv, secrets: [{secret('colour', 'safe', 'key')}]}}, "
                f"source: {{secrets: [{secret('stray', 'safe', 'key')}]}}}}\n")
        capability = "    - name: kv\n      type: capability\n      properties: {image: \"writ:redis\"}\n"
        path.write_text(text.replace("    - name: other\n", link + "    - name: other\n", 1)
                        .replace("  policies:\n", capability + "  policies:\n", 1))
        done = self.check(path)
        self.assertEqual(4, done.returncode, done.stderr)
        self.assertIn("nobody takes the secret `stray` from here", done.stderr)
        self.assertIn("the driver redis has no credential `colour`; it has", done.stderr)


class Mounted(UpSecrets):
    """Files as Kubernetes mounts them: DIRECTORY/SECRET/FIELD, swapped as a whole."""

    def setUp(self):
        super().setUp()
        self.mount = self.folder / "mounted"
        self.mount.mkdir(mode=0o755)
        self.turn = 0

    def swap(self, name, values, mode=0o400):
        """What the kubelet does: a new directory, then `..data` is replaced by a link to it."""
        top = self.mount / name
        top.mkdir(exist_ok=True)
        self.turn += 1
        fresh = top / f"..2026_11_21_{self.turn}"
        fresh.mkdir(mode=0o755)
        for field, value in values.items():
            (fresh / field).write_bytes(value if isinstance(value, bytes) else value.encode())
            (fresh / field).chmod(mode)
            if not (top / field).is_symlink():
                (top / field).symlink_to(pathlib.Path("..data") / field)
        before = os.readlink(top / "..data") if (top / "..data").is_symlink() else None
        (top / "..data_tmp").symlink_to(fresh.name)
        (top / "..data_tmp").rename(top / "..data")
        if before:
            shutil.rmtree(top / before)

    def policies(self, **more):
        return {"files": {"backend": "kubernetes", "directory": "./mounted", "refresh": "100ms", **more}}

    def test_values_fields_and_rotation(self):
        self.swap("db", {"user": "ann", "password": "one", "raw": b"\0\xff"})
        (self.mount / "plain").write_text("alone\n")
        (self.mount / "plain").chmod(0o400)
        path = self.write([secret("user", "files", "db", field="user"), secret("pw", "files", "db", field="password"),
                           secret("raw", "files", "db", field="raw"), secret("plain", "files", "plain")],
                          self.policies())
        server = self.start(path)
        self.assertEqual("ann", self.reveal(server, "user"))
        self.assertEqual("one", self.reveal(server, "pw"))
        self.assertEqual(206, server.get("/reveal?raw").status)
        self.assertEqual("alone\n", self.reveal(server, "plain"))
        self.swap("db", {"user": "bob", "password": "two", "raw": b"\1"})
        self.until(lambda: self.reveal(server, "pw") == "two", 20, "the new value is there")
        self.assertEqual("bob", self.reveal(server, "user"))  # of one time with the password
        self.swap("db", {"user": "bob"})
        self.until(lambda: self.reveal(server, "pw") == 500, 20, "what is gone is not revealed")
        self.assertEqual("bob", self.reveal(server, "user"))

    def test_a_mount_that_is_lost_changes_nothing(self):
        self.swap("db", {"user": "ann"})
        path = self.write([secret("user", "files", "db", field="user")], self.policies())
        server = self.start(path)
        self.mount.rename(self.folder / "away")
        server.wait_line("stay as they were", 20)
        self.assertEqual("ann", self.reveal(server, "user"))
        (self.folder / "away").rename(self.mount)
        server.wait_line("can be looked at again", 20)

    def test_permissions(self):
        path = self.write([secret("user", "files", "db", field="user")], self.policies())
        self.swap("db", {"user": MARKER}, mode=0o444)
        done = self.check(path)
        self.assertEqual(3, done.returncode, done.stderr)
        self.assertIn("can be read by all users: chmod o-r it (in Kubernetes: defaultMode 0400", done.stderr)
        self.swap("db", {"user": MARKER}, mode=0o620)
        self.assertIn("can be written by other users", self.check(path).stderr)
        self.swap("db", {"user": MARKER})
        (self.mount / "db").chmod(0o777)
        self.assertIn("can be written by other users", self.check(path).stderr)
        (self.mount / "db").chmod(0o1777)  # a mount of tmpfs
        self.assertEqual(0, self.check(path, "--dry-run").returncode)
        (self.mount / "db" / "..data").unlink()
        (self.mount / "db" / "..data").symlink_to("../../elsewhere")
        self.assertIn("is not a link to a directory beside it", self.check(path).stderr)
        (self.mount / "db" / "..data").unlink()  # then only the links to it are left
        done = self.check(path)
        self.assertIn("is a symbolic link", done.stderr)
        self.assertNotIn(MARKER, done.stderr)


class Gateway(http.server.BaseHTTPRequestHandler):
    """In front of the server: logs in whoever has the token of a service account, as the method `kubernetes` does where
    there is a Kubernetes to ask; passes everything else on."""

    bao = None  # of a class made for one test
    logins = None

    def answer(self, code, document):
        body = json.dumps(document).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.logins.append((self.path, body))
        if body != {"role": "shop", "jwt": "header.claims.signature"}:
            self.answer(403, {"errors": ["permission denied"]})
            return
        self.answer(200, self.bao.call("POST", "auth/token/create", {"policies": ["reader"], "ttl": "1h"}))

    def do_GET(self):
        if self.path.endswith("/huge"):
            self.answer(200, {"data": {"data": {"x": "y" * (1 << 21)}, "metadata": {"version": 1}}})
            return
        try:
            self.answer(200, self.bao.call("GET", self.path.removeprefix("/v1/"), token=self.headers["X-Vault-Token"]))
        except AssertionError:
            self.answer(404, {"errors": []})

    def log_message(self, *_):
        pass


class Bao:
    """OpenBao with its storage in memory, over HTTPS."""

    TOKEN = "root-token-of-tests"

    def __init__(self, case):
        program = peers.openbao()
        self.folder = case.folder / "bao"
        self.folder.mkdir()
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.address = f"https://127.0.0.1:{self.port}"
        self.output = open(self.folder / "log", "wb")  # pylint: disable=consider-using-with
        self.program = program
        self.process = None
        case.addCleanup(self.close)
        self.start()
        shutil.copyfile(self.folder / "vault-ca.pem", case.folder / "ca.pem")  # it is removed with the server

    def start(self):
        self.process = subprocess.Popen(
            [self.program, "server", "-dev", "-dev-tls", f"-dev-tls-cert-dir={self.folder}",
             f"-dev-root-token-id={self.TOKEN}", f"-dev-listen-address=127.0.0.1:{self.port}", "-dev-no-store-token"],
            stdin=subprocess.DEVNULL, stdout=self.output, stderr=subprocess.STDOUT,
            env={"HOME": str(self.folder), "PATH": os.environ["PATH"]})
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, AssertionError):
                self.context = ssl.create_default_context(cafile=str(self.folder / "vault-ca.pem"))
                if self.call("GET", "sys/health"):
                    return
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        raise AssertionError("OpenBao does not start: " + (self.folder / "log").read_text()[-2000:])

    def stop(self):
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        self.process.wait(20)

    def close(self):
        if self.process.poll() is None:
            self.stop()
        self.output.close()

    def call(self, method, path, body=None, token=TOKEN):
        request = urllib.request.Request(f"{self.address}/v1/{path}", method=method,
                                         data=None if body is None else json.dumps(body).encode(),
                                         headers={"X-Vault-Token": token})
        try:
            with urllib.request.urlopen(request, timeout=20, context=self.context) as answer:
                text = answer.read()
        except urllib.error.HTTPError as e:
            raise AssertionError(f"{method} {path}: {e.code} {e.read().decode()}") from None
        return json.loads(text) if text else {}

    def put(self, key, **fields):
        return self.call("POST", f"secret/data/{key}", {"data": fields})["data"]["version"]

    def login_ends(self):
        """When the last of all logins of AppRoles that are still there ends."""
        ends = [datetime.datetime.min]
        for one in self.call("LIST", "auth/token/accessors")["data"]["keys"]:
            with contextlib.suppress(AssertionError):  # it has ended since
                token = self.call("POST", "auth/token/lookup-accessor", {"accessor": one})["data"]
                if token["path"].startswith("auth/approle/"):
                    ends.append(datetime.datetime.fromisoformat(token["expire_time"][:19]))
        return max(ends)

    def policy(self, name, *keys):
        rules = "".join(f'path "secret/data/{key}" {{ capabilities = ["read"] }}\n' for key in keys)
        self.call("PUT", f"sys/policies/acl/{name}", {"policy": rules})


class Server(UpSecrets):
    """Against a real server."""

    def setUp(self):
        super().setUp()
        self.bao = Bao(self)
        self.token_file = self.folder / "token"
        self.write_private(self.token_file, self.bao.TOKEN)

    def write_private(self, path, text):
        path.write_text(text + "\n")
        path.chmod(0o600)

    def policies(self, **more):
        given = {"backend": "vault", "address": self.bao.address, "ca-file": "./ca.pem", "refresh": "200ms",
                 **({} if "auth" in more or "token-secret" in more else {"token-file": "./token"}), **more}
        return {"vault": {k: v for k, v in given.items() if v is not None}}

    def test_values_fields_versions_and_rotation(self):
        first = self.bao.put("team/db", user="ann", password="one \u00e9\n\"\\")
        self.bao.put("alone", only="x" * 60000)
        path = self.write([secret("user", "vault", "team/db", field="user"),
                           secret("pw", "vault", "team/db", field="password"),
                           secret("old", "vault", "team/db", field="password", version=first),
                           secret("alone", "vault", "alone")], self.policies())
        server = self.start(path)
        self.assertEqual("ann", self.reveal(server, "user"))
        self.assertEqual("one \u00e9\n\"\\", self.reveal(server, "pw"))
        self.assertEqual("x" * 60000, self.reveal(server, "alone"))
        second = self.bao.put("team/db", user="bob", password="two")
        self.until(lambda: self.reveal(server, "pw") == "two", 20, "the new value is there")
        self.assertEqual("bob", self.reveal(server, "user"))
        self.assertEqual("one \u00e9\n\"\\", self.reveal(server, "old"))  # the overlap
        self.bao.call("POST", "secret/destroy/team/db", {"versions": [first]})
        self.until(lambda: self.reveal(server, "old") == 500, 20, "the old one is gone")
        self.assertEqual("two", self.reveal(server, "pw"))
        server.close()
        reveals = [line["about"] for line in self.lines() if line["kind"] == "secret.reveal"]
        self.assertIn({"workload": "shop-app", "name": "pw", "version": second}, reveals)

    def test_all_that_are_missing_are_told_with_their_places(self):
        self.bao.put("db", user="ann", password="p")
        self.put("set", "key", value="one")
        path = self.write([secret("none-such", "vault", "nothing"), secret("no-field", "vault", "db", field="f"),
                           secret("which-one", "vault", "db"), secret("not-stored", "safe", "other")],
                          {**self.policies(), "safe": {"backend": "store"}})
        done = self.check(path, "--dry-run")
        self.assertEqual(5, done.returncode, done.stderr)
        for name, reason in (("none-such", "there is no such secret"), ("no-field", "has no field f"),
                             ("which-one", "2 fields: name one"), ("not-stored", "there is no secret other")):
            line = next(line for line in done.stderr.splitlines() if f"`{name}`" in line)
            self.assertTrue(line.startswith(self.place(path, name)), line)
            self.assertIn(reason, line)

    def test_the_server_is_lost_and_comes_back(self):
        self.bao.put("db", password="one")
        path = self.write([secret("pw", "vault", "db")], self.policies(timeout="1s"))
        server = self.start(path)
        self.assertEqual("one", self.reveal(server, "pw"))
        self.bao.process.send_signal(signal.SIGSTOP)
        server.wait_line("stay as they were", 30)
        self.assertEqual("one", self.reveal(server, "pw"))
        self.bao.process.send_signal(signal.SIGCONT)
        self.bao.put("db", password="two")
        server.wait_line("can be looked at again", 60)
        self.until(lambda: self.reveal(server, "pw") == "two", 30, "the new value is there")

    def test_values_are_kept_no_longer_than_was_said(self):
        self.bao.put("db", password="one")
        server = self.start(self.write([secret("pw", "vault", "db")], self.policies(keep="2s")))
        self.assertEqual("one", self.reveal(server, "pw"))
        self.bao.stop()
        self.until(lambda: self.reveal(server, "pw") == 500, 60, "it is not given any more")

    def test_nobody_is_there(self):
        self.bao.stop()
        done = self.check(self.write([secret("pw", "vault", "db")], self.policies(timeout="2s")))
        self.assertEqual(5, done.returncode, done.stderr)
        self.assertIn(f"{self.bao.address}: ", done.stderr)

    def test_whom_tls_trusts(self):
        done = self.check(self.write([secret("pw", "vault", "db")], self.policies(**{"ca-file": None})))
        self.assertNotEqual(0, done.returncode)
        self.assertRegex(done.stderr, "(?i)certificate")

    def test_a_token_that_may_not(self):
        self.bao.put("db", password="one")
        self.bao.put("other", password="two")
        self.bao.policy("reader", "db")
        made = self.bao.call("POST", "auth/token/create", {"policies": ["reader"], "ttl": "1h"})
        self.write_private(self.token_file, made["auth"]["client_token"])
        path = self.write([secret("pw", "vault", "db"), secret("other", "vault", "other")], self.policies())
        done = self.check(path)
        self.assertEqual(3, done.returncode, done.stderr)
        self.assertIn(f"{self.place(path, 'other,')}: error: the secret `other`", done.stderr)
        self.assertNotIn("`pw`", done.stderr)
        self.write_private(self.token_file, "no-such-token")
        self.assertEqual(3, self.check(path).returncode)
        self.token_file.chmod(0o644)
        self.assertIn("can be read by all users", self.check(path).stderr)

    def test_the_token_from_the_sealed_store(self):
        self.bao.put("db", password="one")
        self.put("set", "bao", "--field", "token", value=self.bao.TOKEN)
        path = self.write([secret("pw", "vault", "db")], self.policies(**{"token-secret": "bao:token"}))
        self.assertEqual("one", self.reveal(self.start(path), "pw"))
        path = self.write([secret("pw", "vault", "db")], self.policies(**{"token-secret": "bao:gone"}))
        done = self.check(path)
        self.assertNotEqual(0, done.returncode)
        self.assertIn("the secret bao has no field gone", done.stderr)

    def test_app_role(self):
        self.bao.put("db", password="one")
        self.bao.policy("reader", "db")
        self.bao.call("POST", "sys/auth/approle", {"type": "approle"})
        # A token lives for three seconds, so the login is repeated while the host runs.
        self.bao.call("POST", "auth/approle/role/shop", {"token_policies": "reader", "token_ttl": "3s"})
        role = self.bao.call("GET", "auth/approle/role/shop/role-id")["data"]["role_id"]
        made = self.bao.call("POST", "auth/approle/role/shop/secret-id", {})["data"]["secret_id"]
        self.write_private(self.folder / "secret-id", made)
        path = self.write([secret("pw", "vault", "db")],
                          self.policies(auth="approle", role=role, **{"secret-id-file": "./secret-id"}))
        server = self.start(path)
        self.assertEqual("one", self.reveal(server, "pw"))
        ends = self.bao.login_ends()
        self.until(lambda: self.bao.login_ends() >= ends + datetime.timedelta(seconds=3), 20,
                   "the time of the first login is over, and it goes on")
        self.bao.put("db", password="two")
        self.until(lambda: self.reveal(server, "pw") == "two", 20, "the new value is there")
        self.assertNotIn("stay as they were", server.log())
        self.write_private(self.folder / "secret-id", "wrong")
        done = self.check(path)
        self.assertEqual(3, done.returncode, done.stderr)
        self.assertIn("the server refuses the login", done.stderr)

    def test_kubernetes(self):
        handler = type("OneGateway", (Gateway,), {"bao": self.bao, "logins": []})
        gateway = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        thread = threading.Thread(target=gateway.serve_forever, daemon=True)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(gateway.server_close)
        self.addCleanup(gateway.shutdown)
        self.bao.put("db", password="one")
        self.bao.policy("reader", "db")
        jwt = self.folder / "jwt"
        jwt.write_text("header.claims.signature")
        jwt.chmod(0o644)  # as Kubernetes does
        path = self.write([secret("pw", "vault", "db")], self.policies(
            address=f"http://127.0.0.1:{gateway.server_address[1]}", auth="kubernetes", role="shop",
            **{"auth-mount": "kube", "jwt-file": "./jwt", "ca-file": None}))
        self.assertEqual("one", self.reveal(self.start(path), "pw"))
        self.assertEqual("/v1/auth/kube/login", handler.logins[0][0])
        path = self.write([secret("huge", "vault", "huge")], self.policies(
            address=f"http://127.0.0.1:{gateway.server_address[1]}", auth="kubernetes", role="shop",
            **{"jwt-file": "./jwt", "ca-file": None}))
        done = self.check(path)
        self.assertEqual(4, done.returncode, done.stderr)
        self.assertIn("the server's answer is too long", done.stderr)
        jwt.write_text("another")
        self.assertEqual(3, self.check(path).returncode)
        jwt.chmod(0o666)
        self.assertIn("can be written by other users", self.check(path).stderr)


class Credentials(UpSecrets):
    """Of a link to a driver, from a secret that changes while it is in use."""

    def tell(self, *lines):
        with socket.create_connection(("127.0.0.1", self.redis.port), timeout=10) as s:
            s.sendall("".join(line + "\r\n" for line in lines).encode())
            answer = b""
            while answer.count(b"\r\n") < len(lines):
                answer += s.recv(4096)
            self.assertEqual(["+OK"] * (len(lines) - 1), answer.decode().split("\r\n")[:len(lines) - 1])

    def manifest(self):
        link = ("        - type: link\n          properties: {namespace: wasi, package: keyvalue, "
                "interfaces: [store, atomics, batch], target: {name: kv, "
                f"config: [{{name: kv-place, properties: {{host: 127.0.0.1, port: \"{self.redis.port}\"}}}}], "
                f"secrets: [{secret('PASSWORD', 'safe', 'cache', field='password')}]}}}}\n")
        capability = "    - name: kv\n      type: capability\n      properties: {image: \"writ:redis\"}\n"
        path = self.write([], {"safe": {"backend": "store"}})
        text = path.read_text().replace("        secrets: []\n", "").replace("./app.wasm", "./links.wasm", 1)
        text = text.replace("    - name: other\n", link + "    - name: other\n", 1)
        path.write_text(text.replace("  policies:\n", capability + "  policies:\n", 1))
        return path

    def test_a_new_password_is_taken_without_a_failed_request(self):
        shutil.copyfile(harness.guest("links-c"), self.folder / "links.wasm")
        self.redis = servers.Redis(self)
        self.redis.stop()
        self.redis.start("--requirepass", "first-" + MARKER)
        self.put("set", "cache", "--field", "password", value="first-" + MARKER)
        server = self.start(self.manifest(), "--data", self.folder / "data")
        self.assertEqual(200, server.get("/kv/set?bucket=b&key=k&value=x").status)
        (put,) = [line["about"] for line in self.lines() if line["kind"] == "link.put"]
        self.assertEqual("host port password", put["settings"])
        # The server takes the new one from now on; connections that are there stay.
        self.tell("AUTH first-" + MARKER, "CONFIG SET requirepass second-" + MARKER, "PING")
        stop, failures = threading.Event(), []

        def load():
            while not stop.is_set():
                answer = server.get("/kv/get?bucket=b&key=k")
                if answer.status != 200:
                    failures.append(answer.body)

        thread = threading.Thread(target=load)
        thread.start()
        try:
            before = self.clients()
            self.put("rotate", "cache", "--field", "password", value="second-" + MARKER)
            self.until(lambda: self.clients() and not self.clients() & before, 30, "a connection with the new password")
        finally:
            stop.set()
            thread.join()
        self.assertEqual([], failures)
        self.tell("AUTH second-" + MARKER, "CLIENT KILL TYPE normal SKIPME yes")
        self.until(lambda: server.get("/kv/get?bucket=b&key=k").status == 200, 30, "it connects again")
        server.close()
        self.assertNotIn(MARKER, server.log() + self.log.read_text())

    def clients(self):
        """Ids of the connections that the driver has."""
        with socket.create_connection(("127.0.0.1", self.redis.port), timeout=10) as s:
            s.sendall(f"AUTH second-{MARKER}\r\nCLIENT LIST\r\n".encode())
            text = b""
            while not text.endswith(b"\n\r\n"):
                text += s.recv(65536)
        return {word for line in text.decode().splitlines() if "cmd=client" not in line
                for word in line.split() if word.startswith("id=")}


def descendants(pid):
    found = [pid]
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                if (entry / "stat").read_text().rsplit(")", 1)[1].split()[1] == str(pid):
                    found += descendants(int(entry.name))
    return found


class NothingLeaks(UpSecrets):
    """One marker as the value from each backend, and a search for it in all that can be seen from outside."""

    def search(self, server, values, keeper):
        for process in descendants(server.process.pid):
            proc = pathlib.Path("/proc", str(process))
            command = (proc / "cmdline").read_bytes()
            for value in values:
                self.assertNotIn(value.encode(), command + (proc / "environ").read_bytes())
                self.assertEqual([], memory_files_with(process, value.encode()))
            if harness.BINARY.parent.name == "release":  # else lazy binding leaves registers on the stack
                found = [occurrences(process, value.encode()) for value in values]
                self.assertEqual([int(process == keeper)] * len(values), found, command)
        for file in (f for f in self.folder.rglob("*") if f.is_file() and f not in self.sources):
            for value in values:
                self.assertNotIn(value.encode(), file.read_bytes(), file)

    def cores(self, server):
        """No process that has, or could have, a value leaves a core dump; nobody but root looks into it."""
        for process in descendants(server.process.pid):
            limits = pathlib.Path(f"/proc/{process}/limits").read_text()
            if process != server.process.pid:  # the parent of generations reads nothing
                self.assertRegex(limits, r"Max core file size +0 +0", harness.command_line(process))

    def test_a_marker_is_nowhere(self):
        values = [f"{MARKER}-{kind}-0123456789abcdef" for kind in ("store", "files", "server")]
        self.put("set", "key", value=values[0])
        mount = self.folder / "mounted"
        mount.mkdir()
        (mount / "plain").write_text(values[1])
        (mount / "plain").chmod(0o400)
        self.sources = {mount / "plain"}
        policies = {"safe": {"backend": "store"},
                    "files": {"backend": "kubernetes", "directory": "./mounted", "refresh": "1h"}}
        secrets = [secret("a", "safe", "key"), secret("b", "files", "plain")]
        with contextlib.suppress(unittest.SkipTest):
            bao = Bao(self)
            bao.put("db", password=values[2])
            token = self.folder / "token"
            token.write_text(bao.TOKEN)
            token.chmod(0o600)
            policies["far"] = {"backend": "vault", "address": bao.address, "ca-file": "./ca.pem",
                               "token-file": "./token", "refresh": "1h"}
            secrets.append(secret("c", "far", "db"))
        path = self.write(secrets, policies)
        for workers in (0, 2):
            with self.subTest(workers=workers):
                server = self.start(path, "--verbose", "--metrics", "0", workers=workers)
                for name, value in zip("abc", values[:len(secrets)]):  # the component sees it, and tells its length
                    self.assertEqual(f"{len(value)} bytes\n".encode(), server.get(f"/use?{name}").body)
                (keeper,) = server.generations() if workers else [server.process.pid]
                self.search(server, values[:len(secrets)], keeper)
                if workers:
                    self.cores(server)
                for name, value in zip("abc", values[:len(secrets)]):
                    self.assertEqual(value, self.reveal(server, name))
                server.close()
                self.assertNotIn(MARKER, server.log())
        done = self.check(path, "--dry-run", "-o", "json")
        self.assertEqual(0, done.returncode, done.stderr)
        for command in (("manifest", "show", path), ("manifest", "check", path), ("audit", "show", self.log)):
            done = harness.run(*command)
            self.assertNotIn(MARKER, done.stdout + done.stderr)

    def test_a_killed_supervisor_leaves_no_dump(self):
        """SIGABRT would make one, if anything does here; unlike SIGQUIT no shell has it ignored."""
        self.put("set", "key", value=MARKER)
        server = self.start(self.write([secret("a", "safe", "key")], {"safe": {"backend": "store"}}), workers=1)
        server.may_fail = True
        self.assertEqual(MARKER, self.reveal(server, "a"))
        (generation,) = server.generations()
        os.kill(generation, signal.SIGABRT)
        self.until(lambda: server.process.poll() is not None, 20, "the end of all")
        self.assertEqual([], [f for f in self.folder.rglob("core*") if f.is_file()])


if __name__ == "__main__":
    sys.exit(harness.main())
