# SPDX-License-Identifier: Apache-2.0
"""Guests of every language that we claim: each built from source by its own tool chain, each answering in our host."""
# timeout: 1200
import sys

import harness
from harness import Case, chunked, guest, quote


class HttpGuest:
    """The routes that all HTTP guests have; tests/guests/README.md says what each answers."""

    name = None
    language = None
    echoes_trailers = False

    def start(self, *options, **keywords):
        return self.serve(guest(self.name), *options, **keywords)

    def test_hello(self):
        server = self.start()
        response = server.get("/hello")
        self.assertEqual(response.status, 200, server.log())
        self.assertEqual(response.text, f"hello from {self.language}\n")
        self.assertEqual(response.header("content-type"), "text/plain")
        self.assertTrue(response.complete)
        self.assertEqual(server.get("/nowhere").status, 404)

    def test_echo(self):
        server = self.start()
        body = bytes(range(256)) * 1024
        response = server.post("/echo", body, headers=[("Content-Type", "application/x-test")])
        self.assertEqual((response.status, response.complete), (200, True), server.log())
        self.assertEqual(response.header("content-type"), "application/x-test")
        self.assertTrue(response.body == body, "the body differs")
        self.assertEqual(server.post("/echo", b"").body, b"")

    def test_echo_streams(self):
        """A part of the body comes back before the rest was sent."""
        server = self.start()
        with server.connect() as connection:
            connection.send("POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n")
            connection.send(b"6\r\nfirst \r\n")
            response = connection.read_head()
            self.assertEqual(response.status, 200)
            self.assertEqual(int(connection.line(), 16), 6)
            self.assertTrue(connection._take(6, response))
            self.assertEqual(response.body, b"first ")
            connection.line()
            connection.send(b"4\r\nlast\r\n0\r\n\r\n")
            connection._read_chunks(response)
            self.assertEqual((response.body, response.complete), (b"first last", True))

    def test_trailers(self):
        if not self.echoes_trailers:
            self.skipTest(f"the guest in {self.language} does not look at trailers")
        server = self.start()
        with server.connect() as connection:
            connection.send("POST /echo HTTP/1.1\r\nHost: test\r\nTE: trailers\r\nTrailer: x-sum\r\n"
                            "Transfer-Encoding: chunked\r\n\r\n")
            connection.send(chunked([b"abc", b"def"], [("x-sum", "42")]))
            response = connection.read_response()
        self.assertEqual((response.body, response.complete), (b"abcdef", True))
        self.assertIn(("x-sum", "42"), response.trailers)

    def test_headers(self):
        server = self.start()
        response = server.get("/headers", headers=[("X-One", "1"), ("x-two", "a b"), ("X-One", "2")])
        lines = response.text.splitlines()
        self.assertEqual(response.status, 200, server.log())
        found = [line.lower() for line in lines if line.lower().startswith("x-")]  # the case of names is free
        self.assertEqual(found, ["x-one: 1", "x-two: a b", "x-one: 2"])

    def test_query(self):
        server = self.start()
        response = server.get("/query?a=b&c=%20d", headers=[("Host", "example.org:81")])
        self.assertEqual(response.status, 200, server.log())
        for line in ("method: GET", "authority: example.org:81", "query: a=b&c=%20d"):
            self.assertIn(line, response.text.splitlines())
        self.assertIn("method: POST", server.post("/query?x", b"").text.splitlines())

    def test_fetch_granted(self):
        origin = self.origin()
        server = self.start("--allow-http", f"127.0.0.1:{origin.port}")
        response = server.get(f"/fetch?url={quote(origin.url + '/thing?a=b&code=203')}")
        self.assertEqual((response.status, response.text), (203, "origin GET /thing?a=b&code=203\n"), server.log())
        self.assertEqual(response.header("x-relayed"), "1")
        body = b"0123456789" * 20000
        response = server.post(f"/fetch?url={quote(origin.url + '/echo')}", body)
        self.assertEqual(response.status, 200, server.log())
        self.assertTrue(response.body == body, "the body differs")

    def test_fetch_refused(self):
        origin = self.origin()
        server = self.start()
        response = server.get(f"/fetch?url={quote(origin.url + '/thing')}")
        self.assertEqual((response.status, response.text), (502, "error: HTTP-request-denied\n"), server.log())
        self.assertEqual(origin.count(), 0)

    def test_wait_random_environment_output(self):
        server = self.start("--env", "COLOUR=blue", "--stdio", "inherit")
        self.assertEqual(server.get("/wait?ms=30").text, "waited 30 ms\n")
        first, second = server.get("/random").text, server.get("/random").text
        self.assertRegex(first, r"^[0-9a-f]{32}\n$")
        self.assertNotEqual(first, second)
        self.assertIn("COLOUR=blue", server.get("/env").text.splitlines())
        self.assertEqual(server.get("/stdout").text, "written\n")
        self.until(lambda: any("a line from the guest" in line for line in server.output + server.lines), 5,
                   "the guest's line on stdout")

    def test_trap(self):
        server = self.start()
        self.assertEqual(server.get("/trap").status, 500)
        self.assertEqual(server.get("/hello").status, 200, server.log())

    def test_reused_instances(self):
        server = self.start("--reuse", "100", workers=1)
        for _ in range(20):
            self.assertEqual(server.get("/hello").text, f"hello from {self.language}\n", server.log())


