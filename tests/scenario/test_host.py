#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""writ host: alone and with others; components that call each other on one host and on two, that change, fail and
end; hosts that are restarted while requests are on their way."""
import json
import subprocess
import sys
import threading
import time

import harness
import servers
from harness import BINARY, CACHE, environment
from lattices import Host, Lattice


class Load:
    """Requests, one after the other, until it is told to end."""

    def __init__(self, case, path):
        self.case, self.path = case, path
        self.wrong, self.right, self.ends = [], 0, False
        self.threads = [threading.Thread(target=self.run, daemon=True) for _ in range(4)]
        case.addCleanup(self.end)
        for thread in self.threads:
            thread.start()

    def run(self):
        while not self.ends:
            code, text = self.case.get(self.path)
            if code == 200:
                self.right += 1
            else:
                self.wrong.append((time.time(), code, text))

    def wait(self, count):
        self.case.until(lambda: self.right >= count or self.wrong, 60, f"{count} requests are answered")
        self.case.assertEqual(self.wrong[:3], [])

    def more(self, count=30):
        self.wait(self.right + count)

    def end(self):
        self.ends = True
        for thread in self.threads:
            thread.join()
        return self.right


class Hosts(Lattice):
    seconds_max = 180

    def start(self, name, host, *options, guest="echo-c"):
        self.must("start", "component", f"file://{harness.unsigned_guest(guest)}", name, "--max", "20", "--on", host,
                  *options)

    def link(self):
        self.must("link", "put", "front", "back", "test:echo/echo")

    def components_of(self, host):
        found = self.must("get", "inventory", host)["inventories"][0]["components"]
        return {one["id"]: one["max_instances"] for one in found}

    def test_a_component_calls_one_of_another_host_and_then_of_its_own(self):
        first, _ = self.hosts("--unsigned")
        self.start("front", "first")
        self.start("back", "second")
        self.serve("front", "first")
        self.assertEqual(self.get("/once/100")[0], 500, "it has no link")
        self.link()
        self.until(lambda: self.get("/once/100") == (200, "100\n"), 10, "it is called")
        for size in (0, 1, 70000, 1 << 20):
            self.assertEqual(self.get(f"/once/{size}"), (200, f"{size}\n"))
        self.start("back", "first")  # it is nearer from now on
        self.until(lambda: json.loads(self.get("/time/200/100")[1])["p50"] < 100000, 20, "calls stay in the process")
        self.must("stop", "component", "back", "--on", "first")
        self.until(lambda: self.get("/once/100") == (200, "100\n"), 10, "the other one is called again")
        self.must("link", "del", "front", "test:echo")
        self.until(lambda: self.get("/once/100")[0] == 500, 10, "it has no link any more")
        self.assertIn("has no link", first.path.read_text())

    def test_one_that_cannot_start_stands_in_nobodys_way(self):
        self.hosts("--unsigned")
        self.start("front", "first")
        self.start("back", "first")
        self.link()
        self.serve("front", "first")
        broken = self.folder / "broken.wasm"
        broken.write_bytes(b"\0asm\x0d\0\1\0" + b"\xff" * 100)
        load = Load(self, "/once/10")
        self.lattice("start", "component", f"file://{broken}", "broken", "--on", "first")
        self.assertEqual(self.code, 1)
        self.assertIn("integer too large", self.error)
        self.lattice("start", "component", f"file://{self.folder}/none.wasm", "none", "--on", "first")
        self.assertIn("none.wasm", self.error)
        self.lattice("start", "component", "ghcr.io/example/web:1", "far", "--on", "first")
        self.assertIn("fetches from none", self.error)
        self.must("scale", "front=3", "--on", "first")
        load.more()
        load.end()
        self.assertEqual(load.wrong, [])
        self.assertEqual(self.components_of("first"), {"front": 3, "back": 20})

    def test_changes_lose_no_request(self):
        """The callee runs on two hosts, each of which is stopped and comes again."""
        names = ("first", "second", "third")
        hosts = dict(zip(names, self.hosts("--unsigned", names=names)))
        self.start("front", "first")
        self.start("back", "second")
        self.start("back", "third")
        self.link()
        self.serve("front", "first")
        self.until(lambda: self.get("/once/10")[0] == 200, 10, "it is called")
        load = Load(self, "/once/10")
        load.more()
        self.must("scale", "front=7", "--on", "first")
        load.more()
        for name in ("second", "third"):
            self.assertEqual(hosts[name].stop(), 0)
            load.more()
            hosts[name] = Host(self, f"{name}-again", "--unsigned")
            self.until(lambda: self.count_hosts() == 3, 30, "it is there again")
            self.start("back", f"{name}-again")
            load.more()
        self.assertGreater(load.end(), 200)
        self.assertEqual(load.wrong, [])


class Alone(harness.Case):
    """Without NATS: no port is open, and commands go through the host's socket."""

    def setUp(self):
        super().setUp()
        self.run_folder = self.folder / "run"
        self.run_folder.mkdir(mode=0o700)
        self.port = servers.free_port()

    def host(self):
        log = open(self.folder / "log", "ab")
        self.addCleanup(log.close)
        process = subprocess.Popen(
            [BINARY, "host", "--allow-file-load", "--unsigned", "--workers", "1", "--data", self.folder / "data",
             "--cache", CACHE, "-o", "json"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment())
        self.addCleanup(self.end, process)
        self.until(lambda: self.ask("get", "hosts").get("hosts"), 10, "it answers")
        return process

    def environment(self):
        return environment({"XDG_RUNTIME_DIR": str(self.run_folder), "WRIT_HOME": str(self.folder / "home")})

    def end(self, process):
        if process.poll() is None:
            process.terminate()
            process.wait(30)
        return process.returncode

    def ask(self, *arguments):
        done = subprocess.run([BINARY, *arguments, "--host", "default", "-o", "json"], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, env=self.environment(), timeout=60)
        self.error = done.stderr
        return json.loads(done.stdout) if done.returncode == 0 and done.stdout.strip() else {}

    def test_it_runs_components_and_keeps_links_and_configurations(self):
        process = self.host()
        echo = harness.unsigned_guest("echo-c")
        self.ask("start", "component", f"file://{echo}", "front")
        self.ask("start", "component", f"file://{echo}", "back")
        self.ask("link", "put", "front", "back", "test:echo/echo")
        self.ask("config", "put", "http", f"address=127.0.0.1:{self.port}")
        self.ask("start", "provider", "wasmcloud+builtin://http-server", "http")
        self.ask("link", "put", "http", "front", "wasi:http/incoming-handler", "--source-config", "http")
        self.until(lambda: self.answers(), 20, f"it answers: {self.error}")
        self.assertEqual(self.end(process), 0)
        self.host()
        self.ask("start", "provider", "wasmcloud+builtin://http-server", "http", "--config", "http")
        self.ask("start", "component", f"file://{echo}", "back")
        self.ask("start", "component", f"file://{echo}", "front")
        self.until(lambda: self.answers(), 20, f"links and configurations were kept: {self.error}")

    def answers(self):
        done = subprocess.run(["curl", "-s", "-m", "5", f"http://127.0.0.1:{self.port}/once/7"], capture_output=True,
                              text=True)
        return done.stdout == "7\n"

    def test_a_second_one_of_its_name_is_refused(self):
        self.host()
        done = subprocess.run([BINARY, "host"], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              env=self.environment(), timeout=30)
        self.assertEqual(done.returncode, 5)
        self.assertIn("default", done.stderr)


if __name__ == "__main__":
    sys.exit(harness.main())
