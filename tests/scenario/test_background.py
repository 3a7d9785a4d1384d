#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Hosts in the background: `writ up --detach`, `get`, `logs`, `scale`, `link`, `down`, and the socket that they
speak to. The guest is examples/counter."""

import http.client
import json
import os
import re
import shutil
import socket
import stat
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402

EXAMPLE = harness.ROOT / "examples" / "counter" / "app.yaml"


class Local(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=60)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(self.path)


class BackgroundCase(harness.Case):
    def setUp(self):
        super().setUp()
        (self.folder / "build").mkdir()
        (self.folder / "run").mkdir(mode=0o700)
        shutil.copyfile(harness.guest("counter"), self.folder / "build" / "counter.wasm")
        self.addCleanup(self.end_hosts)

    def end_hosts(self):
        hosts = self.folder / "run" / "writ" / "hosts"
        for host in os.listdir(hosts) if hosts.exists() else ():
            self.writ("down", "--host", host)

    def writ(self, *arguments, timeout=100):
        env = {"XDG_RUNTIME_DIR": str(self.folder / "run")}
        return harness.run(*arguments, env=env, timeout=timeout, cwd=self.folder, cache=False)

    def ok(self, *arguments):
        done = self.writ(*arguments)
        self.assertEqual(0, done.returncode, done.stderr)
        return done.stdout

    def write(self, name="app.yaml", application="counter", driver="memory", greeting="Hello", path="/"):
        text = EXAMPLE.read_text().replace("name: counter\n", f"name: {application}\n", 1)
        text = text.replace('"writ:sqlite"', f'"writ:{driver}"').replace('"Hello"', f'"{greeting}"')
        if driver == "memory":
            text = text.replace('{path: "counter.sqlite3"}', "{}")
        if path != "/":
            text = text.replace('{address: "127.0.0.1:8080"}', f'{{path: "{path}"}}')
            text = text.replace('"writ:http-server"', '"writ:http-server", config: [{name: web-mode, properties: '
                                '{routing_mode: path, default_address: "127.0.0.1:8080"}}]')
        (self.folder / name).write_text(text)
        return self.folder / name

    def up(self, *arguments, host="default"):
        done = self.writ("up", "--detach", "--host", host, "--listen", "127.0.0.1:0", "--data", self.folder / "data",
                         "--workers", "2", "--cache", harness.CACHE, *arguments)
        self.assertEqual(0, done.returncode, done.stderr)
        self.port = int(self.status(host)["url"].rsplit(":", 1)[1].strip("/"))
        return done

    def socket_path(self, host="default"):
        return self.folder / "run" / "writ" / "hosts" / host / "control"

    def call(self, method, path, body=None, host="default", connection=None):
        connection = connection or Local(self.socket_path(host))
        connection.request(method, path, None if body is None else json.dumps(body))
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())

    def status(self, host="default"):
        code, document = self.call("GET", "/v1/status", host=host)
        self.assertEqual(200, code)
        return document

    def ask(self, path="/", status=200):
        answer = harness.request(self.port, "GET", path)
        self.assertEqual(status, answer.status, answer.body)
        return answer.body.decode()

    def load(self, count, during):
        """Requests from `count` clients while `during` runs; the texts of what was not 200."""
        stop, failures, texts = threading.Event(), [], []

        def client():
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
            while not stop.is_set():
                try:
                    connection.request("GET", "/")
                    answer = connection.getresponse()
                    body = answer.read().decode()
                    (texts if answer.status == 200 else failures).append(body)
                except (OSError, http.client.HTTPException) as error:
                    failures.append(repr(error))
                    connection.close()
            connection.close()
        threads = [threading.Thread(target=client) for _ in range(count)]
        for thread in threads:
            thread.start()
        try:
            self.until(lambda: len(texts) > 20 or failures, 60, "requests")
            during()
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        return failures, texts


class Life(BackgroundCase):
    seconds_max = 240

    def runs(self, pid):
        """Not gone, nor waiting for somebody to ask how it ended."""
        try:
            with open(f"/proc/{pid}/stat", encoding="ascii") as f:
                return f.read().rsplit(")", 1)[1].split()[0] != "Z"
        except OSError:
            return False

    def test_it_starts_changes_and_ends(self):
        done = self.up(self.write())
        self.assertIn("serving http://127.0.0.1:", done.stderr)
        self.assertEqual("Hello, visitor number 1.\n", self.ask())
        self.assertRegex(self.ok("get"), r"counter-counter +counter +\d+ +100 ")
        self.assertRegex(self.ok("get", "links"), r"counter-counter +default +store \(memory\) +up")
        self.assertRegex(self.ok("get", "routes"), r"\* +/ +counter-counter")
        self.assertIn(str(self.folder / "app.yaml"), self.ok("get", "applications"))
        pid = self.status()["pid"]

        self.write(greeting="Salut")
        again = self.writ("up", "--detach", "app.yaml")
        self.assertEqual(0, again.returncode, again.stderr)
        for part in ("takes the change", "changed  workload counter-counter", "kept     link counter-counter"):
            self.assertIn(part, again.stderr)
        self.assertEqual("Salut, visitor number 2.\n", self.ask())  # the memory of the driver was kept
        self.assertEqual(pid, self.status()["pid"])

        as_json = self.writ("up", "--detach", "-o", "json", "app.yaml")
        events = {e["event"]: e for e in map(json.loads, as_json.stderr.splitlines()) if "event" in e}
        self.assertEqual(["counter-counter"], events["changes"]["workloads"]["kept"])
        self.assertEqual([], events["changes"]["workloads"]["changed"])

        self.assertEqual(5, self.writ("up", "--detach", "--workers", "3", "app.yaml").returncode)
        self.assertIn("with other options", self.writ("up", "--detach", "--listen", "127.0.0.1:0", "app.yaml").stderr)
        self.up("app.yaml")  # the same options again
        self.assertEqual(pid, self.status()["pid"])
        self.assertIn("has ended", self.ok("down"))
        self.until(lambda: not self.runs(pid), 20, "the end of the process")
        self.assertEqual(5, self.writ("get").returncode)

    def test_what_is_wrong_changes_nothing(self):
        self.up(self.write())
        self.ask()
        shutil.copyfile(harness.unsigned_guest("counter"), self.folder / "build" / "counter.wasm")
        done = self.writ("up", "--detach", "app.yaml")
        self.assertEqual(3, done.returncode, done.stderr)
        self.assertIn("is not signed", done.stderr)
        (self.folder / "app.yaml").write_text("kind: Application\n")
        done = self.writ("up", "--detach", "app.yaml")
        self.assertEqual(4, done.returncode, done.stderr)
        self.assertIn("app.yaml:", done.stderr)
        self.assertEqual("Hello, visitor number 2.\n", self.ask())

    def test_one_that_cannot_start_says_why(self):
        done = self.writ("up", "--detach", "missing.yaml")
        self.assertEqual(5, done.returncode, done.stderr)
        self.assertIn("missing.yaml", done.stderr)
        (self.folder / "bad.yaml").write_text("- 1\n")
        self.assertEqual(4, self.writ("up", "--detach", "bad.yaml").returncode)
        self.assertEqual(5, self.writ("get").returncode)

    def test_two_applications(self):
        self.up(self.write())
        other = self.write("blog.yaml", "blog", greeting="Hi")
        done = self.writ("up", "--detach", other)
        self.assertEqual(3, done.returncode, done.stderr)  # both claim "/"
        self.assertIn("counter-counter", done.stderr)
        self.assertIn("blog-counter", done.stderr)
        other = self.write("blog.yaml", "blog", greeting="Hi", path="/blog")
        done = self.writ("up", "--detach", other)
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertIn("added    workload blog-counter", done.stderr)
        self.assertEqual("Hi, visitor number 1.\n", self.ask("/blog"))
        self.assertEqual("Hello, visitor number 1.\n", self.ask())
        self.assertEqual(5, self.writ("down", "nothing").returncode)
        done = self.writ("down", "counter")
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertIn("removed  workload counter-counter", done.stderr)
        self.ask(status=404)
        self.assertEqual("Hi, visitor number 2.\n", self.ask("/blog"))
        self.assertIn("has ended", self.ok("down", "blog"))

    def test_no_request_fails_while_it_changes(self):
        self.up(self.write())

        def change():
            for number, word in enumerate(("Salut", "Ahoj", "Hej")):
                self.write(greeting=word)
                self.assertEqual(0, self.writ("up", "--detach", "app.yaml").returncode)
                done = self.writ("scale", f"counter-counter={50 + number}")
                self.assertEqual(0, done.returncode, done.stderr)
        failures, texts = self.load(4, change)
        self.assertEqual([], failures[:5])
        self.assertEqual({"Hello", "Salut", "Ahoj", "Hej"}, {text.split(",")[0] for text in texts})
        # Each was counted once: the memory of the driver went with none of the changes.
        self.assertEqual(f"Hej, visitor number {len(texts) + 1}.\n", self.ask())
        self.assertEqual(52, self.status()["workloads"][0]["instances_max"])

    def test_its_log(self):
        self.up(self.write())
        command = [str(harness.BINARY), "logs", "--follow", "-o", "json"]
        follower = subprocess.Popen(command, stdout=subprocess.PIPE, text=True,
                                    env=harness.environment({"XDG_RUNTIME_DIR": str(self.folder / "run")}))
        self.addCleanup(follower.stdout.close)
        self.addCleanup(follower.wait)
        self.addCleanup(follower.kill)
        self.assertEqual("link-health", json.loads(follower.stdout.readline())["event"])
        self.write(driver="sqlite")
        self.assertEqual(0, self.writ("up", "--detach", "app.yaml").returncode)
        lines = [json.loads(follower.stdout.readline())["event"] for _ in range(2)]
        self.assertIn("link-health", lines)  # of the new backend, told by the next generation
        self.assertIn("the backend store (sqlite) is up", self.ok("logs", "counter-counter"))
        self.assertEqual("", self.ok("logs", "nobody"))
        self.ok("down")
        self.assertEqual(0, follower.wait(20))

    def test_in_the_foreground_with_a_name(self):
        server = self.serve(self.write(), "--data", self.folder / "data", "--host", "mine", command="up", workers=1,
                            env={"XDG_RUNTIME_DIR": str(self.folder / "run")})
        self.assertEqual(server.process.pid, self.status("mine")["pid"])
        self.write(greeting="Salut")
        done = self.writ("up", "--host", "mine", "app.yaml")
        self.assertEqual(0, done.returncode, done.stderr)
        self.until(lambda: len(server.generations()) == 1, 30, "one generation")  # which alone is asked
        self.assertEqual(b"Salut, visitor number 1.\n", server.get("/").body)
        self.ok("down", "--host", "mine")
        self.assertEqual(0, server.process.wait(20))


class Links(BackgroundCase):
    seconds_max = 400

    def put(self, connection, driver, **settings):
        link = {"interfaces": ["wasi:keyvalue/store", "wasi:keyvalue/atomics"], "driver": driver, "settings": settings}
        return self.call("POST", "/v1/links", {"workload": "counter-counter", "link": link}, connection=connection)

    def test_a_thousand_swaps_under_load(self):
        self.up(self.write(driver="sqlite"))
        connection = Local(self.socket_path())
        times = []

        def swap():
            for number in range(1000):
                started = time.monotonic()
                code, answer = self.put(connection, "sqlite", path=f"store{number % 2}.sqlite3")
                self.assertEqual((200, {"taken": True}), (code, answer))
                times.append(time.monotonic() - started)
        failures, texts = self.load(4, swap)
        self.assertEqual([], failures[:5])
        self.assertGreater(len(texts), 500)
        print(f"1000 swaps, {len(texts)} requests; a swap took {sorted(times)[500] * 1000:.1f} ms")

    def test_deleted_and_put_again(self):
        self.up(self.write())
        self.assertEqual("Hello, visitor number 1.\n", self.ask())
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection = Local(self.socket_path())
        self.call("GET", "/v1/status", connection=connection)
        link = {"interfaces": ["wasi:keyvalue"]}
        code, answer = self.call("POST", "/v1/links/delete", {"workload": "counter-counter", "link": link},
                                 connection=connection)
        self.assertEqual((200, {"links": 1}), (code, answer))
        deleted = time.monotonic()
        client.request("GET", "/")  # the very next call
        answer = client.getresponse()
        print(f"refused {(time.monotonic() - deleted) * 1000:.1f} ms after the link was deleted, with a new connection")
        self.assertEqual((503, b"The counter cannot be reached.\n"), (answer.status, answer.read()))
        client.close()
        self.assertRegex(self.ok("get", "links"), r" cut +wasi:keyvalue/store")
        # It stays so with the next generation, until it is put again.
        done = self.writ("scale", "counter-counter=7")
        self.assertEqual(0, done.returncode, done.stderr)
        self.ask(status=503)
        self.assertIn("put", self.ok("link", "put", "counter-counter", "wasi:keyvalue=memory"))
        self.assertEqual("Hello, visitor number 1.\n", self.ask())  # another memory
        self.ok("link", "del", "counter-counter", "wasi:keyvalue")
        self.ask(status=503)
        self.assertEqual(0, self.writ("up", "--detach", "app.yaml").returncode)
        self.assertEqual("Hello, visitor number 1.\n", self.ask())  # what the manifest says

    def test_changes_are_in_the_audit_log(self):
        log = self.folder / "audit.log"
        self.up("--audit", log, self.write())
        self.ok("link", "put", "counter-counter", "wasi:keyvalue=memory,buckets=default")
        self.ok("link", "del", "counter-counter", "wasi:keyvalue")
        self.ok("down")
        kinds = re.findall(r'"(link\.\w+)"', self.ok("audit", "show", "-o", "json", log))
        self.assertEqual(["link.put", "link.change", "link.cut"], kinds)

    def test_one_that_cannot_be_reached_takes_no_place(self):
        self.up(self.write())
        self.ask()
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))  # and nobody listens
            done = self.writ("link", "put", "counter-counter",
                             f"wasi:keyvalue=redis,host=127.0.0.1,port={s.getsockname()[1]}")
        self.assertEqual(5, done.returncode, done.stderr)
        self.assertIn("the link stays as it was", done.stderr)
        done = self.writ("link", "put", "counter-counter", "wasi:keyvalue=sqlite,colour=red")
        self.assertNotEqual(0, done.returncode)
        self.assertIn("colour", done.stderr)
        done = self.writ("link", "put", "counter-counter", "wasi:keyvalue@other=memory")
        self.assertEqual(5, done.returncode, done.stderr)
        self.assertIn("wasi:keyvalue/store@default", done.stderr)
        self.assertEqual("Hello, visitor number 2.\n", self.ask())

    def test_one_that_is_cut_while_it_is_put_stays_cut(self):
        self.up(self.write())
        self.ask()
        results = []
        with socket.socket() as server:  # takes connections and says nothing
            server.bind(("127.0.0.1", 0))
            server.listen()
            server.settimeout(60)
            target = f"wasi:keyvalue=redis,host=127.0.0.1,port={server.getsockname()[1]}"
            put = threading.Thread(target=lambda: results.append(self.writ("link", "put", "counter-counter", target)))
            put.start()
            connection, _ = server.accept()
            done = self.writ("scale", "counter-counter=3")  # would undo it
            self.assertNotEqual(0, done.returncode)
            self.assertIn("another change is on its way", done.stderr)
            self.ok("link", "del", "counter-counter", "wasi:keyvalue")
            put.join()
            connection.close()
        self.assertEqual(3, results[0].returncode, results[0].stderr)
        self.assertIn("it was cut meanwhile", results[0].stderr)
        self.assertEqual(["cut"], [link["state"] for link in self.status()["workloads"][0]["links"]])
        self.ok("scale", "counter-counter=3")

    def test_it_outlives_the_drivers(self):
        self.up(self.write(driver="sqlite"))
        self.ok("link", "put", "counter-counter", "wasi:keyvalue=sqlite,path=other.sqlite3")
        self.assertEqual("Hello, visitor number 1.\n", self.ask())
        (drivers,) = [int(p) for p in os.listdir("/proc") if p.isdigit() and self.is_drivers(p)]
        os.kill(drivers, 9)
        self.until(lambda: harness.request(self.port, "GET", "/").status == 200, 20, "the next process")
        self.assertTrue((self.folder / "data" / "other.sqlite3").exists())
        self.assertRegex(self.ask(), r"Hello, visitor number [34]\.")

    def is_drivers(self, pid):
        try:
            with open(f"/proc/{pid}/stat", encoding="ascii") as f:
                parent = int(f.read().rsplit(")", 1)[1].split()[1])
            with open(f"/proc/{pid}/comm", encoding="ascii") as f:
                return parent == self.status()["pid"] and f.read().strip() == "writ-drivers"
        except OSError:
            return False


class Socket(BackgroundCase):
    def test_readers_of_the_log_are_bounded(self):
        self.up(self.write())
        readers = [Local(self.socket_path()) for _ in range(16)]
        for reader in readers:
            reader.request("GET", "/v1/logs?follow=1")
            self.addCleanup(reader.close)
            self.assertEqual(200, reader.getresponse().status)
        done = self.writ("logs", "--follow")
        self.assertNotEqual(0, done.returncode)
        self.assertIn("16 clients read the log already", done.stderr)

    def test_it_is_its_users_alone(self):
        self.up(self.write())
        path = self.socket_path()
        self.assertEqual((0o700, 0o600), (stat.S_IMODE(path.parent.stat().st_mode), stat.S_IMODE(path.stat().st_mode)))
        if os.geteuid() == 0:
            os.chmod(path, 0o777)
            os.chmod(path.parent, 0o777)
            for folder in (path.parent.parent, path.parent.parent.parent, self.folder / "run", self.folder):
                os.chmod(folder, 0o755)
            pid = os.fork()
            if pid == 0:
                os.setuid(65534)
                try:
                    Local(path).request("GET", "/v1/status")
                    code = 1 if self.call("GET", "/v1/status") else 2
                except (OSError, http.client.HTTPException):
                    code = 0
                os._exit(code)
            self.assertEqual(0, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        os.chmod(path.parent, 0o770)  # others could put a socket of their own there
        done = self.writ("get", "host")
        self.assertEqual(3, done.returncode, done.stderr)
        self.assertIn("can be written by other users", done.stderr)
        os.chmod(path.parent, 0o700)
        self.assertEqual("counter-counter", self.status()["workloads"][0]["name"])

    def test_nonsense(self):
        self.up(self.write())
        for method, path, body, code in (("GET", "/", None, 404), ("POST", "/v1/status", {}, 404),
                                         ("POST", "/v1/scale", {"workload": "x", "instances": 1}, 404),
                                         ("POST", "/v1/scale", {"workload": "counter-counter", "instances": 0}, 400),
                                         ("POST", "/v1/apply", {"applications": []}, 400),
                                         ("POST", "/v1/apply", {"applications": [{"file": "relative"}]}, 400),
                                         ("POST", "/v1/links", {"workload": "counter-counter", "link": {"x": 1}}, 400),
                                         ("POST", "/v1/links", [], 400)):
            with self.subTest(path=path, body=body):
                self.assertEqual(code, self.call(method, path, body)[0])
        connection = Local(self.socket_path())
        connection.request("POST", "/v1/apply", b"x" * (300 << 10))
        self.assertIn(connection.getresponse().status, (400, 413))
        connection.close()
        self.assertEqual("Hello, visitor number 1.\n", self.ask())

    def test_names(self):
        self.up(self.write(), host="a")
        self.up(self.write(), host="b")
        self.assertNotEqual(self.status("a")["pid"], self.status("b")["pid"])
        self.assertEqual(2, self.writ("up", "--host", "../a", "app.yaml").returncode)
        self.assertEqual(2, self.writ("get", "--host", "../a").returncode)
        self.assertEqual(2, self.writ("up", "--detach", "--workers", "0", "app.yaml").returncode)


if __name__ == "__main__":
    sys.exit(harness.main())
