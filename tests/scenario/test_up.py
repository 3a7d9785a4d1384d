#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`writ up`: applications as their manifests describe them. The guest is examples/counter."""

import http.client
import json
import os
import pty
import shutil
import signal
import socket
import sys
import threading
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402

EXAMPLE = harness.ROOT / "examples" / "counter" / "app.yaml"

HEAD = """\
apiVersion: core.oam.dev/v1beta1
kind: Application
metadata:
  name: {name}
  annotations: {{version: v1}}
spec:
  components:
"""

COMPONENT = """\
    - name: {name}
      type: component
      properties:
        image: {image}
        config: [{{name: {name}-words, properties: {{greeting: "{greeting}"}}}}]
      traits:
        - type: spreadscaler
          properties: {{instances: 20}}
        - type: link
          properties: {{target: store, namespace: wasi, package: keyvalue, interfaces: [store, atomics]}}
"""

STORE = """\
    - name: store
      type: capability
      properties: {image: "writ:sqlite"}
"""

ROUTE = """\
    - name: {name}-bounds
      type: workload.writ/v1
      properties: {{components: {name}, routes: {route}}}
"""


class UpCase(harness.Case):
    def setUp(self):
        super().setUp()
        (self.folder / "build").mkdir()
        shutil.copyfile(harness.guest("counter"), self.folder / "build" / "counter.wasm")

    def write(self, text, name="app.yaml"):
        path = self.folder / name
        path.write_text(text)
        return path

    def example(self):
        return self.write(EXAMPLE.read_text())

    def two(self, application="shop", routes=("/one", "/two")):
        names = ("first", "second")
        text = HEAD.format(name=application)
        for name in names:
            text += COMPONENT.format(name=name, image="./build/counter.wasm", greeting=f"From {name}")
        text += STORE + "  policies:\n"
        for name, route in zip(names, routes):
            text += ROUTE.format(name=name, route=route)
        return text

    def up(self, *files, **keywords):
        keywords.setdefault("workers", 2)
        return self.serve(files[-1], "--data", self.folder / "data", *files[:-1], command="up", **keywords)

    def run_up(self, *arguments):
        return harness.run("up", "--data", self.folder / "data", *arguments)

    def ask(self, server, path="/", status=200):
        answer = server.get(path)
        self.assertEqual(status, answer.status, answer.body)
        return answer.body.decode()


class Running(UpCase):
    def test_the_example_counts(self):
        server = self.up(self.example())
        for number in range(1, 11):
            self.assertEqual(f"Hello, visitor number {number}.\n", self.ask(server))
        (event,) = [e for e in server.events() if e.get("event") == "workloads"]
        (workload,) = event["workloads"]
        self.assertEqual(("counter-counter", 100, [{"host": None, "path": "/"}]),
                         (workload["name"], workload["instances"], workload["routes"]))
        self.assertEqual([{"name": "default", "target": "store (sqlite)",
                           "interfaces": ["wasi:keyvalue/store", "wasi:keyvalue/atomics"]}], workload["links"])
        self.assertTrue((self.folder / "data" / "counter.sqlite3").exists())
        self.assertEqual(0, server.terminate())
        again = self.up(self.folder / "app.yaml")
        self.assertEqual("Hello, visitor number 11.\n", self.ask(again))

    def test_in_one_process_and_as_text(self):
        server = self.up(self.example(), workers=0, json_log=False)
        self.assertEqual("Hello, visitor number 1.\n", self.ask(server))
        for part in ("counter-counter: ", "route    /", "link     wasi:keyvalue/store as default to store (sqlite)",
                     "wasi:keyvalue/atomics@0.2.0-draft  granted"):
            self.assertIn(part, server.log())

    def test_two_workloads_on_one_listener(self):
        server = self.up(self.write(self.two()))
        self.assertEqual("From first, visitor number 1.\n", self.ask(server, "/one"))
        self.assertEqual("From second, visitor number 2.\n", self.ask(server, "/two/more"))  # they share the store
        self.ask(server, "/", 404)
        self.assertTrue((self.folder / "data" / "shop-store.sqlite3").exists())

    def test_two_applications_on_one_listener(self):
        other = self.write(self.two("blog", ("blog.example", "/three")), "blog.yaml")
        server = self.up(self.write(self.two()), other)
        self.assertEqual("From first, visitor number 1.\n", self.ask(server, "/one"))
        self.assertEqual("From second, visitor number 1.\n", self.ask(server, "/three"))  # another file


