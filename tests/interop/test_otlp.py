#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# timeout: 600
"""The log of a host, sent to a receiver that decodes it as the OpenTelemetry Collector does."""
import json
import pathlib
import subprocess
import sys
import threading
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "scenario"))
import harness  # noqa: E402
import peers  # noqa: E402
from harness import Case, guest  # noqa: E402


class Receiver:
    def __init__(self, program):
        self.records = []
        self.process = subprocess.Popen([program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.port = int(self.process.stdout.readline())
        self.url = f"http://127.0.0.1:{self.port}"
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            self.records.append(json.loads(line))

    def fail(self, code, times):
        request = urllib.request.Request(f"{self.url}/fail?code={code}&times={times}", method="POST")
        urllib.request.urlopen(request, timeout=10).close()

    def of(self, event):
        return [r for r in self.records if r.get("attributes", {}).get("event") == event]

    def close(self):
        self.process.kill()
        self.process.wait(10)
        self.reader.join(10)
        self.process.stdout.close()


class Collector(Case):
    def receiver(self):
        receiver = Receiver(peers.otlp_go())
        self.addCleanup(receiver.close)
        return receiver

    def start(self, url, *options, **keywords):
        return self.serve(guest("links-c"), "--name", "shop", "--link", "wasi:keyvalue=memory",
                          "--otlp", url, *options, **keywords)

    def logged(self, server, text):
        self.assertEqual(server.get(f"/log?level=3&message={text}").status, 200)

    def test_entries_of_a_component(self):
        for workers in (0, 1):
            receiver = self.receiver()
            server = self.start(receiver.url, workers=workers)
            self.logged(server, "hello")
            [entry] = self.until(lambda: receiver.of("log"), 10, "the entry arrives")
            self.assertEqual(entry["resource"], {"service.name": "shop"})
            self.assertEqual((entry["scope"], entry["severity"]), ("writ", 13))
            expected = {"event": "log", "severity": "warn", "context": "links", **({"worker": 0} if workers else {})}
            self.assertEqual(entry["attributes"], expected)
            self.assertIn("hello", entry["body"])
            self.assertGreater(entry["time"], 1_700_000_000)
            server.terminate()
            self.assertEqual([r for r in receiver.records if "error" in r], [])

    def test_what_waits_is_sent_at_the_end(self):
        receiver = self.receiver()
        server = self.start(receiver.url + "/base/")
        for i in range(50):
            self.logged(server, f"n{i}")
        self.assertEqual(server.terminate(), 0)
        self.until(lambda: len(receiver.of("log")) == 50, 10, "all arrive")
        self.assertEqual([r["body"].split()[-1] for r in receiver.of("log")], [f"n{i}" for i in range(50)])

    def test_a_collector_that_cannot_for_a_while(self):
        receiver = self.receiver()
        receiver.fail(503, 1)
        server = self.start(receiver.url)
        self.logged(server, "once")
        self.until(lambda: receiver.of("log"), 20, "it is tried again")
        self.assertEqual(len(receiver.of("log")), 1)
        self.assertIn("otlp-failed", server.log())

    def test_a_collector_that_does_not_want_it(self):
        receiver = self.receiver()
        receiver.fail(400, 1)
        server = self.start(receiver.url)
        self.logged(server, "lost")
        server.wait_line("otlp-refused")
        self.logged(server, "kept")
        self.until(lambda: receiver.of("log"), 10, "the next arrives")
        self.assertEqual([r["body"].split()[-1] for r in receiver.of("log")], ["kept"])
        server.wait_line("otlp-dropped")

    def test_without_a_collector_everything_else_goes_on(self):
        server = self.start("http://127.0.0.1:1")
        self.logged(server, "alone")
        server.wait_line("otlp-failed")
        self.logged(server, "still")
        self.assertEqual(server.terminate(), 0)
        self.assertIn("otlp-dropped", server.log())

    def test_where_it_is(self):
        for url in ("127.0.0.1:4318", "ftp://x", "http://", "http://a b", "http://u@h:1", "http://h:1/a?b"):
            self.assertEqual(harness.run("run", "--otlp", url, guest("links-c")).returncode, 2, url)


if __name__ == "__main__":
    sys.exit(harness.main())
