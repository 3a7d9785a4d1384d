# SPDX-License-Identifier: Apache-2.0
"""`writ spiffe show` and `writ run --spiffe`: against a workload API that misbehaves on demand
(tests/interop/workload-api-go), and against a real SPIRE server and agent."""

import base64
import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import threading
import unittest
import urllib.request

import harness

sys.path.insert(0, str(harness.ROOT / "tests" / "interop"))
import peers  # noqa: E402

HOST = "spiffe://example.org/host"


class SpiffeCase(harness.Case):
    def show(self, path, *options):
        return harness.run("spiffe", "show", "--socket", f"unix://{path}", *options)

    def workload_id(self, domain="example.org"):
        """What the ID of the signed guest must be, from what `writ inspect` says of its token."""
        done = harness.run("inspect", "-o", "json", harness.guest("hello-c"))
        text = done.stdout
        account = harness.account()
        subject = re.search(r'"(M[A-Z2-7]{55})"', text)[1]
        return f"spiffe://{domain}/writ/{account}/{subject}"

    def metrics(self, server):
        url = re.search(r'http://[^"\s]+/metrics', server.wait_line("/metrics"))[0]
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.read().decode()

    def identity(self, server):
        return next(e for e in server.events() if e.get("event") == "identity")


# ---- our own workload API


