#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Drivers on a real NATS server: key-value and objects in JetStream, messages between hosts, under TLS and with
credentials, and what happens when the server goes away. The guests are those of the contracts' own tests."""

import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
import servers  # noqa: E402
from test_blobstore import BlobsCase  # noqa: E402
from test_links import LinksCase  # noqa: E402
from test_messaging import MessagingCase  # noqa: E402

TOKEN = "Xy7-of-the-server-Qz9"


def make_keys(case):
    """server.pem and server.key for 127.0.0.1, of the authority ca.pem, in the folder of the test."""
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=case.folder, check=True, capture_output=True)
    if shutil.which("openssl") is None:
        case.skipTest("no openssl command here")
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl("req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=tests", "-days", "2")
    openssl("req", *curve, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=server")
    (case.folder / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out",
            "server.pem", "-days", "2", "-extfile", "names")
    return f'tls {{ cert_file: "{case.folder}/server.pem", key_file: "{case.folder}/server.key" }}'


def keep_secret(case, name, value):
    done = harness.run("secrets", "set", name, "--secrets", case.folder / "secrets", stdin=value.encode())
    case.assertEqual(0, done.returncode, done.stderr)


class TlsFirst(threading.Thread):
    """A server that greets only under TLS, as handshake_first makes newer ones; it answers PING and nothing else."""

    def __init__(self, case):
        super().__init__(daemon=True)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(case.folder / "server.pem", case.folder / "server.key")
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.heard = b""
        case.addCleanup(self.listener.close)
        self.start()

    def run(self):
        try:
            client = self.context.wrap_socket(self.listener.accept()[0], server_side=True)
            client.sendall(b'INFO {"max_payload":1000000,"headers":true,"tls_required":true}\r\n')
            while data := client.recv(65536):
                self.heard += data
                client.sendall(b"PONG\r\n" * data.count(b"PING\r\n"))
        except OSError:
            pass


class KeyValue(LinksCase):
    def test_tls_before_the_greeting(self):
        make_keys(self)
        nats = TlsFirst(self)
        pem = (self.folder / "ca.pem").read_text()
        server = self.start(f"wasi:keyvalue=nats,url=tls://127.0.0.1:{nats.port},tls-first=true,ca={pem}")
        server.wait_line("link-health.*up", 20)
        self.assertIn(b"CONNECT {", nats.heard)

    def test_functions(self):
        nats = servers.Nats(self)
        self.check_functions(self.start(f"wasi:keyvalue=nats,url=nats://127.0.0.1:{nats.port}", workers=2))

    def test_under_tls_with_a_token(self):
        nats = servers.Nats(self, f"{make_keys(self)}\nauthorization {{ token: \"{TOKEN}\" }}")
        keep_secret(self, "bus", TOKEN)
        link = f"wasi:keyvalue=nats,url=tls://127.0.0.1:{nats.port},token=@bus"
        stranger = self.start(link, options=("--secrets", self.folder / "secrets"))
        self.assertIn("is not believed", self.ask(stranger, "/kv/get?bucket=b&key=k", 502))
        stranger.close()
        server = self.start(link, options=("--secrets", self.folder / "secrets", "--ca-file", self.folder / "ca.pem"))
        self.check_functions(server)
        server.close()
        self.assertNotIn(TOKEN, server.log())

    def test_an_authority_as_a_setting(self):
        nats = servers.Nats(self, make_keys(self))
        pem = (self.folder / "ca.pem").read_text()
        server = self.start(f"wasi:keyvalue=nats,url=tls://127.0.0.1:{nats.port},ca={pem}")
        self.check_functions(server)

    def test_a_lost_server_is_an_error_and_comes_back(self):
        nats = servers.Nats(self)
        server = self.start(f"wasi:keyvalue=nats,url=nats://127.0.0.1:{nats.port}", "wasi:keyvalue@here=memory")
        self.ask(server, "/kv/set?bucket=b&key=k&value=x")
        nats.stop()
        self.until(lambda: server.get("/kv/get?bucket=b&key=k").status == 502, 20, "the loss is told")
        self.assertRegex(self.ask(server, "/kv/get?bucket=b&key=k", 502), "^other: nats through the link")
        self.ask(server, "/kv/set?bucket=b&key=k&value=y&link=here")
        server.wait_line("link-health.*down")
        nats.start()
        self.until(lambda: server.get("/kv/get?bucket=b&key=k").body == b"x", 60, "it is found again")


class Objects(BlobsCase):
    def test_functions(self):
        nats = servers.Nats(self)
        self.check_functions(self.start(f"wasi:blobstore=nats,url=nats://127.0.0.1:{nats.port}", workers=2))

    def test_an_object_larger_than_the_guest(self):
        nats = servers.Nats(self)
        server = self.start(f"wasi:blobstore=nats,url=nats://127.0.0.1:{nats.port}",
                            options=("--max-memory", "16MiB", "--timeout", "100s"))
        self.ask(server, "/create?container=one")
        size = 64 << 20
        self.assertEqual("written\n", self.text(server, f"/put?container=one&name=big&pattern={size}"))
        self.assertEqual(f"{size} bytes, 0 wrong\n", self.text(server, "/check?container=one&name=big"))


class Messages(MessagingCase):
    def host(self, name, nats, settings):
        return self.serve(harness.guest("messages-c"), "--link", f"wasi:keyvalue=sqlite,path={name}.db", "--link",
                          f"wasmcloud:messaging=nats,url=nats://127.0.0.1:{nats.port},{settings}", "--data",
                          self.folder / "data", workers=1)

    def count(self, server):
        return int(self.got(server, "count") or 0)

    def test_hosts_share_a_queue(self):
        nats = servers.Nats(self)
        workers = [self.host(name, nats, "subscriptions=work.*|w") for name in ("one", "two")]
        front = self.host("front", nats, "subjects=work.>")
        for worker in workers:
            worker.wait_line("link-health.*up")
        self.publish(front, "work.one", "n", "&times=200")
        self.until(lambda: sum(map(self.count, workers)) == 200, 30, "all are handled")
        self.assertGreater(min(map(self.count, workers)), 0)
        self.assertEqual("hi", self.ask(front, "/request?subject=work.two&body=echo:hi"))
        self.assertEqual("error: nobody is subscribed to work.a.b\n",
                         self.ask(front, "/request?subject=work.a.b&body=echo:hi", 502))
        self.assertIn("may not publish to other", self.ask(front, "/publish?subject=other&body=x", 502))

    def test_a_lost_server_is_an_error_and_comes_back(self):
        nats = servers.Nats(self)
        server = self.host("one", nats, "subscriptions=t.*,subjects=t.*")
        self.publish(server, "t.x", "before")
        self.wait_for(server, "before", "t.x")
        mark = server.mark()
        nats.stop()
        server.wait_line("link-health.*down", since=mark)
        self.assertIn("error: ", self.ask(server, "/publish?subject=t.x&body=lost", 502))
        mark = server.mark()
        nats.start()
        server.wait_line("link-health.*up", 60, since=mark)
        self.publish(server, "t.x", "after")
        self.wait_for(server, "after", "t.x")
        self.assertIsNone(self.got(server, "lost"))


if __name__ == "__main__":
    sys.exit(harness.main())