class Refusing(UpCase):
    def test_everything_wrong_is_told_at_once(self):
        text = EXAMPLE.read_text()
        for old, new in (("build/counter.wasm\n        config", "build/missing.wasm\n        config"),
                         ("interfaces: [store, atomics]", "interfaces: [store, spectator]"),
                         ('path: "counter.sqlite3"', 'file: "counter.sqlite3"')):
            self.assertIn(old, text)
            text = text.replace(old, new)
        path = self.write(text)
        done = self.run_up(path)
        self.assertEqual(4, done.returncode, done.stderr)
        lines = text.splitlines()
        for part, message in (("missing.wasm\n", "there is no file"),
                              ("spectator", "the driver sqlite does not serve wasi:keyvalue/spectator"),
                              ("{file:", "the driver sqlite has no setting `file`; it has .*path,")):
            number = next(n for n, line in enumerate(lines, 1) if part.strip() in line and "#   " not in line)
            self.assertRegex(done.stderr, rf"{path}:{number}:\d+: error: {message}")
        self.assertEqual(3, done.stderr.count(" error: "), done.stderr)
        self.assertIn("nothing runs", done.stderr)
        self.assertFalse((self.folder / "data").exists())
        as_json = self.run_up("-o", "json", path)
        event, end = [json.loads(line) for line in as_json.stderr.splitlines()]
        self.assertEqual(("manifest", str(path), False, 3),
                         (event["event"], event["file"], event["valid"],
                          sum(finding["level"] == "error" for finding in event["findings"])))
        self.assertIn("error", end)

    def test_what_is_wrong_with_two_manifests(self):
        done = self.run_up(self.write("kind: Application\n", "a.yaml"), self.write("- 1\n", "b.yaml"))
        self.assertEqual(4, done.returncode)
        for name in ("a.yaml:", "b.yaml:", "2 of 2 manifests"):
            self.assertIn(name, done.stderr)

    def test_secrets(self):
        text = self.two().replace('greeting: "From first"}}]', 'greeting: "From first"}}]\n        secrets: '
                            "[{name: key, properties: {policy: vault, key: k}}]", 1)
        text += ("    - name: vault\n      type: policy.secret.wasmcloud.dev/v1alpha1\n"
                 "      properties: {backend: nats-kv}\n")
        done = self.run_up(self.write(text))
        self.assertEqual(4, done.returncode, done.stderr)
        self.assertRegex(done.stderr, r"app.yaml:\d+:\d+: error: a host on its own has no backend `nats-kv`")

    def test_a_component_that_does_not_export_what_it_is_linked_for(self):
        done = self.run_up(self.write(self.two().replace("{target: store,", "{target: second,", 1)))
        self.assertEqual(4, done.returncode, done.stderr)
        self.assertIn("wasi:keyvalue/store", done.stderr.splitlines()[-1])

    def test_the_same_route_twice(self):
        one = self.write(self.two())
        other = self.write(self.two("blog", ("/two", "/three")), "blog.yaml")
        done = self.run_up(one, other)
        self.assertEqual(3, done.returncode, done.stderr)
        self.assertIn("shop-second", done.stderr)
        self.assertIn("blog-first", done.stderr)

    def test_two_listeners(self):
        text = EXAMPLE.read_text()
        one = self.write(text, "one.yaml")
        two = self.write(text.replace("name: counter\n", "name: other\n", 1).replace("8080", "8081"), "two.yaml")
        done = self.run_up(one, two)
        self.assertEqual(4, done.returncode, done.stderr)
        self.assertRegex(done.stderr, rf"two.yaml:\d+:\d+: error: the address 127.0.0.1:8081 is not the one of {one}:")

    def test_unsigned(self):
        shutil.copyfile(harness.unsigned_guest("counter"), self.folder / "build" / "counter.wasm")
        done = self.run_up(self.example())
        self.assertEqual(3, done.returncode, done.stderr)
        self.assertIn("is not signed", done.stderr)
        self.assertIn(f"writ up --unsigned {self.folder / 'app.yaml'}\n", done.stderr)
        done = self.run_up("--dry-run", self.example())
        self.assertEqual(3, done.returncode, done.stderr)
        server = self.up("--unsigned", self.example())
        self.assertEqual("Hello, visitor number 1.\n", self.ask(server))

    def test_advice_is_for_the_manifest(self):
        text = EXAMPLE.read_text()
        start, end = text.index("        - type: link\n"), text.index("    # The number lives")
        done = self.run_up(self.write(text[:start] + text[end:]))
        self.assertEqual(3, done.returncode, done.stderr)
        self.assertIn("nothing is linked to it; add a trait of type link for wasi:keyvalue/store\n", done.stderr)
        self.assertNotIn("--link", done.stderr)

    def test_credentials_have_no_place_in_a_manifest(self):
        text = EXAMPLE.read_text().replace('"writ:sqlite"', '"writ:redis"')
        text = text.replace('path: "counter.sqlite3"', 'host: "127.0.0.1", password: "x"')
        done = self.run_up(self.write(text))
        self.assertEqual(4, done.returncode, done.stderr)
        self.assertIn("`password` of the driver redis is a credential", done.stderr)


