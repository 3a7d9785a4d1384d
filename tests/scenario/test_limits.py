# SPDX-License-Identifier: Apache-2.0
"""Limits: each is enforced at once, on the one who is over it, and on nobody else."""
# timeout: 900
import sys
import threading
import time

import harness
from harness import Case, guest, quote


class Limits(Case):
    def start(self, *options, **keywords):
        return self.serve(guest("http-c"), *options, **keywords)

    def timed(self, server, path, **keywords):
        start = time.monotonic()
        response = server.get(path, **keywords)
        return response, time.monotonic() - start

    def lives(self, server):
        self.assertEqual(server.get("/hello").text, "hello from C\n", server.log()[-3000:])


class Queue(Limits):
    def hold(self, server, origin, count):
        """So many requests that each keep an instance until the origin's gate opens."""
        results = []
        path = f"/fetch?url={quote(origin.url + '/gate')}"
        threads = [threading.Thread(target=lambda: results.append(server.get(path, timeout=60))) for _ in range(count)]
        for thread in threads:
            thread.start()
        return threads, results

    def test_over_the_queue(self):
        for workers in (0, 1, 2):
            with self.subTest(workers=workers):
                origin = self.origin()
                server = self.start("--allow-http", f"127.0.0.1:{origin.port}", "--max-instances", "2",
                                    "--queue", "3", workers=workers)
                threads, results = self.hold(server, origin, 2)
                origin.wait_count(2)
                # Three more wait their turn: no answer, and the two that run cannot end before the gate opens.
                waiting = [server.connect() for _ in range(3)]
                for connection in waiting:
                    connection.send_request("GET", "/hello")
                    self.assertTrue(connection.quiet(0.2), server.log()[-2000:])
                for _ in range(5):
                    response, seconds = self.timed(server, "/hello")
                    self.assertEqual(response.status, 503)
                    self.assertRegex(response.header("retry-after") or "", r"^\d+$")
                    self.assertLess(seconds, 0.5, "not at once")
                self.assertEqual(origin.count(), 2)
                origin.open_gate()
                for thread in threads:
                    thread.join(20)
                self.assertEqual([response.status for response in results], [200, 200], server.log()[-2000:])
                for connection in waiting:
                    self.assertEqual(connection.read_response().text, "hello from C\n")
                    connection.close()
                self.lives(server)

    def over(self, server):
        """One request that would wait; None when it was let in (it is given up then)."""
        with server.connect() as connection:
            connection.send_request("GET", "/hello")
            if connection.quiet(0.05):
                return None
            return connection.read_response()

    def test_no_queue(self):
        origin = self.origin()
        server = self.start("--allow-http", f"127.0.0.1:{origin.port}", "--max-instances", "1", "--queue", "0",
                            workers=2)
        threads, results = self.hold(server, origin, 1)
        origin.wait_count(1)
        for _ in range(10):
            response, seconds = self.timed(server, "/hello")
            self.assertEqual(response.status, 503)
            self.assertLess(seconds, 0.5)
        origin.open_gate()
        threads[0].join(10)
        self.assertEqual(results[0].status, 200)
        self.until(lambda: server.get("/hello").status == 200, 5, "served again")

    def test_time_in_the_queue_counts(self):
        """A request that waits for an instance longer than its deadline is not kept waiting."""
        server = self.start("--max-instances", "1", "--queue", "10", "--timeout", "600ms", workers=1)
        first = threading.Thread(target=server.get, args=("/wait?ms=100000",))
        first.start()
        self.until(lambda: self.over(server) is None, 5, "the instance is taken")
        found = harness.in_parallel(5, lambda _: self.timed(server, "/wait?ms=100000"))
        for response, seconds in found:
            self.assertIn(response.status, (503, 504))
            self.assertLess(seconds, 5)
        first.join(10)
        self.lives(server)


