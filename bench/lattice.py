# SPDX-License-Identifier: Apache-2.0
"""Lattices that bench/run measures: servers of NATS, hosts of ours and of wasmCloud 1.9.2, on loopback."""

import json
import lzma
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time
import urllib.request

import servers

DEADLINE_S = 60
PROCESSES = 4  # of a host without links to drivers: agent, parent of generations, supervisor, worker


def until(condition, what, seconds=DEADLINE_S):
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise RuntimeError(f"{what}: not within {seconds} s")
        time.sleep(0.01)


def peer_program(folder, name):
    """From $WRIT_PEERS, packed with xz or not; None without it."""
    peers = os.environ.get("WRIT_PEERS")
    for path in sorted(pathlib.Path(peers).glob(f"{name}*")) if peers else []:
        if path.name == name:
            return path
        if path.name == f"{name}.xz":
            program = pathlib.Path(folder) / name
            with lzma.open(path) as packed, open(program, "wb") as out:
                shutil.copyfileobj(packed, out)
            program.chmod(0o755)
            return program
    return None


class Nats:
    def __init__(self, folder):
        if shutil.which("nats-server") is None:
            raise RuntimeError("nats-server is missing: apt-get install nats-server")
        self.port = servers.free_port()
        self.url = f"nats://127.0.0.1:{self.port}"
        store = pathlib.Path(folder) / f"nats-{self.port}"
        self.process = subprocess.Popen(["nats-server", "-a", "127.0.0.1", "-p", str(self.port), "-js", "-sd", store],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def __enter__(self):
        time.sleep(0.5)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(10)


class Client:
    """As little of a client of NATS as publishing many requests takes."""

    def __init__(self, nats):
        self.socket = socket.create_connection(("127.0.0.1", nats.port))
        self.lines = self.socket.makefile("rb")
        self.socket.sendall(b'CONNECT {"verbose":false}\r\nSUB bench.answers 1\r\nPING\r\n')
        until(lambda: self.lines.readline() == b"PONG\r\n", "NATS answers")

    def ask_all(self, requests):
        """Publishes all (subject, object) and waits for as many answers; returns those that are failures."""
        failures, sent = [], 0
        for subject, body in requests:
            payload = json.dumps(body).encode()
            self.socket.sendall(f"PUB wasmbus.ctl.v1.default.{subject} bench.answers {len(payload)}\r\n".encode() +
                                payload + b"\r\n")
            sent += 1
            if sent % 256 == 0 or sent == len(requests):
                failures += [a for a in (self.answer() for _ in range(256 if sent % 256 == 0 else sent % 256))
                             if not a["success"]]
        return failures

    def ask(self, subject):
        self.socket.sendall(f"PUB wasmbus.ctl.v1.default.{subject} bench.answers 0\r\n\r\n".encode())
        return self.answer()["response"]

    def answer(self):
        while True:
            line = self.lines.readline().split()
            if line[:1] == [b"PING"]:
                self.socket.sendall(b"PONG\r\n")
            elif line[:1] == [b"MSG"]:
                return json.loads(self.lines.read(int(line[-1]) + 2))

    def close(self):
        self.lines.close()
        self.socket.close()


class Hosts:
    """`count` hosts of ours in one lattice, h1 and so on. The control interface is that of everybody who reaches the
    server."""

    def __init__(self, bench, nats, count, *options, unsigned=False):
        self.bench, self.nats, self.count, self.options = bench, nats, count, options
        self.folder = pathlib.Path(bench.folder) / f"hosts-{nats.port}"
        self.processes, self.logs = {}, {}
        for number in range(1, count + 1):
            self.start(f"h{number}", *(["--unsigned"] if unsigned else []))
        until(lambda: len(self.ask("get", "hosts")["hosts"]) == count, f"{count} hosts answer")

    def start(self, name, *options):
        data = self.folder / name
        data.mkdir(parents=True, exist_ok=True)
        run = self.folder / f"run-{name}"
        run.mkdir(mode=0o700, exist_ok=True)
        self.logs[name] = open(data / "log", "ab")
        self.processes[name] = subprocess.Popen(
            [self.bench.writ, "host", "--nats", self.nats.url, "--name", name, "--allow-file-load", "--workers", "1",
             "--allow-unsigned-control", "admin", "--data", data, "--cache", self.folder / "cache", *self.options,
             *options], stdout=self.logs[name], stderr=self.logs[name], start_new_session=True,
            env={**os.environ, "XDG_RUNTIME_DIR": str(run)})

    def ask(self, *arguments):
        done = subprocess.run([self.bench.writ, *arguments, "--nats", self.nats.url, "-o", "json"], capture_output=True,
                              text=True)
        if done.returncode != 0:
            raise RuntimeError(f"writ {' '.join(map(str, arguments))}: {done.stdout}{done.stderr}")
        return json.loads(done.stdout) if done.stdout.strip() else {}

    def memory_kib(self, name):
        return servers.memory_kib(self.processes[name].pid)

    def close(self):
        for name, process in self.processes.items():
            process.send_signal(signal.SIGTERM)
        for name, process in self.processes.items():
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            self.logs[name].close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def serve_http(hosts, port):
    """The component `front` behind HTTP on the first host."""
    hosts.ask("config", "put", "http", f"address=127.0.0.1:{port}")
    hosts.ask("start", "provider", "wasmcloud+builtin://http-server", "http", "--on", "h1", "--config", "http")
    hosts.ask("link", "put", "http", "front", "wasi:http/incoming-handler", "--source-config", "http")


def fetch(port, path, seconds=60):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=seconds) as answer:
        return answer.read().decode()


