# SPDX-License-Identifier: Apache-2.0
"""Hosts of a lattice, each a process with all that it keeps in a folder of its own, on a NATS of the test."""
import json
import os
import signal
import subprocess
import urllib.error
import urllib.request

import harness
import servers
from harness import BINARY, CACHE, environment, writ


class Host:
    """One of a lattice, with all that it keeps in a folder of its own."""

    def __init__(self, case, name, *options):
        folder = case.folder / name
        (folder / "run").mkdir(parents=True, mode=0o700)
        self.case = case
        self.path = folder / "log"
        self.log = open(self.path, "wb")
        self.process = subprocess.Popen(
            [BINARY, "host", "--nats", f"nats://127.0.0.1:{case.nats.port}", "--name", name, "--allow-file-load",
             "--workers", "1", "--allow-unsigned-control", "admin", "--cluster-key", case.key, "--data",
             folder / "data", "--cache", CACHE, "-o", "json", *options],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
            env=environment({"XDG_RUNTIME_DIR": str(folder / "run")}))
        case.addCleanup(self.stop)

    def events(self):
        """What it has logged so far."""
        found = []
        for line in self.path.read_text(errors="replace").splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                pass
        return found

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()
        return self.process.returncode


class Lattice(harness.Case):
    seconds_max = 120

    def setUp(self):
        super().setUp()
        self.nats = servers.Nats(self)
        self.key = f"lattice-{os.getpid()}-{id(self)}"
        writ("keys", "gen", "cluster", self.key)
        self.port = servers.free_port()

    def hosts(self, *options, names=("first", "second")):
        found = [Host(self, name, *options) for name in names]
        self.until(lambda: self.count_hosts() == len(names), 60, "the hosts see each other")
        return found

    def count_hosts(self):
        return len(self.lattice("get", "hosts").get("hosts", []))

    def lattice(self, *arguments):
        command = [BINARY, *map(str, arguments), "--nats", f"nats://127.0.0.1:{self.nats.port}", "-o", "json"]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment(),
                              timeout=60)
        self.error = done.stderr
        self.code = done.returncode
        return json.loads(done.stdout) if done.returncode == 0 and done.stdout.strip() else {}

    def must(self, *arguments):
        answer = self.lattice(*arguments)
        self.assertEqual(self.code, 0, f"{arguments}: {answer} {self.error}")
        return answer

    def get(self, path="/", data=None):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", data, timeout=20) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def serve(self, component, host, path="/"):
        """Our HTTP server on a host, for a component wherever it is."""
        self.must("config", "put", "http", f"address=127.0.0.1:{self.port}")
        self.must("start", "provider", "wasmcloud+builtin://http-server", "http", "--on", host)
        self.must("link", "put", "http", component, "wasi:http/incoming-handler", "--source-config", "http")
        self.until(lambda: self.get(path)[0] == 200, 20, "it answers")

    def providers_of(self, host):
        for one in self.lattice("get", "inventory", host).get("inventories", []):
            return {p["id"]: p for p in one.get("providers", [])}
        return {}
