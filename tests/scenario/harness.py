# SPDX-License-Identifier: Apache-2.0
"""What the scenario tests share: starting `writ`, talking HTTP down to the byte, and servers for guests to call.

    WRIT_BIN      the program under test (default build/release/writ)
    WRIT_GUESTS   where the built guests are (default build/guests; what is missing there is built)

Nothing here sleeps in order to be right: every wait is for something, with a deadline.
"""

import contextlib
import fcntl
import functools
import hashlib
import http.server
import json
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools" / "test"))
import closing  # noqa: E402  (prints the closing line that the runner reads)

BINARY = pathlib.Path(os.environ.get("WRIT_BIN") or ROOT / "build" / "release" / "writ")
GUESTS = pathlib.Path(os.environ.get("WRIT_GUESTS") or ROOT / "build" / "guests")
CACHE = ROOT / "build" / "test-cache"
SIGNED = ROOT / "build" / "test-signed"
HOME = SIGNED / "home"  # of keys and trust, for every `writ` that a test starts

# What `writ --help` lists; the commands of a group are called as "keys gen".
GROUPS = {"trust": ("add", "list", "remove", "check", "require", "revoke", "import"),
          "keys": ("gen", "list", "show", "export", "import"), "token": ("create", "inspect"),
          "bundle": ("sign", "verify", "inspect"), "par": ("create", "insert", "inspect", "verify", "extract"),
          "secrets": ("set", "rotate", "list", "show", "remove"), "spiffe": ("show",), "manifest": ("check", "show"),
          "audit": ("verify", "show", "export", "note"), "explain": ("why-denied", "why-refused", "what-may"),
          "link": ("put", "del", "list"), "context": ("new", "use", "list", "show", "del"),
          "start": ("component", "provider"), "stop": ("component", "provider", "host"),
          "config": ("put", "get", "del"), "label": ("put", "del"),
          "lattice": ("admit", "issuers", "revoked", "users", "nats-config")}
COMMANDS = ("run", "up", "host", "down", "get", "logs", "scale", "new", "build", "dev", "provider", "inspect", "sign",
            "verify", "diff", "doctor", "version", "update", "drain", "call", "spy")
MEMBERS = tuple(f"{group} {name}" for group, names in GROUPS.items() for name in names)

# A sanitizer's words in the output of any process fail the test, whatever else went well.
ALARMS = re.compile(r"AddressSanitizer|LeakSanitizer|runtime error:|ThreadSanitizer|CHECK failed|Assertion")
START_SECONDS_MAX = 60
TEST_SECONDS_MAX = 120


def main():
    if not BINARY.exists():
        print(f"{BINARY} is not built; run `make` first, or name another in WRIT_BIN")
        print("0 passed, 1 failed")
        return 1
    return closing.main()


