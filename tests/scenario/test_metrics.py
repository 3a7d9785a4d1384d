# SPDX-License-Identifier: Apache-2.0
"""GET /metrics of a running workload: its format, its figures, and that nobody can stop the service through it."""

import contextlib
import os
import re
import select
import signal
import socket
import sys
import time

import harness
from harness import Connection, guest, in_parallel, request, unsigned_guest
from metrics_text import parse

class Case(harness.Case):
    def start(self, *options, component=None, **keywords):
        server = self.serve(component or guest("hello-c"), "--metrics", "0", *options, **keywords)
        url = next(e["url"] for e in server.events() if e.get("event") == "metrics")
        server.metrics_port = int(re.fullmatch(r"http://127\.0\.0\.1:(\d+)/metrics", url)[1])
        return server

    def metrics(self, server):
        response = request(server.metrics_port, "GET", "/metrics")
        self.assertEqual((response.status, response.complete), (200, True))
        return parse(response.text)

    def value(self, server, name):
        return self.metrics(server)[name, ()]


class Format(Case):
    def test_text(self):
        server = self.start()
        response = request(server.metrics_port, "GET", "/metrics?name=x")
        self.assertEqual(response.header("content-type"), "text/plain; version=0.0.4; charset=utf-8")
        self.assertTrue(response.text.endswith("\n"))
        self.assertNotIn("# EOF", response.text)
        self.assertIn("# TYPE writ_worker_restarts_total counter\n", response.text)
        parse(response.text)

    def test_openmetrics_for_who_accepts_it(self):
        server = self.start()
        accept = [("Accept", "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5")]
        response = request(server.metrics_port, "GET", "/metrics", accept)
        self.assertEqual(response.header("content-type"), "application/openmetrics-text; version=1.0.0; charset=utf-8")
        self.assertTrue(response.text.endswith("\n# EOF\n"))
        self.assertIn("# TYPE writ_worker_restarts counter\n", response.text)
        parse(response.text)

    def test_other_paths_and_methods(self):
        server = self.start()
        self.assertEqual(request(server.metrics_port, "GET", "/").status, 404)
        self.assertEqual(request(server.metrics_port, "GET", "/metricsx").status, 404)
        response = request(server.metrics_port, "POST", "/metrics", body=b"x")
        self.assertIn(response.status, (405, 413))
        self.assertEqual(request(server.metrics_port, "DELETE", "/metrics").header("allow"), "GET, HEAD")
        head = request(server.metrics_port, "HEAD", "/metrics")
        self.assertEqual((head.status, bytes(head.body)), (200, b""))

    def test_none_without_being_asked(self):
        server = self.serve(guest("hello-c"))
        self.assertNotIn("metrics", server.log())
        self.assertEqual(server.get("/metrics").status, server.get("/").status)  # the guest's, as any path


class Figures(Case):
    def test_signed(self):
        info = self.info(self.start("--workers", "1"))
        self.assertEqual((info["signature"], info["issuer"], info["workload"]),
                         ("signed", harness.account(), "hello-c"))
        self.assertRegex(info["subject"], "^M[A-Z2-7]{55}$")

    def info(self, server):
        samples = self.metrics(server)
        self.assertEqual(samples["writ_workload_signed", ()], 1)
        return dict(next(labels for name, labels in samples if name == "writ_workload_info"))

    def test_expiry_and_revision(self):
        path = self.folder / "hello.wasm"
        harness.sign(unsigned_guest("hello-c"), path, "--until", "2200-01-01", "--rev", "41", "--name", "shop/hello")
        server = self.start("--workers", "0", component=path)
        self.assertEqual(self.value(server, "writ_workload_token_expires_timestamp_seconds"), 7258118400)
        info = self.info(server)
        self.assertEqual((info["revision"], info["name"]), ("41", "shop/hello"))

    def test_no_expiry_no_sample(self):
        self.assertNotIn(("writ_workload_token_expires_timestamp_seconds", ()), self.metrics(self.start()))

    def test_unsigned(self):
        samples = self.metrics(self.start("--unsigned", component=unsigned_guest("hello-c")))
        self.assertEqual(samples["writ_workload_signed", ()], 0)
        self.assertEqual(samples["writ_workload_refusals_total", (("reason", "unsigned"),)], 1)
        self.assertEqual(samples["writ_workload_refusals_total", (("reason", "expired"),)], 0)

    def test_requests_are_counted_over_all_workers(self):
        for workers in ("2", "0"):
            with self.subTest(workers=workers):
                server = self.start("--workers", workers)
                for _ in range(10):
                    server.get("/")
                samples = self.metrics(server)
                self.assertEqual(samples["writ_workload_requests_admitted_total", ()], 10)
                self.assertEqual((samples["writ_workers", ()], samples["writ_workers_serving", ()]),
                                 (int(workers), int(workers)))
                self.assertGreater(samples["writ_workload_cpu_seconds_total", ()], 0)

    def test_running_and_waiting(self):
        origin = self.origin()
        server = self.start("--max-instances", "2", "--queue", "3", "--allow-http", f"127.0.0.1:{origin.port}",
                            component=guest("http-c"), workers=1)
        path = f"/fetch?url={harness.quote(origin.url + '/gate')}"
        connections = [server.connect() for _ in range(5)]
        for connection in connections:
            connection.send_request(path=path)
        origin.wait_count(2)
        self.until(lambda: self.value(server, "writ_workload_requests_waiting") == 3, 10, "three wait")
        self.assertEqual(self.value(server, "writ_workload_instances_running"), 2)
        self.assertEqual(self.value(server, "writ_workload_queue_max"), 3)
        self.assertEqual(server.get("/hello").status, 503)
        self.assertEqual(self.value(server, "writ_workload_requests_rejected_total"), 1)
        origin.open_gate()
        for connection in connections:
            self.assertEqual(connection.read_response().status, 200)
            connection.close()
        self.until(lambda: self.value(server, "writ_workload_instances_running") == 0, 10, "all have ended")

    def test_counters_survive_the_worker_that_counted(self):
        server = self.start(workers=1)
        for _ in range(3):
            server.get("/")
        os.kill(server.workers()[0], signal.SIGKILL)
        server.wait_line("worker-replaced")
        self.assertEqual(self.value(server, "writ_worker_restarts_total"), 1)
        self.assertEqual(self.value(server, "writ_workload_requests_admitted_total"), 3)
        server.get("/")
        self.assertEqual(self.value(server, "writ_workload_requests_admitted_total"), 4)

    def test_a_name_cannot_add_samples(self):
        path = self.folder / "hello.wasm"
        harness.sign(unsigned_guest("hello-c"), path, "--name", 'x"} 1\nwrit_workload_signed 7\n')
        server = self.start(component=path)
        self.assertEqual(self.value(server, "writ_workload_signed"), 1)


