#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What `writ sign` signs, on a host of wasmCloud 1.x: it starts there, under our names, or is refused there.

    WRIT_PEERS    a folder with the programs `wash` and `wasmcloud`; without it PATH is searched
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "scenario"))
import harness  # noqa: E402

START_SECONDS_MAX = 30
WASH_SECONDS_MAX = 60


class Program:
    """A server of others, its output read line by line."""

    def __init__(self, command, env):
        self.lines = []
        self._grown = threading.Condition()
        self.process = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True, errors="replace")
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            with self._grown:
                self.lines.append(line)
                self._grown.notify_all()
        with self._grown:
            self._grown.notify_all()

    def _find(self, text):
        return next((line for line in self.lines if text in line), None)

    def wait_line(self, text):
        with self._grown:
            self._grown.wait_for(lambda: self._find(text) or not self._reader.is_alive(), START_SECONDS_MAX)
            line = self._find(text)
        if line is None:
            raise AssertionError(f"{self.process.args[0]} did not say {text!r}:\n{''.join(self.lines)}")
        return line

    def close(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
        self._reader.join(5)
        self.process.stdout.close()


class PeerHost(harness.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        wash, host = harness.peer("wash"), harness.peer("wasmcloud")
        if wash is None or host is None:
            raise unittest.SkipTest("no `wash` and `wasmcloud` of 1.x in $WRIT_PEERS or PATH")
        nats = shutil.which("nats-server", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
        if nats is None:
            raise unittest.SkipTest("no nats-server (apt-get install nats-server)")
        cls.home = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory(prefix="writ-test-")))
        cls.env = {**harness.environment(), "HOME": str(cls.home), "WASH_KEYS": str(cls.home / "wash-keys"),
                   "RUST_BACKTRACE": "0"}
        bus = Program([nats, "-a", "127.0.0.1", "-p", "-1", "-js", "-sd", str(cls.home / "bus")], cls.env)
        cls.addClassCleanup(bus.close)
        line = bus.wait_line("Listening for client connections on 127.0.0.1:")
        bus.wait_line("Server is ready")
        cls.wash_program, cls.port = wash, line.split("127.0.0.1:")[1].strip()
        peer = Program([host, "--nats-port", cls.port, "--allow-file-load"], cls.env)
        cls.addClassCleanup(peer.close)
        peer.wait_line("wasmCloud host started")

    def wash(self, *arguments):
        done = subprocess.run([self.wash_program, *arguments, "--ctl-host", "127.0.0.1", "--ctl-port", self.port, "-o",
                               "json"], env=self.env, capture_output=True, text=True, timeout=WASH_SECONDS_MAX)
        text = next((t for t in (done.stdout, done.stderr) if "{" in t), None)
        self.assertIsNotNone(text, f"{done.stdout}{done.stderr}")
        return json.loads(text[text.index("{"):])

    def sign(self, *options):
        path = self.folder / "shop.wasm"
        harness.sign(harness.unsigned_guest("hello-c"), path, "--force", *options)
        return path

    def start(self, path, name):
        return self.wash("start", "component", f"file://{path}", name, "--timeout-ms", "20000")

    def refused(self, path, why):
        seen = self.start(path, "refused")
        self.assertFalse(seen["success"], seen)
        self.assertIn(why, " ".join(seen["error_chain"]))
        inventory = self.wash("get", "inventory")["inventories"]
        self.assertNotIn("refused", [c["id"] for host in inventory for c in host["components"]])

    def test_starts_there_under_our_names(self):
        path = self.sign("--name", "shop", "--rev", "3", "--version", "1.2", "--for", "90d", "--cap", "wasi:http")
        token = json.loads(harness.writ("inspect", "-o", "json", path))["writ"]["token"]
        seen = self.start(path, "shop")
        self.assertTrue(seen["success"], seen)
        claims = {c["subject"]: c for c in self.wash("get", "claims")["claims"]}[token["subject"]]
        self.assertEqual((claims["issuer"], claims["name"], claims["revision"], claims["version"]),
                         (harness.account(), "shop", "3", "1.2"))
        running = [c for host in self.wash("get", "inventory")["inventories"] for c in host["components"]]
        self.assertIn(("shop", "shop", 3), [(c["id"], c["name"], c["revision"]) for c in running])

    def test_expired(self):
        self.refused(self.sign("--at", "2026-01-01", "--for", "1d"), "expired")

    def test_not_yet_valid(self):
        self.refused(self.sign("--not-before", "2d"), "cannot be used before")

    def test_changed_after_signing(self):
        path = self.sign()
        data = bytearray(path.read_bytes())
        data[data.index(b"hello")] ^= 1
        path.write_bytes(data)
        self.refused(path, "Invalid module hash")


if __name__ == "__main__":
    sys.exit(harness.main())