class Case(unittest.TestCase):
    """A test with a deadline of its own and a folder that goes away with it."""

    seconds_max = TEST_SECONDS_MAX
    maxDiff = None

    def setUp(self):
        signal.signal(signal.SIGALRM, self._too_late)
        signal.alarm(self.seconds_max)
        self.addCleanup(signal.alarm, 0)
        folder = tempfile.TemporaryDirectory(prefix="writ-test-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def _too_late(self, *_):
        raise TimeoutError(f"{self.id()} took longer than {self.seconds_max} s")

    def serve(self, component, *options, **keywords):
        """A server for the length of the test."""
        server = Server(component, *options, **keywords)
        self.addCleanup(server.close)
        return server

    def origin(self):
        origin = Origin()
        self.addCleanup(origin.close)
        return origin

    def until(self, condition, seconds, what):
        """Waits for a condition; looks again every few milliseconds."""
        deadline = time.monotonic() + seconds
        while True:
            value = condition()
            if value:
                return value
            if time.monotonic() > deadline:
                self.fail(f"{what}: not within {seconds} s")
            time.sleep(0.005)


@functools.lru_cache(maxsize=None)
def guest(name):
    """The path of a built guest, signed; skips the test with the reason when its tool chain is not here."""
    return signed(unsigned_guest(name))


@functools.lru_cache(maxsize=None)
def unsigned_guest(name):
    """The same as it was built."""
    path = GUESTS / (f"bad/{name[4:]}.wasm" if name.startswith("bad/") else f"{name}.wasm")
    if not path.exists():
        builder = [sys.executable, ROOT / "tests" / "guests" / "build.py", name.split("/")[0], "--out", GUESTS]
        done = subprocess.run(builder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            raise unittest.SkipTest(f"guest {name} cannot be built here: {done.stdout.strip()}")
    return str(path)


def peer(name):
    """The path of a program of others that ours is held against: in $WRIT_PEERS, else in PATH; None without it."""
    folder = os.environ.get("WRIT_PEERS")
    return (shutil.which(name, path=folder) if folder else None) or shutil.which(name)


def writ(*arguments):
    """Runs `writ` for the preparation of a test; must succeed."""
    command = [str(BINARY), *map(str, arguments)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment())
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr}")
    return done.stdout.strip()


@functools.lru_cache(maxsize=None)
def account():
    """The public key of the account that signs guests, and that the trust store of the tests names."""
    HOME.mkdir(parents=True, exist_ok=True, mode=0o700)
    with open(SIGNED / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (HOME / "trust.json").exists():
            write_trust(HOME / "trust.json", {"key": writ("keys", "gen", "account", "tests"), "note": "the tests"})
    return writ("keys", "show", "tests")


def write_trust(path, *issuers, **more):
    """A trust store as a person would write it."""
    text = json.dumps({"version": 1, "issuers": list(issuers), **more})
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w") as out:
        out.write(text)


def sign(component, out, *options):
    """Signs with the account of the tests, or with the --issuer among the options."""
    account()
    issuer = [] if "--issuer" in options else ["--issuer", "tests"]
    writ("sign", *issuer, *options, "--out", out, component)
    return str(out)


def signed(component):
    """A signed copy with the same name, made once for all tests; the component itself where it cannot be signed,
    such as one that is broken on purpose."""
    account()
    data = pathlib.Path(component).read_bytes()
    folder = SIGNED / hashlib.sha256(data + account().encode()).hexdigest()[:16]
    path = folder / pathlib.Path(component).name
    if not path.exists():
        folder.mkdir(exist_ok=True)
        scratch = folder / f"{os.getpid()}.wasm"
        try:
            sign(component, scratch, "--name", path.stem)
        except AssertionError:
            return str(component)
        scratch.rename(path)
    return str(path)


def run(*arguments, stdin=b"", timeout=60, env=None, cwd=None, cache=True):
    """Runs `writ` to its end. Returns the finished process with text in stdout and stderr."""
    command = [str(BINARY), *map(str, arguments)]
    if cache and arguments and arguments[0] in ("run", "up"):
        command[2:2] = ["--cache", str(CACHE)]
    done = subprocess.run(command, input=stdin, capture_output=True, timeout=timeout, env=environment(env), cwd=cwd)
    done.stdout = done.stdout.decode(errors="replace")
    done.stderr = done.stderr.decode(errors="replace")
    found = ALARMS.search(done.stderr)
    if found:
        raise AssertionError(f"{found[0]} in the output of {' '.join(command)}:\n{done.stderr}")
    return done


def environment(more=None):
    kept = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    return {**kept, "WRIT_HOME": str(HOME), "XDG_RUNTIME_DIR": str(SIGNED / "run"), **(more or {})}


class Server:
    """`writ run` serving a component on a free port; or `writ up` with a manifest."""

    def __init__(self, component, *options, wait=True, json_log=True, env=None, wrap=(), workers=None, cwd=None,
                 cache=CACHE, command="run"):
        arguments = ["--listen", "127.0.0.1:0", "--cache", str(cache)]
        if workers is not None:
            arguments += ["--workers", str(workers)]
        if json_log:
            arguments += ["-o", "json"]
        self.command = [*wrap, str(BINARY), command, *arguments, *map(str, options), str(component)]
        self.lines = []
        self._grown = threading.Condition()
        self.started = time.monotonic()
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, env=environment(env), start_new_session=True, cwd=cwd)
        self.output = []
        self._readers = [
            threading.Thread(target=self._read, args=(self.process.stderr, self.lines), daemon=True),
            threading.Thread(target=self._read, args=(self.process.stdout, self.output), daemon=True),
        ]
        for reader in self._readers:
            reader.start()
        self.port = None
        if wait:
            try:
                self.wait_ready()
            except BaseException:
                self.kill()
                raise

    def _read(self, stream, lines):
        for line in stream:
            with self._grown:
                lines.append(line.decode(errors="replace").rstrip("\n"))
                self._grown.notify_all()

    def wait_ready(self, seconds=START_SECONDS_MAX):
        line = self.wait_line(r"serving.*http://\S+?:\d+/", seconds)
        self.port = int(re.search(r"http://\S+?:(\d+)/", line)[1])
        self.ready_seconds = time.monotonic() - self.started
        return self

    def wait_line(self, pattern, seconds=10, since=0):
        """The first log line from number `since` on that matches; fails when there is none in time."""
        deadline = time.monotonic() + seconds
        with self._grown:
            while True:
                for line in self.lines[since:]:
                    if re.search(pattern, line):
                        return line
                left = deadline - time.monotonic()
                if left <= 0 or (self.process.poll() is not None and not self._readers[0].is_alive()):
                    raise AssertionError(f"no line matches {pattern!r} within {seconds} s; the log is:\n{self.log()}")
                self._grown.wait(min(left, 0.1))

    def mark(self):
        """A place in the log, for `wait_line(since=…)`."""
        return len(self.lines)

    def log(self):
        return "\n".join(self.lines)

    def events(self):
        """The log as objects (with json_log)."""
        events = []
        for line in list(self.lines):
            with contextlib.suppress(ValueError):
                events.append(json.loads(line))
        return events

    def children(self):
        """Process ids of the workers and helpers."""
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError, IndexError):
                    if (entry / "stat").read_text().rsplit(")", 1)[1].split()[1] == str(self.process.pid):
                        found.append(int(entry.name))
        return sorted(found)

    def workers(self):
        return [pid for pid in self.children() if b"__worker" in command_line(pid)]

    def drivers(self):
        return [pid for pid in self.children() if b"__drivers" in command_line(pid)]

    def generations(self):
        """Of `writ up`: the copies of the process that was started."""
        return [pid for pid in self.children() if b"__" not in command_line(pid)]

    def get(self, path="/hello", **keywords):
        return request(self.port, "GET", path, **keywords)

    def post(self, path, body, **keywords):
        return request(self.port, "POST", path, body=body, **keywords)

    def connect(self, timeout=20):
        return Connection(self.port, timeout)

    def terminate(self, seconds=15):
        """SIGTERM, and the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def kill(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)

    def close(self):
        """Ends the server; a sanitizer's report or a bad exit is the test's failure."""
        status = self.process.poll()
        if status is None:
            try:
                status = self.terminate()
            except subprocess.TimeoutExpired:
                self.kill()
                raise AssertionError(f"the server did not end within 15 s of SIGTERM; its log:\n{self.log()}") from None
        for reader in self._readers:
            reader.join(5)
        self.process.stderr.close()
        self.process.stdout.close()
        found = ALARMS.search(self.log())
        if found:
            raise AssertionError(f"{found[0]} in the server's output:\n{self.log()}")
        if status != 0 and not getattr(self, "may_fail", False):
            raise AssertionError(f"the server ended with status {status}; its log:\n{self.log()}")


def command_line(pid):
    with contextlib.suppress(OSError):
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def memory_bytes(pid, field="VmRSS"):
    with contextlib.suppress(OSError):
        found = re.search(rf"^{field}:\s+(\d+) kB", pathlib.Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
        if found:
            return int(found[1]) * 1024
    return 0


# ---- HTTP, down to the byte


class Response:
    def __init__(self, status, reason, headers):
        self.status = status
        self.reason = reason
        self.headers = headers  # (name in lower case, value) in order
        self.body = bytearray()
        self.trailers = []
        self.complete = False  # the body ended as HTTP says it must

    def header(self, name):
        return next((value for key, value in self.headers if key == name), None)

    @property
    def text(self):
        return self.body.decode(errors="replace")

    def __repr__(self):
        return f"<{self.status} {self.headers} {bytes(self.body[:200])!r} complete={self.complete}>"


class Connection:
    """A TCP connection that sends what it is told and reads responses strictly."""

    def __init__(self, port, timeout=20):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.ended = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode())

    def send_request(self, method="GET", path="/hello", headers=(), body=None):
        names = {name.lower() for name, _ in headers}
        lines = [f"{method} {path} HTTP/1.1"]
        if "host" not in names:
            lines.append("Host: test")
        if body is not None and not names & {"content-length", "transfer-encoding"}:
            lines.append(f"Content-Length: {len(body)}")
        lines += [f"{name}: {value}" for name, value in headers]
        self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + (body or b""))

    def _more(self):
        """Reads what is there; False at the end of the stream."""
        if self.ended:
            return False
        try:
            data = self.socket.recv(1 << 16)
        except ConnectionResetError:
            data = b""
        self.ended = not data
        self.buffer += data
        return not self.ended

    def line(self):
        while b"\r\n" not in self.buffer:
            if not self._more():
                raise EOFError(f"connection ended within a line: {self.buffer[:100]!r}")
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line

    def _fields(self):
        fields = []
        while True:
            line = self.line()
            if not line:
                return fields
            name, separator, value = line.partition(b":")
            assert separator, f"not a header line: {line!r}"
            fields.append((name.decode().lower(), value.decode("latin-1").strip()))

    def _take(self, count, response):
        while len(self.buffer) < count:
            if not self._more():
                response.body += self.buffer
                self.buffer = b""
                return False
        response.body += self.buffer[:count]
        self.buffer = self.buffer[count:]
        return True

    def read_head(self):
        version, _, rest = self.line().partition(b" ")
        assert version in (b"HTTP/1.1", b"HTTP/1.0"), f"not a status line: {version!r} {rest!r}"
        code, _, reason = rest.partition(b" ")
        return Response(int(code), reason.decode(), self._fields())

    def read_response(self, method="GET"):
        """One whole response; `complete` says whether its body ended as it should."""
        response = self.read_head()
        while 100 <= response.status < 200:
            response = self.read_head()
        if method == "HEAD" or response.status in (204, 304):
            response.complete = True
        elif (response.header("transfer-encoding") or "").lower() == "chunked":
            self._read_chunks(response)
        elif response.header("content-length") is not None:
            response.complete = self._take(int(response.header("content-length")), response)
        else:
            while self._more():
                pass
            response.body += self.buffer
            self.buffer = b""
            response.complete = True
        return response

    def _read_chunks(self, response):
        try:
            while True:
                size = int(self.line().split(b";")[0], 16)
                if size == 0:
                    response.trailers = self._fields()
                    response.complete = True
                    return
                if not self._take(size, response) or self.line() != b"":
                    return
        except EOFError:
            return

    def ends(self, seconds=10):
        """Whether the other side closes within the time; what it still sends is dropped."""
        deadline = time.monotonic() + seconds
        while not self.ended:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.socket], [], [], left)[0]:
                return False
            self._more()
        return True

    def quiet(self, seconds):
        """Whether nothing arrives for so long."""
        return not self.buffer and not select.select([self.socket], [], [], seconds)[0]

    def close(self):
        self.socket.close()

    def reset(self):
        """Closes so that the peer sees a reset, not an orderly end."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()


