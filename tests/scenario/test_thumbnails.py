#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""examples/thumbnails: a thousand uploads while a worker process is killed. None is lost, none comes twice, and each
thumbnail is what this file computes. With what is within the host, and with a NATS server and an S3 store."""

import concurrent.futures
import contextlib
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
EXAMPLE = ROOT / "examples" / "thumbnails"
S3_SERVER = ROOT / "build" / "deps" / "tools" / "bin" / "versitygw"
UPLOADS = 1000
PARALLEL = 8
HELD = 40
SIDE_MAX = 64


def picture(name):
    """Width, height and the pixels of a picture of its own."""
    dice = random.Random(name)
    width, height = dice.randint(1, 200), dice.randint(1, 150)
    return width, height, dice.randbytes(width * height * 3)


def as_file(width, height, pixels):
    return f"P6\n{width} {height}\n255\n".encode() + pixels


def thumbnail(width, height, pixels):
    step = (max(width, height) + SIDE_MAX - 1) // SIDE_MAX
    out = bytearray()
    for top in range(0, height, step):
        rows = range(top, min(top + step, height))
        for left in range(0, width, step):
            count = len(rows) * min(step, width - left)
            for k in range(3):
                total = sum(sum(pixels[(y * width + left) * 3 + k:(y * width + min(left + step, width)) * 3:3])
                            for y in rows)
                out.append((total + count // 2) // count)
    return as_file((width + step - 1) // step, (height + step - 1) // step, bytes(out))


def accepts(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class ThumbnailsCase(harness.Case):
    seconds_max = 300

    def up(self, workers=3, change=lambda text: text, options=()):
        text = (EXAMPLE / "app.yaml").read_text()
        for part in ("gallery", "scaler"):
            text = text.replace(f"file://./build/{part}.wasm", harness.guest(f"thumbnails-{part}"))
        path = self.folder / "app.yaml"
        path.write_text(change(text))
        return self.serve(path, "--data", self.folder / "data", *options, command="up", workers=workers)

    def upload(self, server, name, body, timeout=20):
        """As a client does that wants to be sure: again until it is accepted."""
        for _ in range(200):
            try:
                answer = harness.request(server.port, "PUT", f"/pictures/{name}", body=body, timeout=timeout)
            except (OSError, EOFError, AssertionError):
                answer = None
            if answer is not None and answer.status == 202:
                return
            threading.Event().wait(0.05)
        self.fail(f"{name} was never accepted: {answer and answer.body}")

    def names(self, server):
        answer = server.get("/thumbnails")
        return answer.body.decode().split() if answer.status == 200 else []

    def upload_all(self, server, names):
        with concurrent.futures.ThreadPoolExecutor(PARALLEL) as pool:
            list(pool.map(lambda name: self.upload(server, name, as_file(*picture(name))), names))

    def check_all(self, server, names):
        self.until(lambda: len(self.names(server)) >= len(names), 120, "all thumbnails")
        self.assertEqual(sorted(names), sorted(self.names(server)))
        for name in names:
            self.assertEqual(thumbnail(*picture(name)), server.get(f"/thumbnails/{name}").body, name)

    def kill_one_with_messages(self, server, names):
        """Holds a worker still, so that messages are on their way to it for sure, and ends it."""
        generation = pathlib.Path("/proc") / str(server.generations()[0])
        children = (generation / "task" / generation.name / "children").read_text().split()
        worker = next(int(pid) for pid in children if b"__worker" in harness.command_line(int(pid)))
        os.kill(worker, signal.SIGSTOP)
        with concurrent.futures.ThreadPoolExecutor(PARALLEL) as pool:
            list(pool.map(lambda name: self.upload(server, name, as_file(*picture(name)), timeout=0.5), names))
        with contextlib.suppress(ProcessLookupError):  # its supervisor may have ended it already: it hangs
            os.kill(worker, signal.SIGKILL)

    def check_a_thousand(self, server):
        names = [f"p{number}" for number in range(UPLOADS)]
        held = names[UPLOADS // 2:UPLOADS // 2 + HELD]
        rest = [name for name in names if name not in held]
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            killer = pool.submit(self.kill_one_with_messages, server, held)
            self.upload_all(server, rest)
            killer.result()
        server.wait_line("worker-replaced")
        self.check_all(server, names)


class Embedded(ThumbnailsCase):
    def test_a_thousand_uploads_and_a_worker_that_is_killed(self):
        self.check_a_thousand(self.up())

    def test_the_worker_that_is_killed_has_messages(self):
        """Or the test above would show nothing: when they are not tried again, some thumbnails are never made."""
        server = self.up(change=lambda text: text.replace('redeliver: "10"', 'redeliver: "0"'))
        names = [f"p{number}" for number in range(HELD)]
        self.kill_one_with_messages(server, names)
        server.wait_line("worker-replaced")
        self.upload(server, "last", as_file(*picture("last")))
        self.until(lambda: "last" in self.names(server), 20, "the one after it")
        self.assertLess(len(self.names(server)), HELD + 1)

    def test_what_is_no_picture_is_done_with(self):
        server = self.up(workers=1)
        self.upload(server, "text", b"not a picture")
        self.upload(server, "short", b"P6\n10 10\n255\nabc")
        self.upload(server, "good", as_file(*picture("one")))
        server.wait_line("text is no PPM picture")
        server.wait_line("short is no PPM picture")
        self.until(lambda: self.names(server) == ["good"], 20, "the good one")
        self.assertEqual(404, server.get("/thumbnails/text").status)
        self.assertEqual(404, server.get("/thumbnails/../x").status)

    def test_a_name_is_for_one_picture(self):
        server = self.up(workers=1)
        first, second = picture("one"), picture("two")
        for image in (first, second, first):
            self.upload(server, "same", as_file(*image))
        self.until(lambda: self.names(server) == ["same"], 20, "the thumbnail")
        self.assertEqual(as_file(*first), server.get("/pictures/same").body)
        self.assertEqual(thumbnail(*first), server.get("/thumbnails/same").body)



@unittest.skipUnless(shutil.which("nats-server"), "nats-server is not installed (apt-get install nats-server)")
@unittest.skipUnless(S3_SERVER.exists(), "versitygw is not here (tools/setup/setup.py test builds it)")
class Servers(ThumbnailsCase):
    """The same application, with two of its components changed."""

    def start(self, command):
        """A server on a port of its own, which is returned. Somebody else may be faster to take a port: another one."""
        for _ in range(5):
            port = free_port()
            words = [str(word).format(port=port) for word in command]
            process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            self.addCleanup(process.wait)
            self.addCleanup(process.kill)
            self.until(lambda: process.poll() is not None or accepts(port), 20, f"{words[0]} accepts connections")
            if process.poll() is None:
                return port
        return self.fail(f"{command[0]} does not start")

    def secret(self, field, value):
        done = harness.run("secrets", "set", "--secrets", self.folder / "secrets", "s3", "--field", field,
                           stdin=value.encode(), cache=False, env={"WRIT_HOME": str(self.folder / "home")})
        self.assertEqual(0, done.returncode, done.stderr)

    def change(self, text):
        secrets = ", ".join(f"{{name: {name}, properties: {{policy: safe, key: s3, field: {name}}}}}"
                            for name in ("access-key-id", "secret-access-key"))
        for old, new in (
                ('image: "writ:local"}', 'image: "writ:nats", config: [{name: nats, properties: '
                                         f'{{url: "nats://127.0.0.1:{self.nats}"}}}}]}}'),
                ('image: "writ:directory"', f'image: "writ:s3"\n        secrets: [{secrets}]'),
                ("{root: thumbnails, ", f'{{endpoint: "http://127.0.0.1:{self.s3}", '),
                ("  policies:\n", "  policies:\n    - name: safe\n      type: policy.secret.wasmcloud.dev/v1alpha1\n"
                                  "      properties: {backend: store}\n")):
            self.assertIn(old, text)
            text = text.replace(old, new)
        return text

    def test_a_thousand_uploads_and_a_worker_that_is_killed(self):
        (self.folder / "s3").mkdir()
        self.nats = self.start(["nats-server", "-a", "127.0.0.1", "-p", "{port}"])
        self.s3 = self.start([S3_SERVER, "--access", "tester", "--secret", "sesame-sesame", "--quiet", "--keep-alive",
                              "--port", "127.0.0.1:{port}", "posix", self.folder / "s3"])
        self.secret("access-key-id", "tester")
        self.secret("secret-access-key", "sesame-sesame")
        server = self.up(change=self.change, options=("--secrets", self.folder / "secrets"))
        self.check_a_thousand(server)


if __name__ == "__main__":
    sys.exit(harness.main())
