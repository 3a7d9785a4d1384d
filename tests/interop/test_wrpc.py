#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# timeout: 300
"""Calls over wRPC between us and a host of wasmCloud 1.x, in both directions: values, HTTP with streams, key-value
and objects.

    WRIT_PEERS    a folder with the programs `wash` and `wasmcloud`; without it PATH is searched
"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "scenario"))
import harness  # noqa: E402
import peers  # noqa: E402
from test_peer_host import WASH_SECONDS_MAX, Program  # noqa: E402

PROGRAM = pathlib.Path("tests") / "wrpc_peer"
OURS = next((p for p in (harness.BINARY.parent / PROGRAM, harness.ROOT / "build" / "dev" / PROGRAM) if p.exists()),
            harness.ROOT / "build" / "dev" / PROGRAM)
HTTP_SECONDS_MAX = 20
BIG = 20_000_000


class WithPeerHost(harness.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if not OURS.exists():
            raise unittest.SkipTest(f"{OURS} is not built: cmake --build {OURS.parent.parent} --target wrpc_peer")
        cls.wash_program, host = harness.peer("wash"), harness.peer("wasmcloud")
        if cls.wash_program is None or host is None:
            raise unittest.SkipTest("no `wash` and `wasmcloud` of 1.x in $WRIT_PEERS or PATH")
        nats = shutil.which("nats-server", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
        if nats is None:
            raise unittest.SkipTest("no nats-server (apt-get install nats-server)")
        cls.home = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory(prefix="writ-test-")))
        cls.env = {**harness.environment(), "HOME": str(cls.home), "WASH_KEYS": str(cls.home / "wash-keys"),
                   "RUST_BACKTRACE": "0"}
        bus = Program([nats, "-a", "127.0.0.1", "-p", "-1", "-js", "-sd", str(cls.home / "bus")], cls.env)
        cls.addClassCleanup(bus.close)
        cls.bus_port = bus.wait_line("Listening for client connections on 127.0.0.1:").split("127.0.0.1:")[1].strip()
        bus.wait_line("Server is ready")
        peer = Program([host, "--nats-port", cls.bus_port, "--allow-file-load"], cls.env)
        cls.addClassCleanup(peer.close)
        peer.wait_line("wasmCloud host started")
        cls.ours = peers.Lines([str(OURS), f"127.0.0.1:{cls.bus_port}", "default"], cls.env)
        cls.addClassCleanup(cls.ours.close)
        assert cls.ours.process.stdout.readline() == "up\n"
        cls.ports = {}

    @classmethod
    def wash(cls, *arguments):
        done = subprocess.run([cls.wash_program, *arguments, "--ctl-host", "127.0.0.1", "--ctl-port", cls.bus_port],
                              env=cls.env, capture_output=True, text=True, timeout=WASH_SECONDS_MAX)
        assert done.returncode == 0, f"wash {arguments}: {done.stdout}{done.stderr}"

    @classmethod
    def start(cls, guest, name):
        cls.wash("start", "component", f"file://{harness.unsigned_guest(guest)}", name, "--max-instances", "20",
                 "--timeout-ms", "20000")

    @classmethod
    def link(cls, source, target, package, *interfaces):
        namespace, name = package.split(":")
        options = [word for i in interfaces for word in ("--interface", i)]
        cls.wash("link", "put", source, target, namespace, name, *options)

    @classmethod
    def serve(cls, *words):
        assert cls.ours.ask(*words) == ["serving"], words

    def fetch(self, component, path, body=None, status=200):
        """The answer of a component of theirs to a request that comes through our front."""
        if component not in self.ports:
            self.ports[component] = self.ours.ask("front", component)[1]
        url = f"http://127.0.0.1:{self.ports[component]}{path}"
        try:
            answer = urllib.request.urlopen(url, body, HTTP_SECONDS_MAX)
        except urllib.error.HTTPError as e:
            answer = e
        with answer:
            text = answer.read()
            self.assertEqual(answer.status, status, text)
        return text


class Values(WithPeerHost):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.start("calls-c", "calls")

    def test_our_call_is_answered(self):
        self.assertEqual(self.ours.ask("call", "calls", "test:calls/work", "wait", "05"), ["ok", "0005"])

    def test_a_trap_is_a_failure(self):
        self.assertEqual(self.ours.ask("call", "calls", "test:calls/work", "leave", "-")[0], "trap")
        self.assertEqual(self.ours.ask("call", "calls", "test:calls/work", "wait", "05"), ["ok", "0005"])

    def test_what_nobody_serves_is_not_found(self):
        self.assertEqual(self.ours.ask("call", "calls", "test:calls/work", "none", "-")[0], "not-found")
        self.assertEqual(self.ours.ask("call", "nobody", "test:calls/work", "wait", "05")[0], "not-found")

    def test_their_component_calls_us(self):
        self.serve("serve", "ours", "test:calls/work", "deep", "0009")
        self.link("calls", "ours", "test:calls", "work")
        self.assertEqual(self.fetch("calls", "/deep/4"), b"deep: 9\n")

    def test_their_component_gets_our_error(self):
        self.start("calls-c", "unlucky")
        self.serve("serve", "failing", "test:calls/work", "deep", "01026e6f")
        self.link("unlucky", "failing", "test:calls", "work")
        self.assertEqual(self.fetch("unlucky", "/deep/4"), b"deep: error no\n")


class Http(WithPeerHost):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.start("http-c", "web")
        cls.serve("outgoing", "net")
        cls.link("web", "net", "wasi:http", "outgoing-handler")

    def test_requests_to_their_component(self):
        self.assertEqual(self.fetch("web", "/hello"), b"hello from C\n")
        self.assertEqual(self.fetch("web", "/echo", b"some body"), b"some body")
        self.assertEqual(self.fetch("web", "/status?code=404", status=404), b"status 404\n")

    def test_long_bodies(self):
        body = os.urandom(3_000_000)
        self.assertEqual(self.fetch("web", "/echo", body), body)
        self.assertEqual(len(self.fetch("web", f"/big?bytes={BIG}")), BIG)

    def test_a_trap_is_an_error_of_the_gateway(self):
        self.fetch("web", "/trap", status=502)
        self.assertEqual(self.fetch("web", "/hello"), b"hello from C\n")

    def test_requests_of_their_component_go_through_us(self):
        self.fetch("web", "/hello")
        here = f"http://127.0.0.1:{self.ports['web']}"
        self.assertEqual(self.fetch("web", f"/fetch?url={here}/hello"), b"hello from C\n")
        self.assertEqual(self.fetch("web", f"/fetch?url={here}/echo", b"posted"), b"posted")
        self.assertIn(b"connection-refused", self.fetch("web", "/fetch?url=http://127.0.0.1:1/", status=502))


class Contracts(WithPeerHost):
    def test_key_value_of_ours_for_their_component(self):
        self.start("counter", "counter")
        self.serve("store", "store")
        self.link("counter", "store", "wasi:keyvalue", "store", "atomics", "batch")
        self.assertIn(b"visitor number 1", self.fetch("counter", "/"))
        self.assertIn(b"visitor number 2", self.fetch("counter", "/"))

    def test_objects_of_ours_for_their_component(self):
        files = self.home / "files"
        files.mkdir()
        self.start("blobs-c", "blobs")
        self.serve("blobs", "files", str(files))
        self.link("blobs", "files", "wasi:blobstore", "blobstore", "container")
        self.fetch("blobs", "/create?container=one")
        self.assertEqual(self.fetch("blobs", "/exists?container=one").strip(), b"yes")
        self.fetch("blobs", "/put?container=one&name=a", b"some text")
        self.assertEqual(self.fetch("blobs", "/get?container=one&name=a"), b"some text")
        self.assertEqual(self.fetch("blobs", "/get?container=one&name=a&start=2&end=5"), b"me ")
        self.fetch("blobs", "/put?container=one&name=big&pattern=5000000", b"x")
        self.assertEqual(self.fetch("blobs", "/check?container=one&name=big").strip(), b"5000000 bytes, 0 wrong")
        self.fetch("blobs", "/copy?container=one&name=a&to=b")
        self.assertEqual(sorted(self.fetch("blobs", "/list?container=one").split()), [b"a", b"b", b"big"])
        self.assertEqual((files / "blobstore" / "one" / "a").read_bytes(), b"some text")
        self.assertIn(b"there is no such object", self.fetch("blobs", "/get?container=one&name=none", status=502))


if __name__ == "__main__":
    sys.exit(harness.main())