def request(port, method="GET", path="/hello", headers=(), body=None, timeout=20):
    """One request on a connection of its own."""
    with Connection(port, timeout) as connection:
        connection.send_request(method, path, list(headers) + [("Connection", "close")], body)
        return connection.read_response(method)


def chunked(pieces, trailers=()):
    """The bytes of a body in chunks."""
    data = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return data + b"0\r\n" + b"".join(f"{name}: {value}\r\n".encode() for name, value in trailers) + b"\r\n"


def in_parallel(count, work, timeout=60):
    """Runs work(0) … work(count - 1) each on a thread; returns results in order, an exception in its place."""
    results = [None] * count

    def one(index):
        try:
            results[index] = work(index)
        except Exception as error:  # the test looks at it
            results[index] = error

    threads = [threading.Thread(target=one, args=(index,), daemon=True) for index in range(count)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + timeout
    for thread in threads:
        thread.join(max(0, deadline - time.monotonic()))
    return results


# ---- Servers that guests call


class OriginHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def handle_any(self):
        body = self.read_body()
        self.server.origin.remember((self.command, self.path, list(self.headers.items()), body))
        path, _, query = self.path.partition("?")
        values = dict(part.split("=", 1) for part in query.split("&") if "=" in part)
        self.answer(path, values, body)

    do_GET = do_POST = do_PUT = do_HEAD = handle_any

    def read_body(self):
        if self.headers.get("transfer-encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("content-length", 0)))
        data = b""
        while True:
            size = int(self.rfile.readline().split(b";")[0], 16)
            data += self.rfile.read(size)
            self.rfile.readline()
            if size == 0:
                return data

    def answer(self, path, values, body):
        origin = self.server.origin
        if path == "/gate":
            origin.gate.wait(60)
        if path == "/delay":
            origin.stopped.wait(int(values.get("ms", 0)) / 1000)
        texts = {"/echo": body, "/big": b"o" * int(values.get("bytes", 0)), "/cut": b"only a part"}
        text = texts.get(path, f"origin {self.command} {self.path}\n".encode())
        self.send_response(302 if path == "/redirect" else int(values.get("code", 200)))
        if path == "/redirect":
            self.send_header("Location", values["to"])
        self.send_header("Content-Length", "1000" if path == "/cut" else str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)
        if path == "/cut":
            self.close_connection = True

    def log_message(self, *_):
        pass


class OriginServer(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024

    def handle_error(self, *_):
        pass  # clients that go away are part of the tests


class Origin:
    """An HTTP server for outgoing requests. Remembers them; `/gate` waits until `open_gate()`."""

    def __init__(self, host="127.0.0.1"):
        self.requests = []
        self.gate = threading.Event()
        self.stopped = threading.Event()
        self._changed = threading.Condition()
        self.server = OriginServer((host, 0), OriginHandler)
        self.server.origin = self
        self.port = self.server.server_address[1]
        self.url = f"http://{host}:{self.port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def remember(self, request):
        with self._changed:
            self.requests.append(request)
            self._changed.notify_all()

    def count(self):
        return len(self.requests)

    def wait_count(self, count, seconds=10):
        """Waits until so many requests have arrived."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while len(self.requests) < count:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise AssertionError(f"{len(self.requests)} requests arrived within {seconds} s, not {count}")
                self._changed.wait(left)

    def open_gate(self):
        self.gate.set()

    def close(self):
        self.stopped.set()
        self.gate.set()
        self.server.shutdown()
        self.server.server_close()


class LineServer:
    """A TCP (or UDP) server that answers what it gets with `pong ` before it."""

    def __init__(self, udp=False, host="127.0.0.1"):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM if udp else socket.SOCK_STREAM)
        self.socket.bind((host, 0))
        self.port = self.socket.getsockname()[1]
        self.seen = 0
        if not udp:
            self.socket.listen()
        threading.Thread(target=self._serve_udp if udp else self._serve_tcp, daemon=True).start()

    def _serve_tcp(self):
        with contextlib.suppress(OSError):
            while True:
                peer, _ = self.socket.accept()
                self.seen += 1
                with peer:
                    peer.sendall(b"pong " + peer.recv(100))

    def _serve_udp(self):
        with contextlib.suppress(OSError):
            while True:
                data, peer = self.socket.recvfrom(100)
                self.seen += 1
                self.socket.sendto(b"pong " + data, peer)

    def close(self):
        self.socket.close()


def quote(url):
    """A URL as the value of a query parameter."""
    import urllib.parse

    return urllib.parse.quote(url, safe="")


def have(program):
    return shutil.which(program) is not None