class C(HttpGuest, Case):
    name, language, echoes_trailers = "http-c", "C", True

    def test_response_trailers(self):
        response = self.start().get("/trailers", headers=[("TE", "trailers")])
        self.assertEqual((response.status, response.text, response.complete), (200, "trailers follow\n", True))
        self.assertIn(("x-checksum", "1234"), response.trailers)

    def test_status_codes(self):
        server = self.start()
        for code in (200, 201, 299, 404, 418, 503, 599):
            self.assertEqual(server.get(f"/status?code={code}").status, code)

    def test_big_response(self):
        response = self.start().get("/big?bytes=50000000")
        self.assertEqual((len(response.body), response.complete), (50000000, True))
        self.assertTrue(response.body.startswith(b"abcdefghijklmnopqrstuvwxyzabc"))

    def test_head_has_no_body(self):
        with self.start().connect() as connection:
            connection.send_request("HEAD", "/hello")
            self.assertEqual(connection.read_response("HEAD").status, 200)
            connection.send_request("GET", "/hello")
            self.assertEqual(connection.read_response().text, "hello from C\n")

    def test_wall_clock(self):
        import time

        self.assertLess(abs(int(self.start().get("/time").text) - time.time()), 5)

    def test_origin_trouble(self):
        """What goes wrong on the other side reaches the guest by its right name."""
        origin = self.origin()
        server = self.start("--allow-http", f"127.0.0.1:{origin.port}",
                            "--allow-http", "127.0.0.1:1")
        response = server.get(f"/fetch?url={quote('http://127.0.0.1:1/')}")
        self.assertEqual((response.status, response.text), (502, "error: connection-refused\n"), server.log())
        response = server.get(f"/fetch?url={quote(origin.url + '/gate')}&timeout=100")
        self.assertEqual(response.status, 502, server.log())
        self.assertRegex(response.text, "timeout")
        response = server.get(f"/fetch?url={quote(origin.url + '/cut')}")
        self.assertFalse(response.complete and response.status == 200, f"a cut body looks whole: {response}")


class Rust(HttpGuest, Case):
    name, language, echoes_trailers = "http-rust", "Rust", True


class JavaScript(HttpGuest, Case):
    name, language = "http-js", "JavaScript"


class Python(HttpGuest, Case):
    name, language, echoes_trailers = "http-python", "Python", True


class Go(HttpGuest, Case):
    name, language = "http-go", "Go"


