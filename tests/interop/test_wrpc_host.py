#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# timeout: 300
"""`writ host` and a peer that signs nothing, which speaks wRPC as hosts and providers of 1.x do: its calls to our
components, and those of our components to it, where the host admits such peers; and nothing where it does not."""
import json
import os
import pathlib
import socket
import subprocess
import sys
import unittest
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "scenario"))
import harness  # noqa: E402
import peers  # noqa: E402
import servers  # noqa: E402
from lattices import Host  # noqa: E402
from test_wrpc import HTTP_SECONDS_MAX, OURS  # noqa: E402

UPPER = ("back", "test:composed/catalog", "upper")
HELLO = "0568656c6c6f"


class OldPeer(harness.Case):
    seconds_max = 120

    def setUp(self):
        super().setUp()
        if not OURS.exists():
            raise unittest.SkipTest(f"{OURS} is not built: cmake --build {OURS.parent.parent} --target wrpc_peer")
        self.nats = servers.Nats(self)
        self.key = f"old-peer-{os.getpid()}-{id(self)}"
        harness.writ("keys", "gen", "cluster", self.key)
        self.ports = {}
        # What is said of the connection later is none of the answers.
        self.peer = peers.Lines(["sh", "-c", 'exec "$0" "$@" 2>/dev/null', str(OURS), f"127.0.0.1:{self.nats.port}",
                                 "default"], harness.environment())
        self.addCleanup(self.peer.close)
        self.assertEqual(self.peer.process.stdout.readline(), "up\n")

    def lattice(self, *arguments):
        command = [harness.BINARY, *map(str, arguments), "--nats", f"nats://127.0.0.1:{self.nats.port}", "-o", "json"]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              env=harness.environment(), timeout=60)
        return done.returncode, done.stdout, done.stderr

    def must(self, *arguments):
        code, answer, error = self.lattice(*arguments)
        self.assertEqual(code, 0, f"{arguments}: {answer} {error}")

    def host(self, *options):
        host = Host(self, "ours", *options)

        def answers():
            code, answer, _ = self.lattice("get", "hosts")
            return code == 0 and len(json.loads(answer)["hosts"]) == 1

        self.until(answers, 60, "the host answers")
        return host

    def start(self, guest, name):
        self.must("start", "component", f"file://{harness.guest(guest)}", name, "--on", "ours", "--max", "5")

    def fetch(self, component, path, body=None, status=200):
        """The answer of a component of ours to a request that the peer passes on."""
        if component not in self.ports:
            self.ports[component] = self.peer.ask("front", component)[1]
        url = f"http://127.0.0.1:{self.ports[component]}{path}"
        try:
            answer = urllib.request.urlopen(url, body, HTTP_SECONDS_MAX)
        except urllib.error.HTTPError as e:
            answer = e
        with answer:
            text = answer.read()
            self.assertEqual(answer.status, status, text)
        return text

    def test_a_strict_host_does_not_hear_it(self):
        self.host()
        self.start("parts-back", "back")
        self.start("hello-c", "web")
        self.assertEqual(self.peer.ask("call", *UPPER, HELLO)[0], "not-found")
        self.fetch("web", "/", status=502)

    def test_it_calls_components(self):
        self.host("--allow-unsigned-peers")
        self.start("parts-back", "back")
        self.start("http-c", "web")
        self.until(lambda: self.peer.ask("call", *UPPER, HELLO) == ["ok", "0548454c4c4f"], 20, "it is answered")
        self.assertEqual(self.peer.ask("call", *UPPER[:2], "lower", HELLO)[0], "not-found")
        self.assertNotEqual(self.peer.ask("call", *UPPER, "05")[0], "ok")  # parameters that end too early
        self.assertEqual(self.fetch("web", "/hello"), b"hello from C\n")
        body = os.urandom(3_000_000)
        self.assertEqual(self.fetch("web", "/echo", body), body)
        self.fetch("web", "/status?code=404", status=404)
        self.assertIn(b"x-forwarded-proto: http", self.fetch("web", "/headers"))

    def test_trailers_pass(self):
        self.host("--allow-unsigned-peers")
        self.start("http-c", "web")
        self.fetch("web", "/hello")
        request = (b"POST /echo HTTP/1.1\r\nHost: web\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n"
                   b"Connection: close\r\n\r\n4\r\nbody\r\n0\r\nx-sum: 12\r\n\r\n")
        with socket.create_connection(("127.0.0.1", int(self.ports["web"])), timeout=HTTP_SECONDS_MAX) as s:
            s.sendall(request)
            answer = b"".join(iter(lambda: s.recv(65536), b""))
        head, body = answer.split(b"\r\n\r\n", 1)
        self.assertIn(b" 200 OK", head)
        self.assertIn(b"body", body)
        self.assertIn(b"x-sum: 12", body)

    def test_components_call_it(self):
        self.host("--allow-unsigned-peers")
        self.assertEqual(self.peer.ask("store", "store"), ["serving"])
        files = self.folder / "files"
        files.mkdir()
        self.assertEqual(self.peer.ask("blobs", "files", str(files)), ["serving"])
        self.start("counter", "counter")
        self.start("blobs-c", "blobs")
        self.must("link", "put", "counter", "store", "wasi:keyvalue/store,atomics,batch")
        self.must("link", "put", "blobs", "files", "wasi:blobstore/blobstore,container")
        self.assertIn(b"visitor number 1", self.fetch("counter", "/"))
        self.assertIn(b"visitor number 2", self.fetch("counter", "/"))
        self.fetch("blobs", "/create?container=one")
        self.fetch("blobs", "/put?container=one&name=a", b"some text")
        self.assertEqual((files / "blobstore" / "one" / "a").read_bytes(), b"some text")
        self.assertEqual(self.fetch("blobs", "/get?container=one&name=a"), b"some text")
        self.fetch("blobs", "/put?container=one&name=big&pattern=5000000", b"x")
        self.assertEqual(self.fetch("blobs", "/check?container=one&name=big").strip(), b"5000000 bytes, 0 wrong")
        self.assertEqual(sorted(self.fetch("blobs", "/list?container=one").split()), [b"a", b"big"])
        self.assertIn(b"there is no such object", self.fetch("blobs", "/get?container=one&name=none", status=502))

    def test_messages_go_both_ways(self):
        handler = ("call", "messages", "wasmcloud:messaging/handler@0.2.0", "handle-message")
        consumer = "wasmcloud:messaging/consumer@0.2.0"
        self.host("--allow-unsigned-peers")
        self.assertEqual(self.peer.ask("store", "store"), ["serving"])
        self.assertEqual(self.peer.ask("serve", "bus", consumer, "publish", "00"), ["serving"])
        self.assertEqual(self.peer.ask("serve", "bus", consumer, "request", "0001610568656c6c6f00"), ["serving"])
        self.start("messages-c", "messages")
        self.must("link", "put", "messages", "store", "wasi:keyvalue/store,atomics")
        self.must("link", "put", "messages", "bus", "wasmcloud:messaging/consumer")
        self.until(lambda: self.peer.ask(*handler, "03612e6202686900") == ["ok", "00"], 20, "it takes a message")
        self.assertIn(b"hi", self.fetch("messages", "/got").split())
        self.assertEqual(self.fetch("messages", "/got?key=hi"), b"a.b")
        self.assertEqual(self.peer.ask(*handler, "03612e62046661696c00")[1][:2], "01")  # "fail": the contract's error
        self.assertEqual(self.peer.ask(*handler, "03612e62047472617000")[0], "trap")
        self.fetch("messages", "/publish?subject=s&body=b")
        self.assertEqual(self.fetch("messages", "/request?subject=s&body=b&timeout=500"), b"hello")

    def test_calls_go_on_when_the_servers_come_back(self):
        self.host("--allow-unsigned-peers")
        self.start("parts-back", "back")
        self.until(lambda: self.peer.ask("call", *UPPER, HELLO)[0] == "ok", 20, "it is answered")
        self.nats.stop()
        self.until(lambda: self.peer.ask("call", *UPPER, HELLO)[0] == "closed", 20, "the connection is lost")
        self.nats.start()
        self.until(lambda: self.peer.ask("call", *UPPER, HELLO)[0] == "ok", 20, "it is answered again")

    def test_a_provider_that_comes_is_used(self):
        self.host("--allow-unsigned-peers")
        self.start("counter", "counter")
        self.must("link", "put", "counter", "store", "wasi:keyvalue/store,atomics,batch")
        self.fetch("counter", "/", status=503)
        self.assertEqual(self.peer.ask("store", "store"), ["serving"])
        self.assertIn(b"visitor number 1", self.fetch("counter", "/"))


if __name__ == "__main__":
    sys.exit(harness.main())