class Changing(UpCase):
    """A changed manifest is taken on SIGHUP, without a failed request."""

    seconds_max = 240

    def load(self, server, path, stop, failures, texts):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        while not stop.is_set():
            try:
                connection.request("GET", path)
                answer = connection.getresponse()
                body = answer.read().decode()
                if answer.status != 200:
                    failures.append((answer.status, body))
                texts.append(body.split(",")[0])
            except (OSError, http.client.HTTPException) as error:
                failures.append(repr(error))
                connection.close()
        connection.close()

    def hang_up(self, server, pattern):
        mark = server.mark()
        server.process.send_signal(signal.SIGHUP)
        return server.wait_line(pattern, 60, since=mark)

    def change(self, old, new):
        path = self.folder / "app.yaml"
        text = path.read_text()
        self.assertIn(old, text)
        path.write_text(text.replace(old, new))

    def test_no_request_fails(self):
        server = self.up("--drain", "3s", self.example())
        stop, failures, texts = threading.Event(), [], []
        threads = [threading.Thread(target=self.load, args=(server, "/", stop, failures, texts)) for _ in range(8)]
        for thread in threads:
            thread.start()
        try:
            last = "Hello"
            for word in ("Salut", "Ahoj", "Hej"):
                self.until(lambda before=len(texts): len(texts) > before + 500, 60, "requests")
                self.change(f'"{last}"', f'"{word}"')
                self.hang_up(server, '"serving"')
                self.until(lambda: texts and texts[-1] == word, 30, f"the greeting {word}")
                self.until(lambda: len(server.generations()) == 1, 30, "one generation")
                last = word
            self.until(lambda before=len(texts): len(texts) > before + 500, 60, "requests")
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        self.assertEqual([], failures[:5])
        self.assertEqual({"Hello", "Salut", "Ahoj", "Hej"}, set(texts))
        self.assertGreater(len(texts), 2000)
        # None was counted twice, and none was lost: the file is the same.
        self.assertEqual(f"Hej, visitor number {len(texts) + 1}.\n", self.ask(server))

    def test_links_that_did_not_change_keep_what_they_have(self):
        self.example()
        self.change('"writ:sqlite"', '"writ:memory"')
        self.change('{path: "counter.sqlite3"}', "{}")
        server = self.up(self.folder / "app.yaml")
        self.assertEqual("Hello, visitor number 1.\n", self.ask(server))
        (drivers,) = server.drivers()
        self.change('"Hello"', '"Salut"')
        self.hang_up(server, '"serving"')
        self.until(lambda: len(server.generations()) == 1, 30, "one generation")
        self.assertEqual("Salut, visitor number 2.\n", self.ask(server))
        self.assertEqual([drivers], server.drivers())
        os.kill(drivers, signal.SIGKILL)
        server.wait_line("drivers-died.*signal 9")
        self.until(lambda: server.get("/").status == 200, 20, "the next process answers")
        self.change('"Salut"', '"Hej"')
        self.hang_up(server, '"serving"')
        self.until(lambda: len(server.generations()) == 1, 30, "one generation")  # which alone is asked
        self.assertRegex(self.ask(server), r"Hej, visitor number [23]\.")

    def test_what_is_wrong_changes_nothing(self):
        server = self.up(self.example())
        self.change("image: file://./build/counter.wasm", "image: file://./build/missing.wasm")
        event = json.loads(self.hang_up(server, '"kept"'))
        self.assertEqual(4, event["exit"])
        self.assertIn("there is no file", server.log())
        self.assertEqual("Hello, visitor number 1.\n", self.ask(server))
        self.change("missing.wasm", "counter.wasm")
        self.change('"Hello"', '"Salut"')
        self.hang_up(server, '"serving"')
        self.until(lambda: self.ask(server).startswith("Salut"), 10, "the change")
        self.change("8080", "8081")  # --listen counts, so that this is no change
        self.hang_up(server, '"serving"')

    def test_the_address_stays(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.example()
        self.change("8080", str(port))
        server = self.up("--listen", f"127.0.0.1:{port}", self.folder / "app.yaml")
        self.assertEqual(port, server.port)
        self.hang_up(server, '"serving"')
        self.assertEqual("Hello, visitor number 1.\n", self.ask(server))

    def test_an_unsigned_change_is_not_taken(self):
        server = self.up(self.example())
        fresh = self.folder / "build" / "fresh.wasm"
        shutil.copyfile(harness.unsigned_guest("counter"), fresh)
        fresh.rename(self.folder / "build" / "counter.wasm")
        self.assertEqual(3, json.loads(self.hang_up(server, '"kept"'))["exit"])
        self.assertEqual("Hello, visitor number 1.\n", self.ask(server))

    def test_a_generation_that_dies_takes_all_with_it(self):
        server = self.up(self.example())
        server.may_fail = True
        (generation,) = server.generations()
        os.kill(generation, signal.SIGKILL)
        self.assertEqual(128 + signal.SIGKILL, server.process.wait(20))
        with self.assertRaises(OSError):
            server.get("/")

    def test_nothing_outlives_its_parent(self):
        server = self.up(self.example())
        server.may_fail = True
        (generation,) = server.generations()
        server.process.kill()
        server.process.wait(20)
        self.until(lambda: not os.path.exists(f"/proc/{generation}"), 20, "the end of the generation")

        def is_refused():
            try:
                server.get("/")
            except OSError:
                return True
            return False
        self.until(is_refused, 20, "the end of the workers")

    def test_a_closed_terminal_ends_it(self):
        path = self.example()
        command = [str(harness.BINARY), "up", "--listen", "127.0.0.1:0", "--cache", str(harness.CACHE), "--data",
                   str(self.folder / "data"), "--workers", "1", str(path)]
        pid, terminal = pty.fork()
        if pid == 0:
            os.execve(command[0], command, harness.environment())
        shown = b""
        while b"serving" not in shown:
            shown += os.read(terminal, 4096)
        os.close(terminal)
        _, status = os.waitpid(pid, 0)
        self.assertEqual(0, os.waitstatus_to_exitcode(status))

    def test_the_end_while_another_is_coming(self):
        server = self.up(self.example())
        server.process.send_signal(signal.SIGHUP)
        self.assertEqual(0, server.terminate())


class DryRun(UpCase):
    def test_shows_what_would_run_and_runs_nothing(self):
        done = self.run_up("--dry-run", self.write(self.two()))
        self.assertEqual(0, done.returncode, done.stderr)
        for part in ("would serve http://127.0.0.1:8000/\n", "shop-first: ", "route    /one", "route    /two",
                     "link     wasi:keyvalue/store as default to store (sqlite)"):
            self.assertIn(part, done.stdout)
        self.assertFalse((self.folder / "data").exists())
        shown = json.loads(self.run_up("--dry-run", "-o", "json", self.example()).stdout)
        self.assertEqual(("127.0.0.1", 8080), (shown["address"], shown["port"]))
        self.assertEqual(["counter-counter"], [w["name"] for w in shown["workloads"]])

    def test_nothing_to_run(self):
        text = EXAMPLE.read_text().replace("instances: 100", "instances: 0")
        done = self.run_up("--dry-run", self.write(text))
        self.assertEqual(4, done.returncode, done.stderr)
        self.assertIn("no component has a scaler", done.stderr)


if __name__ == "__main__":
    sys.exit(harness.main())
