#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Outgoing HTTP through a proxy, and to servers whose authority is the operator's own.

The proxy is tinyproxy; a double of a few lines stands in for a network whose names only the proxy knows.
"""
import base64
import contextlib
import pathlib
import shutil
import socket
import ssl
import subprocess
import sys
import threading

import harness
from harness import Case, guest, quote

LOGIN = "writ:s3cret-of-the-proxy"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def pump(source, target):
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


class Tunnels:
    """A proxy that knows CONNECT alone, and where each name leads. `heads` are the requests that it got."""

    def __init__(self, names, answer=b"HTTP/1.1 200 Connection established\r\n\r\n"):
        self.names, self.answer, self.heads = names, answer, []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self.one, args=(self.socket.accept()[0],), daemon=True).start()

    def one(self, client):
        head = b""
        with client, contextlib.suppress(OSError, KeyError):
            while not head.endswith(b"\r\n\r\n"):
                head += client.recv(1)
            self.heads.append(head.decode())
            with socket.create_connection(("127.0.0.1", self.names[head.split()[1].decode()])) as target:
                client.sendall(self.answer)
                threading.Thread(target=pump, args=(client, target), daemon=True).start()
                pump(target, client)

    def close(self):
        self.socket.close()


class ProxyCase(Case):
    def tunnels(self, names, **keywords):
        proxy = Tunnels(names, **keywords)
        self.addCleanup(proxy.close)
        return proxy

    def fetch(self, url, *options, **keywords):
        server = self.serve(guest("http-c"), *options, **keywords)
        return server.get(f"/fetch?url={quote(url)}")


class Proxies(ProxyCase):
    def test_a_name_that_only_the_proxy_knows(self):
        origin = self.origin()
        proxy = self.tunnels({"api.example.test:8080": origin.port})
        for workers in (0, 1):
            answer = self.fetch("http://api.example.test:8080/a", "--proxy", f"http://127.0.0.1:{proxy.port}/",
                                "--allow-http", "api.example.test:8080", workers=workers)
            self.assertEqual((answer.status, answer.text), (200, "origin GET /a\n"))
        self.assertEqual(proxy.heads[0],
                         "CONNECT api.example.test:8080 HTTP/1.1\r\nHost: api.example.test:8080\r\n\r\n")

    def test_the_proxy_does_not_hear_of_what_is_not_allowed(self):
        proxy = self.tunnels({})
        for url in ("http://other.example.test:8080/", "http://127.0.0.1:8080/"):
            answer = self.fetch(url, "--proxy", f"127.0.0.1:{proxy.port}", "--allow-http", "api.example.test:8080")
            self.assertEqual(answer.status, 502)
            self.assertRegex(answer.text, "HTTP-request-denied|destination-IP-prohibited")
        self.assertEqual(proxy.heads, [])

    def test_no_proxy(self):
        origin = self.origin()
        proxy = self.tunnels({})
        answer = self.fetch(origin.url + "/", "--proxy", f"127.0.0.1:{proxy.port}", "--no-proxy", "127.0.0.0/8",
                            "--allow-http", f"127.0.0.1:{origin.port}")
        self.assertEqual((answer.status, proxy.heads), (200, []))

    def test_a_proxy_that_refuses_or_is_gone(self):
        closed = free_port()
        for port, answer in ((None, b"HTTP/1.1 403 Forbidden\r\n\r\n"), (None, b"HTTP/1.1 502 Bad\r\n\r\n"),
                             (None, b"SSH-2.0-server\r\n\r\n"), (None, b"x" * 9000), (closed, b"")):
            proxy = self.tunnels({"api.example.test:80": self.origin().port}, answer=answer)
            self.assertEqual(self.fetch("http://api.example.test/", "--proxy", f"127.0.0.1:{port or proxy.port}",
                                        "--allow-http", "api.example.test").status, 502)

    def test_bad_options(self):
        for options in (("--proxy", "proxy"), ("--proxy", "https://proxy:3128"), ("--proxy", "u:p@proxy:1"),
                        ("--no-proxy", "http://x"), ("--no-proxy", "example.org"), ("--proxy-login", "login")):
            self.assertEqual(harness.run("run", *options, guest("http-c")).returncode, 2, options)


class RealProxy(ProxyCase):
    """tinyproxy, with credentials."""

    def setUp(self):
        super().setUp()
        program = shutil.which("tinyproxy")
        if program is None:
            self.skipTest("tinyproxy is not here")
        self.port = free_port()
        settings = self.folder / "tinyproxy.conf"
        settings.write_text(f"Port {self.port}\nListen 127.0.0.1\nTimeout 60\nBasicAuth {LOGIN.replace(':', ' ')}\n"
                            "MaxClients 20\n")
        self.process = subprocess.Popen([program, "-d", "-c", settings], stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT)
        self.addCleanup(self.end)
        self.until(self.listens, 10, "tinyproxy listens")

    def end(self):
        self.process.kill()
        self.process.wait(10)
        self.process.stdout.close()

    def listens(self):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False

    def login(self, text, mode=0o600):
        path = self.folder / "login"
        path.write_text(text)
        path.chmod(mode)
        return "--proxy-login", str(path)

    def test_with_the_right_credentials(self):
        origin = self.origin()
        url = f"http://localhost:{origin.port}/through"
        options = ("--proxy", f"127.0.0.1:{self.port}", "--allow-http", f"localhost:{origin.port}")
        server = self.serve(guest("http-c"), *options, *self.login(LOGIN + "\n"))
        self.assertEqual(server.get(f"/fetch?url={quote(url)}").text, "origin GET /through\n")
        for told in (LOGIN.split(":")[1], base64.b64encode(LOGIN.encode()).decode()):
            self.assertNotIn(told, server.log())
        limits = pathlib.Path(f"/proc/{server.process.pid}/limits").read_text(encoding="ascii")
        self.assertRegex(limits, r"Max core file size +0 +0")  # it has them in memory
        self.assertEqual(self.fetch(url, *options, *self.login("writ:wrong")).status, 502)
        self.assertEqual(self.fetch(url, *options).status, 502)
        self.assertEqual(origin.count(), 1)

    def test_a_login_that_others_can_read_is_refused(self):
        done = harness.run("run", "--proxy", "127.0.0.1:1", *self.login(LOGIN, 0o644), guest("http-c"))
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("credentials of the proxy", done.stderr)


class PrivateAuthority(ProxyCase):
    """TLS with a certificate of an authority that only --ca-file names, directly and through the proxy."""

    def setUp(self):
        super().setUp()
        if shutil.which("openssl") is None:
            self.skipTest("openssl is not here")
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                     "-subj", "/CN=A private authority", "-keyout", "ca.key", "-out", "ca.pem")
        self.openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=server",
                     "-keyout", "server.key", "-out", "server.csr")
        (self.folder / "names").write_text("subjectAltName=DNS:api.example.test,IP:127.0.0.1\n")
        self.openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-days", "2",
                     "-extfile", "names", "-out", "server.pem")
        self.tls = self.origin()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / "server.pem", self.folder / "server.key")
        self.tls.server.socket = context.wrap_socket(self.tls.server.socket, server_side=True)
        self.authority = ("--ca-file", str(self.folder / "ca.pem"))

    def openssl(self, *arguments):
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True)

    def test_directly(self):
        url = f"https://127.0.0.1:{self.tls.port}/tls"
        allowed = ("--allow-http", f"127.0.0.1:{self.tls.port}")
        self.assertEqual(self.fetch(url, *allowed, *self.authority).text, "origin GET /tls\n")
        self.assertEqual(self.fetch(url, *allowed).status, 502)  # nobody whom the system believes

    def test_through_the_proxy(self):
        proxy = self.tunnels({"api.example.test:443": self.tls.port, "else.example.test:443": self.tls.port})
        options = ("--proxy", f"127.0.0.1:{proxy.port}", "--allow-http", "*.example.test", *self.authority)
        server = self.serve(guest("http-c"), *options)
        self.assertEqual(server.get(f"/fetch?url={quote('https://api.example.test/x')}").text, "origin GET /x\n")
        # The proxy leads elsewhere: the certificate is not of that name.
        self.assertEqual(server.get(f"/fetch?url={quote('https://else.example.test/x')}").status, 502)
        self.assertEqual(self.tls.count(), 1)


if __name__ == "__main__":
    sys.exit(harness.main())
