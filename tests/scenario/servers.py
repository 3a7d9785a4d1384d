# SPDX-License-Identifier: Apache-2.0
"""Servers that stand behind drivers, for the length of a test, on loopback."""
import shutil
import socket
import subprocess
import unittest


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Redis:
    """Keeps nothing when it ends. Skips the test when there is no Redis here."""

    def __init__(self, case):
        if not shutil.which("redis-server"):
            raise unittest.SkipTest("redis-server is not installed: apt-get install redis-server")
        self.case = case
        self.port = free_port()
        self.process = None
        case.addCleanup(self.stop)
        self.start()

    def start(self, *options):
        self.process = subprocess.Popen(["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "",
                                         "--appendonly", "no", "--dir", str(self.case.folder), *options],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.case.until(self._answers, 20, "Redis answers")

    def _answers(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as s:
                s.sendall(b"PING\r\n")
                return s.recv(16).startswith((b"+PONG", b"-NOAUTH"))
        except OSError:
            return False

    def stop(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


class Nats:
    """With JetStream; what it keeps stays in the folder of the test. Skips the test when there is no NATS here."""

    def __init__(self, case, config=""):
        if not shutil.which("nats-server"):
            raise unittest.SkipTest("nats-server is not installed: apt-get install nats-server")
        self.case = case
        self.port = free_port()
        self.process = None
        case.addCleanup(self.stop)
        self.start(config)

    def start(self, config=""):
        path = self.case.folder / "nats.conf"
        path.write_text(f'listen: "127.0.0.1:{self.port}"\njetstream {{ store_dir: "{self.case.folder}/nats" }}\n'
                        f'{config}\n')
        self.process = subprocess.Popen(["nats-server", "-c", path], stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        self.case.until(self._greets, 20, "NATS greets")

    def _greets(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as s:
                return s.recv(16).startswith(b"INFO")
        except OSError:
            return False

    def stop(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None
