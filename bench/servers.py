# SPDX-License-Identifier: Apache-2.0
"""The servers that bench/run compares, and how to start, watch and stop one."""

import lzma
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time

# What a guest of ours dirties between two requests fits in this, so nothing is given back to the kernel. One reuses
# memory through PAGEMAP_SCAN, which only newer kernels have; the peer ignores it elsewhere.
PEER_RESIDENT = ("pooling-allocator=y,pooling-memory-keep-resident=2097152,pooling-table-keep-resident=65536,"
                 "pooling-async-stack-keep-resident=131072,pooling-pagemap-scan={scan}")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def children_of(pid):
    """The process and all below it."""
    found, todo = [], [pid]
    while todo:
        pid = todo.pop()
        found.append(pid)
        try:
            for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
                todo += [int(x) for x in (task / "children").read_text().split()]
        except OSError:
            pass
    return found


def memory_kib(pid):
    """Proportional set size of the process and its children: shared pages count once."""
    total = 0
    for p in children_of(pid):
        try:
            for line in pathlib.Path(f"/proc/{p}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
        except OSError:
            pass
    return total


def cpu_seconds(pid):
    """CPU time of the process and its children so far."""
    ticks = 0
    for p in children_of(pid):
        try:
            fields = pathlib.Path(f"/proc/{p}/stat").read_text().rsplit(")", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
        except OSError:
            pass
    return ticks / os.sysconf("SC_CLK_TCK")


class Server:
    """A command line with {port} in it. `first_answer_ms` is set by start()."""

    def __init__(self, name, argv, env=None, cold=None):
        self.name, self.argv, self.env, self.cold = name, argv, env, cold
        self.process, self.port, self.first_answer_ms = None, None, None

    def start(self, path="/"):
        self.port = free_port()
        argv = [str(a).format(port=self.port) for a in self.argv]
        began = time.perf_counter()
        self.log = open(os.devnull, "w")
        self.process = subprocess.Popen(argv, stdout=self.log, stderr=subprocess.PIPE if self.cold else self.log,
                                        env={**os.environ, **(self.env or {})}, start_new_session=True)
        while not self.answers(path):
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.name}: ended with {self.process.returncode}: {' '.join(argv)}")
            if time.perf_counter() - began > 60:
                self.stop()
                raise RuntimeError(f"{self.name}: no answer after 60 s: {' '.join(argv)}")
        self.first_answer_ms = (time.perf_counter() - began) * 1000
        return self

    def answers(self, path):
        """One request; tries again at once while nobody listens."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=30) as s:
                s.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
                return s.recv(64).startswith(b"HTTP/1.1 200")
        except OSError:
            time.sleep(0.0002)
            return False

    def url(self, path="/"):
        return f"http://127.0.0.1:{self.port}{path}"

    def cpu_seconds(self):
        return cpu_seconds(self.process.pid)

    def memory_kib(self):
        return memory_kib(self.process.pid)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        # A peer that leaves children behind must not disturb the next one.
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except OSError:
            pass
        self.log.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def find_peer(folder):
    """The `wasmtime` program: from $WRIT_PEERS (wasmtime*, packed with xz or not), else from PATH, else None."""
    peers = os.environ.get("WRIT_PEERS")
    for path in sorted(pathlib.Path(peers).glob("wasmtime*")) if peers else []:
        if path.suffix != ".xz":
            return str(path)
        program = pathlib.Path(folder) / path.stem
        with lzma.open(path) as packed, open(program, "wb") as out:
            shutil.copyfileobj(packed, out)
        program.chmod(0o755)
        return str(program)
    return shutil.which("wasmtime")


def writ(program, component, *options, workers=2, name="writ"):
    return Server(name, [program, "run", "--listen", "127.0.0.1:{port}", "--workers", str(workers), "--max-instances",
                         "4096", "--queue", "8192", *options, component])


def native(program, processes=2):
    return Server("our HTTP server, natively", [program, "{port}", str(processes)])


def wasmtime(program, component, *options, name="wasmtime serve"):
    return Server(name, [program, "serve", "-Scli", "--addr", "127.0.0.1:{port}", *options, component])


def wasmtime_kinds(program, component):
    """With its defaults, with its best residency options, and reusing instances beside those."""
    best = PEER_RESIDENT.format(scan="auto") + (
        ",pooling-total-component-instances=5000,pooling-total-core-instances=20000,pooling-total-memories=10000,"
        "pooling-total-tables=20000,pooling-total-stacks=5000")
    reuse = ["--max-instance-reuse-count", "1000000", "--idle-instance-timeout", "10s"]
    return [
        wasmtime(program, component, name="`wasmtime serve`"),
        wasmtime(program, component, "-O", best, name="`wasmtime serve`, best residency"),
        wasmtime(program, component, "-O", best, *reuse, name="`wasmtime serve`, reusing instances"),
    ]


class redis:
    """A Redis server, and the native client that comes with it."""

    def __init__(self, folder):
        if shutil.which("redis-server") is None or shutil.which("redis-benchmark") is None:
            raise RuntimeError("redis-server or redis-benchmark is missing: "
                               "apt-get install redis-server redis-tools")
        self.port = free_port()
        self.process = subprocess.Popen(["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "",
                                         "--appendonly", "no", "--dir", str(folder)], stdout=subprocess.DEVNULL)
        self.key = "bench"

    def rate(self, connections, seconds, command):
        """Calls in a second, of so many clients that each wait for their answer."""
        arguments = {"get": ["GET", "b:k"], "incrby": ["INCRBY", "native", "1"]}[command]
        count = 20000 * seconds * (1 if connections == 1 else 4)
        command = ["redis-benchmark", "-p", str(self.port), "-c", str(connections), "-n", str(count), "--csv"]
        out = subprocess.run([*command, *arguments], check=True, capture_output=True, text=True).stdout
        line = next(line for line in out.splitlines() if line.startswith('"' + arguments[0]))
        return float(line.split(",")[1].strip('"'))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(10)


class postgres:
    """A PostgreSQL server as the scenarios start it, with a table of 1000 rows, and the native client that comes with
    it."""

    def __init__(self, folder):
        sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests" / "scenario"))
        import postgres_server  # noqa: E402
        self.password = postgres_server.PASSWORD
        self.server = postgres_server.PostgresServer()
        self.port, self.script = self.server.port, folder / "query.sql"
        self.server.fresh("bench")
        self.server.sql("create table t (id bigint primary key, name text);\n"
                        "insert into t select i, 'name ' || i from generate_series(1, 1000) i;\n", "bench")
        self.script.write_text("\\set id random(1, 1000)\nSELECT name FROM t WHERE id = :id;\n")

    def rate(self, connections, seconds):
        """Queries in a second, prepared, of so many clients that each wait for their answer."""
        command = [f"{self.server.bin}/pgbench", "-n", "-M", "prepared", "-h", "127.0.0.1", "-p", str(self.port), "-U",
                   "writ", "-c", str(connections), "-T", str(seconds), "-f", self.script, "bench"]
        out = subprocess.run(command, check=True, capture_output=True, text=True,
                             env=dict(os.environ, PGPASSWORD=self.password)).stdout
        return float(next(line for line in out.splitlines() if line.startswith("tps = ")).split()[2])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.close()