class HelloExample(Case):
    def test_answers(self):
        server = self.serve(guest("hello-c"))
        response = server.get("/some/path?name=Ada")
        self.assertEqual(response.status, 200)
        self.assertIn("Hello, Ada!", response.text)
        self.assertIn("method:  GET", response.text)
        self.assertIn("path:    /some/path?name=Ada", response.text)

    def test_starts_with_nothing_granted_even_when_strict(self):
        self.assertEqual(self.serve(guest("hello-c"), "--strict").get("/").status, 200)


class Composed(Case):
    """Two components in one binary; strings are UTF-8 in one and UTF-16 in the other."""

    answers = {
        "/": "HELLO FROM TWO COMPONENTS\n",
        "/values": 'put apple: 1\nput apricot: 2\nput 日本 🍵: 3\nput : an item needs a name\n'
                   'find "日": one\n  日本 🍵 [new] [größe] [] 7 unit 2 properties 5\n'
                   'find "ap": many\n  apple [new] [größe] [] 120 unit 2 properties 5\n'
                   '  apricot unit 2 properties 5\nfind "pear": nothing\nfind "!no": refused !no\n',
        "/handles": "put a: 1\nput b: 1\nalive: 2\nmerged: 2\ncount: 2\nalive: 1\nalive: 0\n",
        "/lists": "reversed: 250 3 2 1\ntotal: 7255999995.25\nupper: STRAßE, NAïVE, 🦀, END\n",
        "/spread": "spread 4000195213\n",
    }

    def test_answers(self):
        server = self.serve(guest("composed"))
        for path, text in self.answers.items():
            with self.subTest(path):
                response = server.get(path)
                self.assertEqual((response.status, response.text), (200, text), server.log())

    def test_trap_in_the_second_component(self):
        server = self.serve(guest("composed"))
        self.assertEqual(server.get("/fail").status, 500)
        server.wait_line("catalog_fails_on_purpose")
        self.assertEqual(server.get("/").status, 200)

    def test_reused_instances_keep_their_handles_apart(self):
        server = self.serve(guest("composed"), "--reuse", "50", workers=1)
        for _ in range(20):
            self.assertEqual(server.get("/handles").text, self.answers["/handles"])


class Commands(Case):
    def test_arguments_environment_and_standard_streams(self):
        cli = guest("cli-c")
        done = harness.run("run", cli, "--", "args", "one", "two words")
        self.assertEqual((done.returncode, done.stdout.splitlines()[1:]), (0, ["1: args", "2: one", "3: two words"]),
                         done.stderr)
        done = harness.run("run", "--env", "A=b c", cli, "--", "env")
        self.assertEqual((done.returncode, done.stdout), (0, "A=b c\n"), done.stderr)
        done = harness.run("run", cli, "--", "cat", stdin=b"x" * 300000)
        self.assertEqual((done.returncode, len(done.stdout)), (0, 300000), done.stderr)
        done = harness.run("run", cli, "--", "both")
        self.assertEqual(done.stdout, "to stdout\n")
        self.assertIn("to stderr", done.stderr)

    def test_status(self):
        cli = guest("cli-c")
        self.assertEqual(harness.run("run", cli, "--", "exit", "0").returncode, 0)
        self.assertEqual(harness.run("run", cli, "--", "exit", "3").returncode, 1)
        done = harness.run("run", cli, "--", "trap")
        self.assertEqual(done.returncode, 134)
        self.assertIn("command_traps_on_purpose", done.stderr)

    def test_waits(self):
        done = harness.run("run", guest("cli-c"), "--", "wait", "50")
        self.assertEqual((done.returncode, done.stdout), (0, "waited\n"), done.stderr)

    def test_go(self):
        done = harness.run("run", guest("files-go"))
        self.assertEqual(done.returncode, 1)
        self.assertIn("usage: files DIR", done.stderr)


if __name__ == "__main__":
    sys.exit(harness.main())