def answers(port, path):
    try:
        return fetch(port, path, 5)
    except OSError:
        return None


def calls_of_ours(bench, nats, image, shapes):
    """Calls between two hosts: one measurement for each (count, bytes), and the port of the first host's HTTP."""
    port = servers.free_port()
    with Hosts(bench, nats, 2) as hosts:
        hosts.ask("start", "component", f"file://{image}", "front", "--max", "100", "--on", "h1")
        hosts.ask("start", "component", f"file://{image}", "back", "--max", "100", "--on", "h2")
        hosts.ask("link", "put", "front", "back", "test:echo/echo")
        serve_http(hosts, port)
        until(lambda: answers(port, "/once/100") == "100\n", "a call between two hosts")
        results = [json.loads(fetch(port, f"/time/{count}/{size}")) for count, size in shapes]
        return results, *(bench.wrk(f"http://127.0.0.1:{port}/once/100", connections) for connections in (1, 32))


def calls_of_peer(bench, nats, image, shapes):
    """The same on one host of wasmCloud 1.9.2, whose calls go over NATS also there; None without it."""
    host, wash = peer_program(bench.folder, "wasmcloud"), peer_program(bench.folder, "wash")
    if host is None or wash is None:
        return None
    port = servers.free_port()
    env = {**os.environ, "HOME": str(bench.folder)}

    def ask(*arguments):
        return subprocess.run([wash, *arguments, "--ctl-port", str(nats.port)], capture_output=True, text=True, env=env)
    process = subprocess.Popen([host, "--nats-port", str(nats.port), "--allow-file-load", "--feature",
                                "builtin-http-server"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env)
    try:
        until(lambda: "NA" in ask("get", "hosts").stdout or "ND" in ask("get", "hosts").stdout or
              "uptime" in ask("get", "hosts", "-o", "json").stdout, "the peer's host answers")
        ask("start", "component", f"file://{image}", "front", "--max-instances", "100")
        ask("start", "component", f"file://{image}", "back", "--max-instances", "100")
        ask("config", "put", "http", f"address=127.0.0.1:{port}")
        ask("start", "provider", "wasmcloud+builtin://http-server", "http", "--skip-wait")
        ask("link", "put", "http", "front", "wasi", "http", "--interface", "incoming-handler", "--source-config",
            "http")
        ask("link", "put", "front", "back", "test", "echo", "--interface", "echo")
        until(lambda: answers(port, "/once/100") == "100\n", "a call of the peer")
        results = [json.loads(fetch(port, f"/time/{count}/{size}")) for count, size in shapes]
        return results, *(bench.wrk(f"http://127.0.0.1:{port}/once/100", connections) for connections in (1, 32))
    finally:
        process.terminate()
        process.wait(20)


def many(bench, nats, image, components, links):
    """One host with so many components, and links that begin at each of them: how long until all run, what that takes,
    and how long a host that joins needs until it knows the links."""
    with Hosts(bench, nats, 1, "--max-components", str(components)) as hosts:
        empty = hosts.memory_kib("h1")
        host = hosts.ask("get", "hosts")["hosts"][0]["id"]
        each = links // components
        client = Client(nats)
        began = time.monotonic()
        failures = client.ask_all([(f"component.scale.{host}", {
            "component_id": f"c{i}", "component_ref": f"file://{image}", "count": 1}) for i in range(components)])
        until(lambda: len(client.ask(f"host.get.{host}")["components"]) >= components, "all components run", 900)
        started = time.monotonic() - began
        began = time.monotonic()
        failures += client.ask_all([("link.put", {
            "source_id": f"c{i}", "target": f"c{(i + k + 1) % components}", "name": f"l{k}", "wit_namespace": "test",
            "wit_package": "echo", "interfaces": ["echo"]}) for i in range(components) for k in range(each)])
        linked = time.monotonic() - began
        client.close()
        if failures:
            raise RuntimeError(f"{len(failures)} requests failed, such as {failures[0]}")
        until(lambda: len(servers.children_of(hosts.processes["h1"].pid)) <= PROCESSES, "one generation is left", 60)
        memory = hosts.memory_kib("h1")
        began = time.monotonic()
        hosts.start("h2")
        until(lambda: len(hosts.ask("get", "hosts")["hosts"]) == 2, "the second host answers", 120)
        return {"started_s": started, "linked_s": linked, "empty_kib": empty, "memory_kib": memory,
                "joined_s": time.monotonic() - began}

