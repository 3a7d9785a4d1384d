#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Capability providers in one lattice with a host of wasmCloud 1.9.2: ours serve its components and call them, the HTTP
server of 1.9.2 runs on our host behind the door.

    WRIT_PEERS                   a folder with `wash` and `wasmcloud`; without it PATH is searched
    WRIT_HTTP_SERVER_PROVIDER    the program of the http-server provider of 1.9.2
"""
import json
import os
import pathlib
import signal
import subprocess
import sys
import unittest
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "scenario"))
import harness  # noqa: E402
import servers  # noqa: E402
from harness import BINARY, CACHE, environment, writ  # noqa: E402


class PeerProviders(harness.Case):
    seconds_max = 180

    def setUp(self):
        super().setUp()
        self.peer = harness.peer("wasmcloud")
        if self.peer is None:
            raise unittest.SkipTest("no `wasmcloud` of 1.x in $WRIT_PEERS or PATH")
        self.nats = servers.Nats(self)
        self.port = servers.free_port()
        self.key = f"peer-providers-{os.getpid()}-{id(self)}"
        writ("keys", "gen", "cluster", self.key)
        (self.folder / "run").mkdir(mode=0o700)
        self.start([BINARY, "host", "--nats", f"nats://127.0.0.1:{self.nats.port}", "--name", "ours",
                    "--allow-file-load", "--unsigned", "--workers", "1", "--allow-unsigned-control", "admin",
                    "--allow-unsigned-peers", "--cluster-key", self.key, "--data", self.folder / "data", "--cache",
                    CACHE],
                   environment({"XDG_RUNTIME_DIR": str(self.folder / "run")}), "ours.log")
        self.start([self.peer, "--nats-port", str(self.nats.port), "--allow-file-load", "--label", "kind=theirs"],
                   {**environment(), "HOME": str(self.folder), "RUST_BACKTRACE": "0"}, "theirs.log")
        self.until(lambda: len(self.hosts()) == 2, 60, "both hosts are there")
        self.theirs = next(h["id"] for h in self.hosts() if h["labels"].get("kind") == "theirs")

    def start(self, command, env, log):
        out = open(self.folder / log, "wb")
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=env)

        def stop():
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            out.close()
        self.addCleanup(stop)

    def lattice(self, *arguments):
        command = [BINARY, *map(str, arguments), "--nats", f"nats://127.0.0.1:{self.nats.port}", "-o", "json"]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment(),
                              timeout=60)
        self.error, self.code = done.stderr, done.returncode
        return json.loads(done.stdout) if done.returncode == 0 and done.stdout.strip() else {}

    def must(self, *arguments):
        answer = self.lattice(*arguments)
        self.assertEqual(self.code, 0, f"{arguments}: {answer} {self.error}")

    def hosts(self):
        return self.lattice("get", "hosts").get("hosts", [])

    def get(self):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=20) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def logs(self):
        return "".join((self.folder / name).read_text(errors="replace")[-3000:] for name in ("ours.log", "theirs.log"))

    def answers(self, text):
        self.until(lambda: text in self.get()[1], 30, f"{text!r} is answered: {self.get()} {self.logs()}")

    def test_ours_call_and_serve_a_component_of_theirs(self):
        self.must("config", "put", "settings", "greeting=Hello")
        self.must("config", "put", "http", f"address=127.0.0.1:{self.port}")
        self.must("start", "component", f"file://{harness.unsigned_guest('counter')}", "counter", "--max", "10", "--on",
                  self.theirs, "--config", "settings")
        self.must("start", "provider", "writ:sqlite", "kv", "--on", "ours")
        self.must("start", "provider", "wasmcloud+builtin://http-server", "http", "--on", "ours")
        self.must("link", "put", "counter", "kv", "wasi:keyvalue/store,atomics")
        self.must("link", "put", "http", "counter", "wasi:http/incoming-handler", "--source-config", "http")
        self.answers("Hello, visitor number ")
        first = int("".join(filter(str.isdigit, self.get()[1])))
        self.assertEqual(self.get(), (200, f"Hello, visitor number {first + 1}.\n"))

    def test_the_http_server_of_192_behind_the_door_calls_components_of_both(self):
        program = os.environ.get("WRIT_HTTP_SERVER_PROVIDER")
        if not program:
            self.skipTest("WRIT_HTTP_SERVER_PROVIDER does not name the http-server provider of 1.9.2")
        self.must("config", "put", "http", f"address=127.0.0.1:{self.port}")
        self.must("start", "provider", f"file://{program}", "http", "--on", "ours")
        image = f"file://{harness.unsigned_guest('hello-c')}"
        self.must("start", "component", image, "theirs", "--max", "5", "--on", self.theirs)
        self.must("link", "put", "http", "theirs", "wasi:http/incoming-handler", "--source-config", "http")
        self.answers("Hello, world!")
        self.must("link", "del", "http", "wasi:http")
        self.until(lambda: self.get()[0] == 0, 20, "nothing listens any more")
        self.must("start", "component", image, "ours", "--max", "5", "--on", "ours")
        self.must("link", "put", "http", "ours", "wasi:http/incoming-handler", "--source-config", "http")
        self.answers("Hello, world!")


if __name__ == "__main__":
    sys.exit(harness.main())
