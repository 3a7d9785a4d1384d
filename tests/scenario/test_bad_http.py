# SPDX-License-Identifier: Apache-2.0
"""Clients that are broken, slow, greedy or hostile: the right status, and no effect on requests beside them.

Rules of the requests: RFC 9112 (message syntax, framing), RFC 9110 (semantics).
"""
# timeout: 900
import socket
import sys
import threading
import time

import harness
from harness import Case, Connection, chunked, guest

# What must be refused, each with the statuses that fit.
MALFORMED = {
    "no request line": (b"GARBAGE\r\n\r\n", {400, 501}),
    "no version": (b"GET /hello\r\n\r\n", {400, 505}),
    "a version that does not exist": (b"GET /hello HTTP/9.9\r\nHost: x\r\n\r\n", {400, 505}),
    "a version with letters": (b"GET /hello HTTP/x.y\r\nHost: x\r\n\r\n", {400, 505}),
    "HTTP/2 without asking": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400, 505}),
    "TLS to a plain port": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 40, {400, 501}),
    "no host": (b"GET /hello HTTP/1.1\r\n\r\n", {400}),
    "two hosts": (b"GET /hello HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", {400}),
    "an impossible host": (b"GET /hello HTTP/1.1\r\nHost: a b\r\n\r\n", {400}),
    "a method with a bracket": (b"GE[T /hello HTTP/1.1\r\nHost: x\r\n\r\n", {400, 501}),
    "a space before the colon": (b"GET /hello HTTP/1.1\r\nHost : x\r\n\r\n", {400}),
    "a header without colon": (b"GET /hello HTTP/1.1\r\nHost: x\r\nNonsense\r\n\r\n", {400}),
    "a header without name": (b"GET /hello HTTP/1.1\r\nHost: x\r\n: y\r\n\r\n", {400}),
    "a header name with a control byte": (b"GET /hello HTTP/1.1\r\nHost: x\r\nX\x01Y: z\r\n\r\n", {400}),
    "a header folded over two lines": (b"GET /hello HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n", {400}),
    "a fold at the start": (b"GET /hello HTTP/1.1\r\n Host: x\r\n\r\n", {400}),
    "a zero byte in a header": (b"GET /hello HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n", {400}),
    "a lone carriage return in a header": (b"GET /hello HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n", {400}),
    "a zero byte in the target": (b"GET /hel\0lo HTTP/1.1\r\nHost: x\r\n\r\n", {400}),
    "a space in the target": (b"GET /hel lo HTTP/1.1\r\nHost: x\r\n\r\n", {400, 505}),
    "a target without slash": (b"GET hello HTTP/1.1\r\nHost: x\r\n\r\n", {400}),
    "a tunnel": (b"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n", {400, 405, 501}),
    "a negative length": (b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", {400}),
    "a length with a sign": (b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\nhello", {400}),
    "a length in hexadecimal": (b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 0x5\r\n\r\nhello", {400}),
    "a length with a space": (b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5 5\r\n\r\nhello", {400}),
    "an empty length": (b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n\r\n", {400}),
    "a length of 70 bits": (b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999999999999999\r\n\r\n",
                            {400, 413}),
    "a coding that does not exist": (b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: rot13\r\n\r\n",
                                     {400, 501}),
}

# Ways to make two parties disagree about where a request ends. None may be answered with anything but a refusal,
# and what follows may never be taken for a second request.
HIDDEN = b"GET /status?code=299 HTTP/1.1\r\nHost: x\r\n\r\n"
SMUGGLING = {
    "both lengths": b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
                    b"0\r\n\r\n" + HIDDEN,
    "both lengths the other way": b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
                                  b"Content-Length: %d\r\n\r\n0\r\n\r\n" % (len(HIDDEN) + 5) + HIDDEN,
    "two different lengths": b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: %d\r\n\r\n"
                             % len(HIDDEN) + HIDDEN,
    "a list of different lengths": b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 0, 5\r\n\r\n" + HIDDEN,
    "chunked twice": b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
                     b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "chunked not last": b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n"
                        + HIDDEN,
    "chunked with a tab in its name": b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:\x0bchunked\r\n"
                                      b"Content-Length: 0\r\n\r\n" + HIDDEN,
    "chunked with a space before the colon": b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n"
                                             b"Content-Length: 0\r\n\r\n" + HIDDEN,
    "chunked in HTTP/1.0": b"POST /echo HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "a bare line feed in the head": b"POST /echo HTTP/1.1\nHost: x\nContent-Length: 0\n\n" + HIDDEN,
    "a fold in the length": b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n 5\r\n\r\n" + HIDDEN,
}

# Chunked bodies that are broken after the head was fine: the answer may have begun, but must not be whole.
BROKEN_CHUNKS = {
    "no number": b"xyz\r\nhello\r\n0\r\n\r\n",
    "a negative number": b"-5\r\nhello\r\n0\r\n\r\n",
    "a number of 80 bits": b"fffffffffffffffffffff\r\nhello\r\n0\r\n\r\n",
    "a number with 0x": b"0x5\r\nhello\r\n0\r\n\r\n",
    "a space before the number": b" 5\r\nhello\r\n0\r\n\r\n",
    "too long for its number": b"2\r\nhello\r\n0\r\n\r\n",
    "no line end after the data": b"5\r\nhello0\r\n\r\n",
    "a line feed only": b"5\nhello\n0\n\n",
    "an endless extension": b"5;" + b"x" * 100000 + b"\r\nhello\r\n0\r\n\r\n",
    "a trailer without colon": b"5\r\nhello\r\n0\r\nnonsense\r\n\r\n",
}


class Http(Case):
    seconds_max = 180

    def start(self, *options, **keywords):
        return self.serve(guest("http-c"), *options, **keywords)

    def answers(self, connection):
        """Every response that comes until the connection ends."""
        found = []
        try:
            while True:
                found.append(connection.read_response())
                if not found[-1].complete:
                    return found
        except (EOFError, AssertionError, ConnectionError):
            return found

    def lives(self, server):
        response = server.get("/hello")
        self.assertEqual((response.status, response.text), (200, "hello from C\n"), server.log()[-3000:])


class Malformed(Http):
    def test_each(self):
        server = self.start()
        for name, (data, statuses) in MALFORMED.items():
            with self.subTest(name), server.connect() as connection:
                connection.send(data)
                found = self.answers(connection)
                self.assertEqual(len(found), 1, found)
                self.assertIn(found[0].status, statuses)
                self.assertTrue(connection.ends(5), "the connection stays open")
            self.lives(server)

    def test_smuggling(self):
        server = self.start()
        for name, data in SMUGGLING.items():
            with self.subTest(name), server.connect() as connection:
                connection.send(data)
                found = self.answers(connection)
                self.assertNotIn(299, [response.status for response in found], "the hidden request was answered")
                self.assertEqual(len(found), 1, found)
                self.assertIn(found[0].status, {400, 501})
                self.assertTrue(connection.ends(5))
            self.lives(server)

    def test_broken_chunks(self):
        server = self.start()
        head = b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        for name, data in BROKEN_CHUNKS.items():
            with self.subTest(name), server.connect() as connection:
                try:
                    connection.send(head + data + HIDDEN)
                except ConnectionError:
                    pass  # refused before we were done
                found = self.answers(connection)
                self.assertNotIn(299, [response.status for response in found])
                self.assertFalse([response for response in found if response.status == 200 and response.complete],
                                 "a broken body was echoed as a whole one")
            self.lives(server)

    def test_in_pieces_of_one_byte(self):
        """Refusals do not depend on how the bytes are cut, and good requests survive it."""
        server = self.start()
        with server.connect() as connection:
            for byte in b"GET /query?x HTTP/1.1\r\nHost: x\r\nA: b\r\n\r\n":
                connection.send(bytes([byte]))
            self.assertIn("query: x", connection.read_response().text)
        for name in ("both lengths", "two different lengths"):
            with self.subTest(name), server.connect() as connection:
                try:
                    for byte in SMUGGLING[name]:
                        connection.send(bytes([byte]))
                except ConnectionError:
                    pass
                self.assertNotIn(299, [response.status for response in self.answers(connection)])

    def test_random_bytes(self):
        import random

        server = self.start()
        source = random.Random(7)
        for number in range(200):
            data = bytes(source.randrange(256) for _ in range(source.randrange(1, 400)))
            if number % 2:
                data = b"GET /hello HTTP/1.1\r\nHost: x\r\n" + data + b"\r\n\r\n"
            with server.connect() as connection:
                try:
                    connection.send(data)
                    connection.socket.shutdown(socket.SHUT_WR)
                    self.answers(connection)
                except ConnectionError:
                    pass
        self.lives(server)


class TooMuch(Http):
    def test_target(self):
        server = self.start()
        with server.connect() as connection:
            connection.send(b"GET /" + b"x" * 100000 + b" HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertIn(connection.read_response().status, {414, 431})
        self.assertEqual(server.get("/query?" + "x" * 4000).status, 200)

    def test_header_bytes_and_count(self):
        server = self.start()
        for name, headers in (("one long", [("X-Long", "y" * 200000)]),
                              ("many", [(f"X-{i}", "y") for i in range(5000)])):
            with self.subTest(name), server.connect() as connection:
                try:
                    connection.send_request("GET", "/hello", headers)
                except ConnectionError:
                    pass
                self.assertEqual(connection.read_response().status, 431)
                self.assertTrue(connection.ends(5))
        self.assertEqual(server.get("/headers", headers=[(f"X-{i}", "y" * 50) for i in range(50)]).status, 200)

    def flood(self, connection, piece, seconds=10):
        """Sends until the server has had enough (it may go on reading for a moment to get its answer across)."""
        deadline = time.monotonic() + seconds
        try:
            while time.monotonic() < deadline:
                connection.socket.send(piece)
        except (ConnectionError, TimeoutError):
            return
        self.fail(f"the server still takes it after {seconds} s")

    def test_endless_headers_and_trailers(self):
        server = self.start(workers=1)
        worker = server.workers()[0]
        before = harness.memory_bytes(worker, "VmHWM")
        for name, head in (("headers", b"GET /hello HTTP/1.1\r\nHost: x\r\n"),
                           ("trailers", b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n")):
            with self.subTest(name), server.connect(timeout=5) as connection:
                connection.send(head)
                self.flood(connection, (b"X-More: " + b"y" * 1000 + b"\r\n") * 20)
            self.lives(server)
        self.assertLess(harness.memory_bytes(worker, "VmHWM") - before, 16 << 20)

    def test_body_that_nobody_reads(self):
        """The guest answers without looking at the body: the server must not read it for ever."""
        server = self.start(workers=1)
        worker = server.workers()[0]
        before = harness.memory_bytes(worker, "VmHWM")
        with server.connect(timeout=5) as connection:
            connection.send("POST /hello HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
            self.flood(connection, b"10000\r\n" + b"z" * 65536 + b"\r\n")
        self.lives(server)
        self.assertLess(harness.memory_bytes(worker, "VmHWM") - before, 16 << 20)

    def test_body_without_end_that_is_echoed(self):
        """The client does not read the echo: back-pressure must reach it, and memory stays flat."""
        server = self.start(workers=1)
        worker = server.workers()[0]
        before = harness.memory_bytes(worker)
        with server.connect(timeout=3) as connection:
            connection.send("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
            sent = 0
            try:
                while sent < 256 << 20:
                    sent += connection.socket.send(b"10000\r\n" + b"z" * 65536 + b"\r\n")
            except (ConnectionError, TimeoutError):
                pass
            self.assertLess(sent, 256 << 20, "no back-pressure")
            self.assertLess(harness.memory_bytes(worker) - before, 48 << 20)
            self.lives(server)

    def test_response_that_nobody_reads(self):
        server = self.start(workers=1)
        worker = server.workers()[0]
        before = harness.memory_bytes(worker)
        with server.connect() as connection:
            connection.send_request("GET", "/big?bytes=500000000")
            connection.read_head()
            self.lives(server)
            self.assertLess(harness.memory_bytes(worker) - before, 48 << 20)

    def test_large_echo_has_flat_memory(self):
        server = self.start(workers=1)
        worker = server.workers()[0]
        before = harness.memory_bytes(worker, "VmHWM")
        size = 100 << 20
        piece = bytes(1 << 20)
        with server.connect(timeout=60) as connection:
            connection.send(f"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n")

            def feed():
                for _ in range(100):
                    connection.send(piece)

            feeder = threading.Thread(target=feed)
            feeder.start()
            response = connection.read_response()
            feeder.join()
        self.assertEqual((response.status, len(response.body), response.complete), (200, size, True))
        self.assertLess(harness.memory_bytes(worker, "VmHWM") - before, 64 << 20)


class Slow(Http):
    def test_slow_clients_do_not_hold_up_others(self):
        server = self.start(workers=1)
        slow = [server.connect() for _ in range(300)]
        for connection in slow:
            connection.send("GET /hello HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        stop = threading.Event()

        def drip():
            while not stop.wait(0.05):
                for connection in slow:
                    try:
                        connection.send("a")
                    except OSError:
                        pass

        dripping = threading.Thread(target=drip)
        dripping.start()
        try:
            for _ in range(50):
                start = time.monotonic()
                self.lives(server)
                self.assertLess(time.monotonic() - start, 1)
        finally:
            stop.set()
            dripping.join()
            for connection in slow:
                connection.close()

    def test_a_head_that_never_ends_is_given_up(self):
        """However slowly it drips: there is one time limit for the whole head."""
        server = self.start()
        with server.connect() as connection:
            connection.send("GET /hello HTTP/1.1\r\nHost: x\r\nX-Slow: ")
            deadline = time.monotonic() + 40
            while connection.quiet(0.5):
                try:
                    connection.send("a")
                except OSError:
                    break
                self.assertLess(time.monotonic(), deadline, "the head may take for ever")
            found = self.answers(connection)
            self.assertIn([response.status for response in found], ([408], []))

    def test_a_body_that_never_comes_is_given_up(self):
        server = self.start("--timeout", "500ms")
        with server.connect() as connection:
            connection.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
            start = time.monotonic()
            found = self.answers(connection)
            self.assertTrue(connection.ends(5))
            self.assertLess(time.monotonic() - start, 5)
            self.assertFalse([response for response in found if response.status == 200 and response.complete])
        self.lives(server)

    def test_reader_that_reads_slowly_gets_everything(self):
        server = self.start(workers=1)
        with server.connect() as connection:
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.send_request("GET", "/big?bytes=3000000")
            response = connection.read_head()
            self.assertEqual(response.status, 200)
            self.lives(server)
            connection._read_chunks(response)
            self.assertEqual((len(response.body), response.complete), (3000000, True))


class Sequences(Http):
    def test_pipelined(self):
        with self.start().connect() as connection:
            connection.send(b"".join(b"GET /query?%d HTTP/1.1\r\nHost: x\r\n\r\n" % i for i in range(20)))
            for i in range(20):
                self.assertIn(f"query: {i}\n", connection.read_response().text)

    def test_pipelined_bodies(self):
        with self.start().connect() as connection:
            data = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nfirst"
            data += b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked([b"sec", b"ond"])
            data += b"POST /hello HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nunread"
            data += b"GET /query?last HTTP/1.1\r\nHost: x\r\n\r\n"
            connection.send(data)
            self.assertEqual(connection.read_response().body, b"first")
            self.assertEqual(connection.read_response().body, b"second")
            self.assertEqual(connection.read_response().text, "hello from C\n")
            self.assertIn("query: last", connection.read_response().text)

    def test_kept_alive(self):
        with self.start(workers=1).connect() as connection:
            for i in range(300):
                connection.send_request("GET", f"/query?{i}")
                self.assertIn(f"query: {i}\n", connection.read_response().text)

    def test_closed_when_asked(self):
        server = self.start()
        for data in (b"GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", b"GET /hello HTTP/1.0\r\n\r\n"):
            with self.subTest(data), server.connect() as connection:
                connection.send(data)
                self.assertEqual(connection.read_response().text, "hello from C\n")
                self.assertTrue(connection.ends(5))

    def test_no_chunks_for_http_1_0(self):
        with self.start().connect() as connection:
            connection.send("GET /big?bytes=100000 HTTP/1.0\r\nHost: x\r\n\r\n")
            response = connection.read_response()
            self.assertIsNone(response.header("transfer-encoding"))
            self.assertEqual(len(response.body), 100000)

    def test_expect_continue(self):
        """Asked to go on when the guest first reads the body; this route reads all of it before it answers."""
        origin = self.origin()
        server = self.start("--allow-http", f"127.0.0.1:{origin.port}")
        with server.connect() as connection:
            connection.send(f"POST /fetch?url={harness.quote(origin.url + '/echo')} HTTP/1.1\r\nHost: x\r\n"
                            "Content-Length: 3\r\nExpect: 100-continue\r\n\r\n")
            self.assertEqual(connection.read_head().status, 100)
            connection.send("abc")
            self.assertEqual(connection.read_response().body, b"abc")

    def test_half_closed_client(self):
        """A client that says it will send no more cannot be told from one that has gone: its answer, or nothing."""
        server = self.start()
        with server.connect() as connection:
            connection.send_request("GET", "/wait?ms=100")
            connection.socket.shutdown(socket.SHUT_WR)
            self.assertIn([response.text for response in self.answers(connection)], (["waited 100 ms\n"], []))
        self.lives(server)

    def test_absolute_target(self):
        with self.start().connect() as connection:
            connection.send("GET http://example.org/query?a HTTP/1.1\r\nHost: example.org\r\n\r\n")
            response = connection.read_response()
            self.assertIn("authority: example.org", response.text)
            self.assertIn("query: a", response.text)

    def test_late_trap_is_seen_by_the_client(self):
        """What was promised and not sent must not look like a whole answer."""
        server = self.start()
        response = server.get("/late-trap")
        self.assertEqual((response.status, response.complete), (200, False))
        self.lives(server)

    def test_silent_guest(self):
        server = self.start()
        self.assertEqual(server.get("/silent").status, 500)
        self.lives(server)


class Disconnects(Http):
    def test_instance_ends_with_its_client(self):
        """With one instance allowed and no queue, a gone client must free it at once."""
        for reset in (False, True):
            with self.subTest(reset=reset):
                server = self.start("--max-instances", "1", "--queue", "0", workers=1)
                connection = server.connect()
                connection.send_request("GET", "/wait?ms=100000")
                self.until(lambda: server.get("/hello").status == 503, 5, "the one instance is taken")
                if reset:
                    connection.reset()
                else:
                    connection.close()
                self.until(lambda: server.get("/hello").status == 200, 5, "the instance is free again")

    def test_at_every_point(self):
        server = self.start(workers=2)
        whole = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n" + b"y" * 20
        for length in range(0, len(whole) + 1, 3):
            for reset in (False, True):
                connection = server.connect()
                connection.send(whole[:length])
                connection.reset() if reset else connection.close()
        for _ in range(20):
            connection = server.connect()
            connection.send_request("GET", "/big?bytes=10000000")
            connection.read_head()
            connection.reset()
        self.lives(server)

    def test_gone_within_an_outgoing_request(self):
        origin = self.origin()
        server = self.start("--allow-http", f"127.0.0.1:{origin.port}", "--max-instances", "1", "--queue", "0",
                            workers=1)
        connection = server.connect()
        connection.send_request("GET", f"/fetch?url={harness.quote(origin.url + '/gate')}")
        origin.wait_count(1)
        connection.close()
        self.until(lambda: server.get("/hello").status == 200, 5, "the instance is free again")

    def test_many_at_once(self):
        server = self.start(workers=2)

        def one(index):
            with Connection(server.port) as connection:
                connection.send_request("GET", ("/hello", "/wait?ms=5", "/big?bytes=100000", "/trap")[index % 4])
                if index % 3 == 0:
                    connection.reset()
                else:
                    return connection.read_response().status

        for _ in range(5):
            found = harness.in_parallel(100, one)
            self.assertEqual([value for value in found if isinstance(value, Exception)], [])
        self.lives(server)

    def test_file_descriptors_and_memory_come_back(self):
        server = self.start(workers=1)
        worker = server.workers()[0]

        def descriptors():
            import os

            return len(os.listdir(f"/proc/{worker}/fd"))

        def churn():
            for _ in range(300):
                connection = server.connect()
                connection.send_request("GET", "/big?bytes=1000000")
                connection.reset()
            self.lives(server)

        churn()
        before = harness.memory_bytes(worker)
        churn()
        churn()
        self.assertLess(harness.memory_bytes(worker) - before, 16 << 20)
        self.until(lambda: descriptors() < 60, 5, "descriptors are closed")


class Beside(Http):
    def test_good_clients_see_nothing_of_bad_ones(self):
        server = self.start(workers=2)
        stop = threading.Event()
        wrong, slowest = [], []

        def good():
            with server.connect() as connection:
                while not stop.is_set():
                    start = time.monotonic()
                    connection.send_request("GET", "/hello")
                    response = connection.read_response()
                    slowest.append(time.monotonic() - start)
                    if response.text != "hello from C\n":
                        wrong.append(response)

        threads = [threading.Thread(target=good) for _ in range(4)]
        for thread in threads:
            thread.start()
        for _ in range(5):
            for data in [data for data, _ in MALFORMED.values()] + list(SMUGGLING.values()):
                with server.connect() as connection:
                    connection.send(data)
                    connection.ends(5) if data.endswith(HIDDEN) else connection.reset()
        stop.set()
        for thread in threads:
            thread.join(20)
        self.assertEqual(wrong, [])
        self.assertLess(max(slowest), 2)
        self.assertGreater(len(slowest), 100)


if __name__ == "__main__":
    sys.exit(harness.main())