class DoubleCase(SpiffeCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        peers.workload_api_go()  # the first call builds it, which takes longer than a test may

    def setUp(self):
        super().setUp()
        self.path = self.folder / "api.sock"
        self.api = peers.Lines([peers.workload_api_go(), str(self.path)], dict(os.environ))
        self.addCleanup(self.api.close)
        self.assertEqual("ready", self.api.process.stdout.readline().strip())

    def tell(self, *words):
        self.assertEqual(["ok"], self.api.ask(*words))

    def run_host(self, *options, **keywords):
        return self.serve(harness.guest("hello-c"), "--spiffe", f"unix://{self.path}", *options, **keywords)


class Show(DoubleCase):
    def test_identity(self):
        done = self.show(self.path, "-o", "json")
        self.assertEqual(0, done.returncode, done.stderr)
        found = json.loads(done.stdout)
        self.assertEqual((HOST, "example.org", "ECDSA P-256", 1),
                         (found["spiffe_id"], found["trust_domain"], found["key_kind"], found["certificates"]))
        self.assertEqual("CN=good", found["authorities"][0]["subject"])
        self.assertEqual([{"trust_domain": "partner.example", "readable": True, "authorities": 1}],
                         found["federated"])
        self.assertNotIn("jwt_svid", found)
        self.assertIn(HOST, self.show(self.path).stdout)
        self.assertEqual(["2"], self.api.ask("calls"))

    def test_refused_certificates(self):
        for kind, words in (
            ("no-uri", "exactly one URI among its names, and this certificate has 0"),
            ("two-uris", "exactly one URI among its names, and this certificate has 2"),
            ("no-spiffe", "does not start with spiffe://"),
            ("no-path", "has no path"),
            ("other-id", "the certificate is for spiffe://example.org/other, not for"),
            ("ca", "an authority's"),
            ("cert-sign", "lets it sign certificates"),
            ("no-signature", "no digital signature"),
            ("server-only", "names not both TLS server and client"),
            ("expired", "no longer valid"),
            ("future", "not yet valid"),
            ("other-bundle", "does not lead to a trusted authority"),
            ("no-bundle", "the authorities of the trust domain"),
            ("wrong-key", "the private key does not belong to the certificate"),
            ("garbage", "no certificate in DER form"),
            ("trailing", "no certificate in DER form"),
            ("none", "has no X.509-SVID"),
            ("big", "at most 524288 are taken"),
            ("deny", "PERMISSION_DENIED: no identity issued?[31m; register this host there"),
            ("unavailable", "UNAVAILABLE: not yet"),
            ("end", "the server ended the call"),
        ):
            with self.subTest(kind):
                self.tell("x509", kind)
                done = self.show(self.path)
                self.assertIn(words, done.stderr)
                self.assertEqual("", done.stdout)
                self.assertEqual(5 if kind in ("big", "unavailable", "end") else 3,
                                 done.returncode, done.stderr)

    def test_chains(self):
        for kind in ("intermediate", "name-constraint-fits"):
            with self.subTest(kind):
                self.tell("x509", kind)
                done = self.show(self.path)
                self.assertEqual(0, done.returncode, done.stderr)

    def test_forged_chains(self):
        for kind, words in (
            ("below-a-workload", "invalid CA certificate"),
            ("usage-alone", "is no authority|invalid CA certificate"),
            ("authority-without-usage", "does not lead to a trusted authority"),
            ("path-length", "path length constraint exceeded"),
            ("name-constraint", "permitted subtree violation"),
            ("name-exclusion", "excluded subtree violation"),
            ("expired-authority", "certificate has expired"),
            ("foreign-authority", "does not lead to a trusted authority"),
            ("same-name", "does not lead to a trusted authority"),
            ("foreign-domain", "does not lead to a trusted authority"),
            ("foreign-domain-in-certificate", "is not of the trust domain example.org"),
            ("like-domain", "is not of the trust domain example.org"),
            ("self-signed", "does not lead to a trusted authority"),
            ("wrong-order", "has 0"),
            ("critical", "unhandled critical extension"),
            ("way-up", 'the path segment "..'),
            ("nul", "not of printable ASCII"),
            ("names-twice", "broken or there twice|names of a certificate are broken"),
            ("many", "more than 64 certificates"),
            ("weak-key", "an RSA key has 1024 bits"),
            ("key-with-more", "not one in PKCS #8 form"),
            ("no-key", "not one in PKCS #8 form"),
        ):
            with self.subTest(kind):
                self.tell("x509", kind)
                done = self.show(self.path)
                self.assertEqual((5 if kind == "many" else 3, ""), (done.returncode, done.stdout), done.stderr)
                self.assertRegex(done.stderr, words)

    def test_jwt(self):
        done = self.show(self.path, "--audience", "reports", "-o", "json")
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertEqual(("reports", 1), tuple(json.loads(done.stdout)["jwt_svid"][k] for k in ("audience", "keys")))
        self.tell("jwt", "one-audience")
        self.assertEqual(0, self.show(self.path, "--audience", "reports").returncode)

    def test_refused_tokens(self):
        for kind, words in (
            ("alg-none", "another algorithm"),
            ("alg-hmac", "another algorithm"),
            ("alg-rsa", "not one for RS256"),
            ("no-kid", "does not name its key"),
            ("other-kid", "not among those of the trust domain"),
            ("more-header", "something else than alg, kid and typ"),
            ("other-key", "the signature of a JWT-SVID is wrong"),
            ("other-audience", 'not for the audience "reports"'),
            ("no-audience", 'not for the audience "reports"'),
            ("expired", "has expired"),
            ("no-expiry", "does not say when it expires"),
            ("other-subject", "for another SPIFFE ID"),
            ("other-domain", "not of the trust domain example.org"),
            ("none", "has no JWT-SVID"),
        ):
            with self.subTest(kind):
                self.tell("jwt", kind)
                done = self.show(self.path, "--audience", "reports")
                self.assertIn(words, done.stderr)
                self.assertEqual(3, done.returncode, done.stderr)

    def test_forged_tokens(self):
        audience, expiry = 'not for the audience "reports"', "does not say when it expires"
        for kind, words in (
            ("hmac-of-public-key", "another algorithm"),
            ("signature-of-none", "another algorithm"),
            ("lower-case", "another algorithm"),
            ("other-curve", "not one for ES384"),
            ("zero-signature", "the signature of a JWT-SVID is wrong"),
            ("empty-signature", "wrong length"),
            ("der-signature", "wrong length"),
            ("own-key", "something else than alg, kid and typ"),
            ("critical", "something else than alg, kid and typ"),
            ("two-algorithms", "duplicate"),
            ("two-subjects", "duplicate"),
            ("partner-key", "not among those of the trust domain"),
            ("four-parts", "not three parts"),
            ("padded", "not three parts"),
            ("not-yet", "is not yet valid"),
            ("expiry-text", expiry),
            ("expiry-null", expiry),
            ("expiry-huge", expiry),
            ("expiry-negative", expiry),
            ("expiry-far", expiry),
            ("audience-object", audience),
            ("audience-nested", audience),
            ("audience-mixed", audience),
            ("audience-start", audience),
            ("audience-zero", f"{audience}|JSON"),
            ("audience-empty", audience),
            ("like-domain", "not of the trust domain example.org"),
            ("no-path", "has no path or"),
            ("way-up", 'the path segment "..'),
            ("no-claims", "has no subject"),
        ):
            with self.subTest(kind):
                self.tell("jwt", kind)
                done = self.show(self.path, "--audience", "reports")
                self.assertEqual((3, ""), (done.returncode, done.stdout), done.stderr)
                self.assertRegex(done.stderr, words)

    def test_refused_keys(self):
        for kind, words in (
            ("twice", "two of one name"),
            ("off-curve", "do not make one"),
            ("other-use", "not among those of the trust domain"),
            ("no-name", "not among those of the trust domain"),
            ("no-list", 'no list "keys"'),
            ("exponent-one", "exponent"),
            ("short-rsa", "an RSA key has 1024 bits"),
        ):
            with self.subTest(kind):
                self.tell("keys", kind)
                done = self.show(self.path, "--audience", "reports")
                self.assertEqual((3, ""), (done.returncode, done.stdout), done.stderr)
                self.assertRegex(done.stderr, words)

    def test_no_answer(self):
        self.tell("x509", "silent")
        done = self.show(self.path)
        self.assertIn("within 5000 ms", done.stderr)
        self.assertEqual(5, done.returncode)


class Endpoint(SpiffeCase):
    """What is wrong with the socket, before anybody speaks gRPC."""

    def listen(self, answer):
        path = self.folder / "other.sock"
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.listen()
        self.addCleanup(listener.close)

        def serve():
            with contextlib.suppress(OSError):
                connection, _ = listener.accept()
                with connection:
                    connection.recv(4096)
                    connection.sendall(answer)
                    connection.shutdown(socket.SHUT_WR)
                    while connection.recv(4096):
                        pass

        threading.Thread(target=serve, daemon=True).start()
        return path

    def test_missing(self):
        done = self.show(self.folder / "nothing.sock")
        self.assertIn("there is no socket at", done.stderr)
        self.assertEqual(5, done.returncode)

    def test_nobody_listens(self):
        path = self.folder / "old.sock"
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(str(path))
        done = self.show(path)
        self.assertIn("nobody listens at", done.stderr)
        self.assertEqual(5, done.returncode)

    @unittest.skipIf(os.geteuid() == 0, "root may connect to every socket")
    def test_permissions(self):
        path = self.listen(b"")
        path.chmod(0)
        done = self.show(path)
        self.assertIn("do not let this user connect", done.stderr)
        self.assertEqual(3, done.returncode)

    def test_not_grpc(self):
        for answer in (b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", b"220 mail.example.org\r\n", b""):
            with self.subTest(answer):
                path = self.listen(answer)
                done = self.show(path)
                self.assertRegex(done.stderr, "does not speak gRPC|cut the call short")
                self.assertEqual(5, done.returncode)
                path.unlink()

    def test_not_a_socket(self):
        for endpoint in ("tcp://127.0.0.1:1", "unix:relative", "unix://host/path", "unix:///a?b",
                         "unix:///" + "a" * 120, "unix:///", "/run/agent.sock", ""):
            with self.subTest(endpoint):
                done = harness.run("spiffe", "show", "--socket", endpoint)
                self.assertEqual(2, done.returncode, done.stderr)

    def test_environment(self):
        done = harness.run("spiffe", "show", env={"SPIFFE_ENDPOINT_SOCKET": f"unix://{self.folder}/nothing.sock"})
        self.assertIn("there is no socket at", done.stderr)
        done = harness.run("spiffe", "show", env={"SPIFFE_ENDPOINT_SOCKET": ""})
        self.assertEqual(2, done.returncode)


class Run(DoubleCase):
    def test_identity(self):
        expected = self.workload_id()
        for workers in (0, 2):
            with self.subTest(workers=workers):
                server = self.run_host("--spiffe-audience", "reports", "--metrics", "0", workers=workers)
                event = self.identity(server)
                self.assertEqual((HOST, expected), (event["host"], event["workload"]))
                text = self.metrics(server)
                self.assertIn(f'writ_host_spiffe_info{{spiffe_id="{HOST}"}} 1', text)
                self.assertIn(f'spiffe_id="{expected}"}} 1', text)
                self.assertEqual(200, server.get().status)

    def test_start_table(self):
        server = self.run_host(json_log=False, workers=0)
        self.assertIn(HOST, server.wait_line(r"^  HOST "))
        self.assertIn(self.workload_id(), server.wait_line(r"^  SPIFFE "))

    def test_without(self):
        server = self.serve(harness.guest("hello-c"), "--metrics", "0", workers=0,
                            env={"SPIFFE_ENDPOINT_SOCKET": f"unix://{self.path}"})
        self.assertNotIn("spiffe", self.metrics(server))
        self.assertEqual(["0"], self.api.ask("calls"))

    def test_unsigned_has_no_id(self):
        server = self.serve(harness.unsigned_guest("hello-c"), "--unsigned", "--spiffe", f"unix://{self.path}",
                            workers=0)
        self.assertIsNone(self.identity(server)["workload"])

    def test_refused_start(self):
        self.tell("x509", "deny")
        done = harness.run("run", "--listen", "127.0.0.1:0", "--spiffe", f"unix://{self.path}",
                           harness.guest("hello-c"))
        self.assertEqual(3, done.returncode)
        self.assertIn("register this host", done.stderr)
        self.assertNotIn("serving", done.stderr)

    def test_audience_needs_spiffe(self):
        done = harness.run("run", "--spiffe-audience", "reports", harness.guest("hello-c"))
        self.assertEqual(2, done.returncode)

    def test_rotation(self):
        server = self.run_host("--metrics", "0", workers=1)
        server.wait_line("svid-rotated")  # the stream's first message is a fresh one here
        for kind, event in (("good", "svid-rotated"), ("other-bundle", "svid-refused"), ("other-host", "svid-refused"),
                            ("garbage", "svid-refused"), ("good", "svid-rotated")):
            mark = server.mark()
            self.tell("x509", kind)
            server.wait_line(event, since=mark)
        self.assertEqual(HOST, self.identity(server)["host"])
        self.assertRegex(self.metrics(server), r"writ_host_svid_rotations_total 3\n")
        self.assertEqual(200, server.get().status)

    def test_cut_and_back(self):
        server = self.run_host(workers=0)
        self.until(lambda: self.api.ask("open") == ["1"], 10, "the stream is open")
        mark = server.mark()
        self.tell("x509", "unavailable")
        server.wait_line("spiffe-lost", since=mark)
        calls = int(self.api.ask("calls")[0])
        self.until(lambda: int(self.api.ask("calls")[0]) >= calls + 2, 20, "asked again")
        self.assertEqual(1, sum("spiffe-lost" in line for line in server.lines[mark:]), server.log())
        self.tell("x509", "good")
        server.wait_line("spiffe-back", 20, since=mark)
        mark = server.mark()
        self.tell("cut")
        server.wait_line("spiffe-back", 20, since=mark)
        self.assertEqual(200, server.get().status)

    def test_expiry(self):
        self.tell("x509", "short")
        server = self.run_host(workers=0)
        server.wait_line("svid-expired", 20)
        mark = server.mark()
        self.tell("x509", "good")
        server.wait_line("svid-rotated", since=mark)
        self.assertEqual(200, server.get().status)

    def test_workers_have_no_socket(self):
        server = self.run_host(workers=2)
        self.until(lambda: self.api.ask("open") == ["1"], 10, "the stream is open")
        own = unix_sockets(server.process.pid)
        self.assertTrue(own)
        for worker in server.workers():
            self.assertEqual(set(), own & unix_sockets(worker))


    @unittest.skipIf(os.geteuid() != 0, "only root may read the memory of these processes")
    def test_key_stays_in_the_supervisor(self):
        server = self.run_host("--metrics", "0", workers=2)
        server.wait_line("svid-rotated")
        self.assertEqual(200, server.get().status)
        text = self.api.ask("key")[0]
        key = bytes.fromhex(text)
        self.assertGreater(copies(server.process.pid, key), 0, "else the test sees nothing")
        for worker in server.workers():
            self.assertEqual(0, copies(worker, key))
        shown = server.log() + self.metrics(server)
        for form in (text, base64.b64encode(key).decode()[:40]):
            self.assertNotIn(form.lower(), shown.lower())


def copies(pid, needle):
    """How often these bytes are in the readable memory of a process."""
    found = 0
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            span, rights = line.split()[:2]
            begin, end = (int(x, 16) for x in span.split("-"))
            if "r" in rights and "[v" not in line and end - begin <= 1 << 28:
                with contextlib.suppress(OSError, OverflowError):
                    memory.seek(begin)
                    found += memory.read(end - begin).count(needle)
    return found


def unix_sockets(pid):
    local = {line.split()[6] for line in pathlib.Path("/proc/net/unix").read_text().splitlines()[1:]}
    found = set()
    for entry in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            match = re.fullmatch(r"socket:\[(\d+)\]", os.readlink(entry))
            if match and match[1] in local:
                found.add(match[1])
    return found


# ---- SPIRE

SERVER = """
server {{
    bind_address = "127.0.0.1"
    bind_port = "{port}"
    socket_path = "{folder}/server.sock"
    trust_domain = "example.org"
    data_dir = "{folder}"
    log_level = "WARN"
    ca_ttl = "1h"
}}
plugins {{
    DataStore "sql" {{ plugin_data {{ database_type = "sqlite3" connection_string = "{folder}/data.sqlite3" }} }}
    NodeAttestor "join_token" {{ plugin_data {{}} }}
    KeyManager "memory" {{ plugin_data {{}} }}
}}
"""
AGENT = """
agent {{
    data_dir = "{folder}"
    log_level = "WARN"
    server_address = "127.0.0.1"
    server_port = "{port}"
    socket_path = "{folder}/agent.sock"
    trust_bundle_path = "{folder}/bundle.pem"
    trust_domain = "example.org"
    experimental {{ sync_interval = "1s" }}
}}
plugins {{
    NodeAttestor "join_token" {{ plugin_data {{}} }}
    KeyManager "memory" {{ plugin_data {{}} }}
    WorkloadAttestor "unix" {{ plugin_data {{}} }}
}}
"""
NODE = "spiffe://example.org/node"


class Spire(SpiffeCase):
    """A server and an agent on the loopback interface and on sockets in the test's own folder."""

    def setUp(self):
        super().setUp()
        self.server_program, self.agent_program = peers.spire()
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        for name, text in (("server", SERVER), ("agent", AGENT)):
            (self.folder / f"{name}.conf").write_text(text.format(folder=self.folder, port=port))
        self.start(self.server_program, "-config", self.folder / "server.conf")
        self.until(lambda: self.ask("healthcheck", check=False).returncode == 0, 60, "the SPIRE server answers")
        (self.folder / "bundle.pem").write_text(self.ask("bundle", "show").stdout)
        token = self.ask("token", "generate", "-spiffeID", NODE).stdout.split()[-1]
        self.start(self.agent_program, "-config", self.folder / "agent.conf", "-joinToken", token)
        self.path = self.folder / "agent.sock"
        healthcheck = [self.agent_program, "healthcheck", "-socketPath", self.path]
        self.until(lambda: subprocess.run(healthcheck, capture_output=True).returncode == 0, 60,
                   "the SPIRE agent answers")

    def start(self, program, *arguments):
        with open(self.folder / f"{pathlib.Path(program).name}.log", "wb") as log:
            process = subprocess.Popen([program, "run", *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=log,
                                       stderr=log, cwd=self.folder)

        def end():
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)

        self.addCleanup(end)

    def ask(self, *words, check=True):
        command = [self.server_program, *words, "-socketPath", str(self.folder / "server.sock")]
        done = subprocess.run(command, capture_output=True, text=True)
        if check and done.returncode != 0:
            self.fail(f"{' '.join(command)}: {done.stdout}{done.stderr}")
        return done

    def register(self, spiffe_id, ttl):
        self.ask("entry", "create", "-parentID", NODE, "-spiffeID", spiffe_id, "-selector", f"unix:uid:{os.getuid()}",
                 "-x509SVIDTTL", str(ttl), "-jwtSVIDTTL", str(ttl))

    def test_whole(self):
        done = self.show(self.path)
        self.assertEqual(3, done.returncode)
        self.assertIn("PERMISSION_DENIED", done.stderr)

        self.register(HOST, 10)
        found = self.until(self.try_show, 60, "the agent gives the identity")
        self.assertEqual((HOST, "ECDSA P-256"), (found["spiffe_id"], found["key_kind"]))
        self.assertEqual(("reports", 1), (found["jwt_svid"]["audience"], found["jwt_svid"]["keys"]))

        server = self.serve(harness.guest("hello-c"), "--spiffe", f"unix://{self.path}", "--spiffe-audience", "reports",
                            "--metrics", "0", workers=1)
        event = self.identity(server)
        self.assertEqual((HOST, self.workload_id()), (event["host"], event["workload"]))
        mark = server.mark()
        first = json.loads(server.wait_line("svid-rotated", 60, since=mark))
        after_first = server.lines.index(json_line(server, first)) + 1
        second = json.loads(server.wait_line("svid-rotated", 60, since=after_first))
        self.assertEqual(HOST, second["spiffe_id"])
        self.assertGreater(second["expires"], event["expires"])
        self.assertNotIn("spiffe-lost", server.log())
        self.assertNotIn("svid-expired", server.log())
        self.assertEqual(200, server.get().status)

    def try_show(self):
        done = self.show(self.path, "--audience", "reports", "-o", "json")
        return json.loads(done.stdout) if done.returncode == 0 else None


def json_line(server, event):
    return next(line for line in server.lines if line.startswith("{") and json.loads(line) == event)


if __name__ == "__main__":
    sys.exit(harness.main())