class Time(Limits):
    def test_deadline_while_waiting(self):
        server = self.start("--timeout", "300ms")
        response, seconds = self.timed(server, "/wait?ms=60000")
        self.assertEqual(response.status, 504, server.log())
        self.assertGreaterEqual(seconds, 0.29)
        self.assertLess(seconds, 1.5)
        self.lives(server)

    def test_deadline_while_computing(self):
        for workers in (0, 1):
            with self.subTest(workers=workers):
                server = self.start("--timeout", "300ms", workers=workers)
                response, seconds = self.timed(server, "/spin")
                self.assertEqual(response.status, 504, server.log())
                self.assertLess(seconds, 1.5)
                self.lives(server)

    def test_deadline_in_an_outgoing_request(self):
        origin = self.origin()
        server = self.start("--allow-http", f"127.0.0.1:{origin.port}", "--timeout", "300ms")
        response, seconds = self.timed(server, f"/fetch?url={quote(origin.url + '/gate')}")
        self.assertEqual(response.status, 504, server.log())
        self.assertLess(seconds, 1.5)
        self.lives(server)

    def test_deadline_after_the_answer_began(self):
        """Too late for a status: the body must not look whole."""
        server = self.start("--timeout", "500ms")
        with server.connect() as connection:
            connection.send("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
            response = connection.read_head()
            connection._read_chunks(response)
            self.assertEqual((response.status, response.complete), (200, False))

    def test_cpu_time(self):
        server = self.start("--cpu-time", "200ms", "--timeout", "60s", workers=1)
        response, seconds = self.timed(server, "/spin")
        self.assertEqual(response.status, 504, server.log())
        self.assertLess(seconds, 2)
        # Waiting is not computing.
        self.assertEqual(server.get("/wait?ms=600").text, "waited 600 ms\n")

    def test_the_log_says_which_limit(self):
        server = self.start("--timeout", "200ms")
        server.get("/spin")
        server.wait_line("200 ?ms|timeout|deadline")

    def test_time_is_shared_with_guests_that_compute(self):
        """One worker, four guests that never end: others are still served, in turn."""
        server = self.start("--timeout", "4s", "--cpu-time", "60s", workers=1)
        spinning = [threading.Thread(target=server.get, args=("/spin",)) for _ in range(4)]
        for thread in spinning:
            thread.start()
        slowest = 0
        for _ in range(30):
            response, seconds = self.timed(server, "/hello")
            self.assertEqual(response.status, 200)
            slowest = max(slowest, seconds)
        self.assertLess(slowest, 1)
        for thread in spinning:
            thread.join(20)

    def test_waiting_costs_no_thread(self):
        server = self.start(workers=1)
        worker = server.workers()[0]
        start = time.monotonic()
        most = []

        def watch():
            with open(f"/proc/{worker}/status") as status:
                most.append(int(next(line for line in status if line.startswith("Threads:")).split()[1]))

        def one(index):
            if index == 150:
                watch()
            return server.get("/wait?ms=1500").status

        found = harness.in_parallel(300, one)
        self.assertEqual(found, [200] * 300, server.log()[-2000:])
        self.assertLess(time.monotonic() - start, 15)
        self.assertLess(max(most), 12)


class Memory(Limits):
    def test_guest_stays_within(self):
        for limit, mebibytes in (("16M", 16), ("64M", 64)):
            with self.subTest(limit):
                server = self.start("--max-memory", limit, workers=1)
                response = server.get("/alloc")
                self.assertEqual(response.status, 507, server.log())
                taken = int(response.text.split()[3])
                self.assertLessEqual(taken, mebibytes)
                self.assertGreater(taken, mebibytes * 3 // 4 - 2)

    def test_default(self):
        response = self.start().get("/alloc", timeout=60)
        self.assertEqual(response.status, 507)
        self.assertLessEqual(int(response.text.split()[3]), 256)

    def test_memory_comes_back(self):
        server = self.start("--max-memory", "128M", workers=1)
        worker = server.workers()[0]
        for _ in range(10):
            self.assertEqual(server.get("/alloc", timeout=60).status, 507)
        self.until(lambda: harness.memory_bytes(worker) < 160 << 20, 5, "memory is given back")

    def test_many_at_once(self):
        server = self.start("--max-memory", "32M", workers=2)
        found = harness.in_parallel(20, lambda _: server.get("/alloc", timeout=60).status)
        self.assertEqual(found, [507] * 20, server.log()[-2000:])
        self.lives(server)

    def test_deep_stack(self):
        server = self.start()
        self.assertEqual(server.get("/recurse?n=10").text, "10 deep\n")
        self.assertEqual(server.get("/recurse").status, 500)
        self.lives(server)

    def test_below_what_the_guest_needs(self):
        server = self.start("--max-memory", "64k")
        self.assertEqual(server.get("/hello").status, 500)
        server.wait_line("memory")


class Counts(Limits):
    def test_resources_of_one_instance(self):
        server = self.start(workers=1)
        self.assertEqual(server.get("/resources?n=1000").text, "made 1000\n")
        before = harness.memory_bytes(server.workers()[0])
        response, seconds = self.timed(server, "/resources")
        self.assertEqual(response.status, 500, server.log())
        self.assertLess(seconds, 5)
        self.assertLess(harness.memory_bytes(server.workers()[0]) - before, 64 << 20)
        server.wait_line("resources|handles")
        self.lives(server)

    def test_headers_that_a_guest_makes(self):
        server = self.start(workers=1)
        headers = server.get("/many-headers?n=20&size=50").headers
        self.assertEqual([name for name, _ in headers].count("x-many"), 20)
        response = server.get("/many-headers?n=100000&size=1000", timeout=60)
        self.assertIn(response.status, (500, 507), server.log()[-2000:])
        self.lives(server)

    def test_what_a_guest_prints(self):
        """Log bytes are bounded; the guest is neither blocked nor trapped by it."""
        server = self.start("--stdio", "inherit", workers=1)
        response, seconds = self.timed(server, "/chatter?bytes=20000000", timeout=60)
        self.assertEqual(response.status, 200, server.log()[-2000:])
        self.lives(server)
        written = sum(len(line) for line in server.output + server.lines)
        self.assertLess(written, 21000000 + 1000000)

    def test_output_without_a_grant_is_discarded(self):
        server = self.start(workers=1)
        self.assertEqual(server.get("/chatter?bytes=20000000", timeout=60).text, "0 bytes left\n")
        self.assertLess(sum(len(line) for line in server.output + server.lines), 100000)


class Traps(Limits):
    def test_log_line(self):
        """One line with the reason, the names of the functions, and the last calls of the host."""
        for workers in (0, 1):
            with self.subTest(workers=workers):
                server = self.start(workers=workers)
                mark = server.mark()
                self.assertEqual(server.get("/trap").status, 500)
                line = server.wait_line("trap_on_purpose", since=mark)
                self.assertIn("divide by zero", line)
                self.assertIn("trap_inner", line)
                self.assertIn("path-with-query", line)  # the last calls of the host
                self.lives(server)

    def test_names_of_rust_are_readable(self):
        server = self.serve(guest("http-rust"))
        self.assertEqual(server.get("/trap").status, 500)
        line = server.wait_line("trap_on_purpose")
        self.assertNotIn("_ZN", line)

    def test_text_log_is_one_line_too(self):
        server = self.start(json_log=False)
        mark = server.mark()
        server.get("/trap")
        server.wait_line("trap_on_purpose", since=mark)
        self.lives(server)
        self.assertEqual(len([line for line in server.lines[mark:] if "trap" in line]), 1, server.log())

    def test_a_flood_of_traps(self):
        """Traps cost their requests, not the service: 2 000 of them beside good requests."""
        server = self.start(workers=2)
        wrong = []

        def one(index):
            for _ in range(250):
                status = server.get("/trap" if index < 8 else "/hello").status
                if status != (500 if index < 8 else 200):
                    wrong.append((index, status))

        found = harness.in_parallel(10, one, timeout=100)
        self.assertEqual([value for value in found if value is not None], [])
        self.assertEqual(wrong, [])
        self.lives(server)


class Overload(Limits):
    def test_goodput_stays(self):
        """Far more requests than instances: those that are let in succeed, the others are told at once."""
        server = self.start("--max-instances", "4", "--queue", "8", workers=2)
        found = harness.in_parallel(200, lambda _: server.get("/wait?ms=50", timeout=60))
        statuses = [response.status for response in found]
        self.assertEqual(set(statuses) - {200, 503}, set(), server.log()[-2000:])
        self.assertGreaterEqual(statuses.count(200), 12)
        for response in found:
            if response.status == 503:
                self.assertIsNotNone(response.header("retry-after"))
        self.lives(server)


if __name__ == "__main__":
    sys.exit(harness.main())
