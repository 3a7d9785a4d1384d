#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`make demo`, the first command of the README, in the state in which it finds the tree: everything built once."""
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.append(os.path.join(ROOT, "tools", "test"))
import closing  # noqa: E402

AGAIN_S_MAX = 5


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def demo(port, **variables):
    environment = dict(os.environ, PORT=str(port), **variables)
    environment.pop("MAKEFLAGS", None)
    return subprocess.Popen(["make", "--no-print-directory", "demo", *(f"{k}={v}" for k, v in variables.items()),
                             f"PORT={port}"], cwd=ROOT, env=environment, text=True, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)


class DemoTest(unittest.TestCase):
    def test_once_answers_and_ends(self):
        demo(free_port(), ONCE="1").communicate(timeout=300)  # builds what is not there
        port = free_port()
        started = time.monotonic()
        process = demo(port, ONCE="1")
        text, _ = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0, text)
        self.assertLess(time.monotonic() - started, AGAIN_S_MAX, "the second run takes too long")
        self.assertIn(f"http://127.0.0.1:{port}/", text)
        for part in ("is not signed", "writ keys gen account demo", "writ sign --issuer demo", "writ trust add A",
                     "writ verify", "trusted  demo, in build/demo-home/trust.json"):
            self.assertIn(part, text)
        self.assertRegex(text, r"wasi:http/types@0\.2\.\d+ +granted")
        self.assertRegex(text, r"HTTP/1\.1 200")
        self.assertRegex(text, "(?i)hello")

    def test_a_taken_port_is_named(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            s.listen()
            process = demo(s.getsockname()[1], ONCE="1")
            text, _ = process.communicate(timeout=300)
        self.assertNotEqual(process.returncode, 0)
        self.assertIn("listens on 127.0.0.1", text)

    def test_serves_until_interrupted(self):
        port = free_port()
        process = demo(port)
        self.addCleanup(self.end, process)
        lines = []
        serving = threading.Event()
        reader = threading.Thread(target=self.read, args=(process, lines, serving))
        reader.start()
        self.assertTrue(serving.wait(300), "it neither served nor ended")
        self.assertIn("until Ctrl-C", "".join(lines))
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
            self.assertEqual(answer.status, 200)
        os.killpg(process.pid, signal.SIGINT)  # what Ctrl-C does
        process.wait(timeout=30)
        reader.join(timeout=30)
        with socket.socket() as s:
            self.assertNotEqual(s.connect_ex(("127.0.0.1", port)), 0, "still listening after Ctrl-C")

    @staticmethod
    def read(process, lines, serving):
        for line in process.stdout:
            lines.append(line)
            if "until Ctrl-C" in line:
                serving.set()
        serving.set()  # it ended: the wait is over, whatever came of it

    @staticmethod
    def end(process):
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.stdout.close()


if __name__ == "__main__":
    sys.exit(closing.main())