class Clients(Case):
    def test_many_silent_ones_do_not_stop_the_service(self):
        for workers in ("1", "0"):
            with self.subTest(workers=workers):
                server = self.start("--workers", workers)
                silent = [Connection(server.metrics_port) for _ in range(100)]
                for connection in silent:
                    connection.send("GET /metrics HTTP/1.1\r\n")
                statuses = in_parallel(20, lambda _: server.get("/").status)
                self.assertEqual(statuses, [200] * 20)
                for connection in silent:
                    connection.close()
                self.until(lambda: self.value(server, "writ_workload_signed") == 1, 10, "metrics answer again")

    def test_slow_ones_lose_their_places(self):
        server = self.start()
        slow = [Connection(server.metrics_port) for _ in range(16)]  # all the places that there are
        for i, connection in enumerate(slow):
            connection.send("GET /metrics HTTP/1.1\r\nx: " if i % 2 else "")
        started = time.monotonic()
        with Connection(server.metrics_port) as patient:
            patient.send("GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n")
            while (left := 12 - (time.monotonic() - started)) > 0 and not select.select([patient.socket], [], [], 0)[0]:
                for connection in slow[1::2]:  # a byte now and then buys no time
                    with contextlib.suppress(OSError):
                        connection.send("x")
                select.select([patient.socket], [], [], min(left, 0.2))
            self.assertLess(time.monotonic() - started, 12)
            self.assertTrue(patient.socket.recv(100).startswith(b"HTTP/1.1 200 "))
        for connection in slow:
            connection.close()

    def test_nonsense(self):
        server = self.start()
        for data in (b"\0" * 100, b"GET /metrics\r\n\r\n", b"GET /" + b"x" * 5000 + b" HTTP/1.1\r\n\r\n",
                     b"\x16\x03\x01"):
            with Connection(server.metrics_port) as connection:
                connection.send(data)
                connection.socket.shutdown(socket.SHUT_WR)
                self.assertTrue(connection.ends(20), data[:20])
        self.assertEqual(self.value(server, "writ_workload_signed"), 1)

    def test_an_address_that_is_taken_fails_the_start(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            for workers in ("1", "0"):
                done = harness.run("run", "--listen", "127.0.0.1:0", "--workers", workers, "--metrics", port,
                                   guest("hello-c"))
                self.assertEqual(done.returncode, 5, done.stderr)
                self.assertIn(str(port), done.stderr)

    def test_addresses(self):
        for text in ("x", "127.0.0.1", "127.0.0.1:99999", "example.org:80", ""):
            self.assertEqual(harness.run("run", "--metrics", text, "x.wasm").returncode, 2, text)
        server = self.serve(guest("hello-c"), "--metrics", "127.0.0.2:0")
        self.assertRegex(server.log(), r"http://127\.0\.0\.2:\d+/metrics")
        server = self.serve(guest("hello-c"), "--metrics", ":0")
        self.assertRegex(server.log(), r"http://127\.0\.0\.1:\d+/metrics")


if __name__ == "__main__":
    sys.exit(harness.main())
