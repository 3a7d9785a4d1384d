#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Drivers in a process of their own: `writ provider`, a host that is linked to it, and what happens without the key,
with a directory that is not its own, and when the process dies. The guest is examples/counter."""

import json
import os
import re
import signal
import subprocess
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
import servers  # noqa: E402
from test_messaging import MessagingCase  # noqa: E402

KEY = "Kq3-of-the-provider-and-its-hosts"


MANIFEST = """\
apiVersion: core.oam.dev/v1beta1
kind: Application
metadata: {{name: counter, annotations: {{version: v1}}}}
spec:
  components:
    - name: counter
      type: component
      properties: {{image: "{image}"}}
      traits:
        - type: spreadscaler
          properties: {{instances: 10}}
        - type: link
          properties:
            namespace: wasi
            package: keyvalue
            interfaces: [store, atomics]
            target:
              name: store
              config:
                - name: there
                  properties: {{server: "127.0.0.1:{port}", path: "manifest.sqlite3"}}
              secrets:
                - name: key
                  properties: {{policy: safe, key: provider-key}}
    - name: store
      type: capability
      properties: {{image: "writ:provider"}}
  policies:
    - name: safe
      type: policy.secret.wasmcloud.dev/v1alpha1
      properties: {{backend: store}}
    - name: routes
      type: workload.writ/v1
      properties: {{components: counter, routes: /}}
"""


class Provider:
    """A process for the length of the test, on a port of its own that stays."""

    def __init__(self, case, *words, port=0, program=()):
        self.case = case
        command = [*(program or (str(harness.BINARY), "provider")), "--key-file", str(case.key_file), "-o", "json",
                   "--listen", f"127.0.0.1:{port}", *map(str, words)]
        if os.geteuid() == 0:
            command.append("--allow-root")
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                                        env=harness.environment())
        self.lines = []
        threading.Thread(target=self._read, daemon=True).start()
        case.addCleanup(self.kill)
        self.port = self.wait("serving")["port"]

    def _read(self):
        for line in self.process.stderr:
            self.lines.append(line)

    def find(self, event):
        for line in self.lines:
            if line.startswith("{") and json.loads(line).get("event") == event:
                return json.loads(line)
        return None

    def wait(self, event):
        return self.case.until(lambda: self.find(event), 20, f"{event} in {self.lines}")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=20)


class ProviderCase(harness.Case):
    def setUp(self):
        super().setUp()
        self.key_file = self.folder / "key"
        self.data = self.folder / "provider-data"
        self.write_key(KEY)
        done = harness.run("secrets", "set", "provider-key", "--secrets", self.folder / "secrets", stdin=KEY.encode())
        self.assertEqual(0, done.returncode, done.stderr)

    def write_key(self, text, mode=0o600):
        self.key_file.write_text(text + "\n")
        self.key_file.chmod(mode)

    def link(self, provider, what="wasi:keyvalue", more=""):
        return f"{what}=provider,server=127.0.0.1:{provider.port},key=@provider-key{more}"

    def start(self, guest, *links, **keywords):
        options = [word for link in links for word in ("--link", link)]
        return self.serve(harness.guest(guest), *options, "--secrets", self.folder / "secrets", "--data",
                          self.folder / "host-data", **keywords)

    def count(self, server):
        answer = server.get("/")
        self.assertEqual(200, answer.status, answer.body)
        return int(re.search(rb"\d+", answer.body)[0])


class KeyValue(ProviderCase):
    def test_a_component_counts_through_it(self):
        provider = Provider(self, "sqlite", "--data", self.data)
        server = self.start("counter", self.link(provider, more=",path=visits.sqlite3"))
        self.assertEqual([1, 2, 3], [self.count(server) for _ in range(3)])
        self.assertTrue((self.data / "visits.sqlite3").exists())
        self.assertEqual("sqlite", provider.wait("link-opened")["driver"])
        self.assertNotIn(KEY, "".join(provider.lines) + server.log())
        server.close()
        self.assertEqual(0, provider.terminate())

    def test_a_manifest(self):
        provider = Provider(self, "sqlite", "--data", self.data)
        path = self.folder / "app.yaml"
        path.write_text(MANIFEST.format(image=harness.guest("counter"), port=provider.port))
        server = self.serve(path, "--secrets", self.folder / "secrets", "--data", self.folder / "host-data",
                            command="up", workers=1)
        self.assertEqual([1, 2], [self.count(server) for _ in range(2)])
        self.assertTrue((self.data / "manifest.sqlite3").exists())

    def test_it_dies_and_comes_back(self):
        provider = Provider(self, "sqlite", "--data", self.data)
        server = self.start("counter", self.link(provider, more=",path=visits.sqlite3"))
        self.assertEqual(1, self.count(server))
        provider.kill()
        self.until(lambda: server.get("/").status >= 500, 20, "a request fails")
        self.assertIn("provider at 127.0.0.1", server.log())
        Provider(self, "sqlite", "--data", self.data, port=provider.port)
        self.until(lambda: server.get("/").status == 200, 30, "it is found again")
        self.assertGreater(self.count(server), 1)

    def test_it_stays_in_its_directory(self):
        provider = Provider(self, "sqlite", "--data", self.data)
        server = self.start("counter", self.link(provider, more=f",path={self.folder}/elsewhere.sqlite3"))
        self.assertGreaterEqual(server.get("/").status, 500)
        self.assertFalse((self.folder / "elsewhere.sqlite3").exists())


class Backends(ProviderCase):
    """Redis, from a process that may connect to the servers that are named, and to nothing else."""

    def start_with(self, redis, *words):
        provider = Provider(self, *words, "redis")
        return self.start("counter", self.link(provider, more=f",host=localhost,port={redis.port}"))

    def test_a_server_that_is_named(self):
        redis = servers.Redis(self)
        server = self.start_with(redis, "--connect", f"localhost:{redis.port}")
        self.until(lambda: server.get("/").status == 200, 20, "it is connected")
        self.assertEqual(2, self.count(server))
        redis.stop()
        self.until(lambda: server.get("/").status >= 500, 20, "a request fails")
        redis.start()
        self.until(lambda: server.get("/").status == 200, 30, "it is found again")

    def test_a_server_that_is_not(self):
        redis = servers.Redis(self)
        for words in ((), ("--connect", "127.0.0.1:1")):
            server = self.start_with(redis, *words)
            self.assertGreaterEqual(server.get("/").status, 500)
            self.assertIn("could not be asked for", server.log())
            server.close()


class Messages(ProviderCase, MessagingCase):
    """A driver there calls what components here export."""

    def test_handlers(self):
        provider = Provider(self, "local", "memory")
        more = ",driver=local,subscriptions=t.one;t.two,subjects=t.*"
        server = ProviderCase.start(self, "messages-c", self.link(provider, "wasmcloud:messaging", more),
                                    self.link(provider), workers=2)
        self.publish(server, "t.one", "first")
        self.wait_for(server, "first", "t.one")
        self.publish(server, "t.two", "n", "&times=50")
        self.wait_for(server, "count", "51")
        self.assertEqual("hi", self.ask(server, "/request?subject=t.one&body=echo:hi"))
        self.assertIn("nobody is subscribed", self.ask(server, "/request?subject=t.nobody&body=echo:hi", 502))


class Dice(ProviderCase):
    """A driver of somebody else (examples/driver-c), behind a contract that this host does not know."""

    def serve_dice(self):
        program = harness.BINARY.parent / "examples" / "dice"
        if not program.exists():
            self.skipTest(f"{program} is not built")
        return Provider(self, program=(str(program),))

    def test_a_contract_of_others(self):
        provider = self.serve_dice()
        server = self.start("driver-c", self.link(provider, "example:dice/roller", ",sides-max=20"))
        thrown = []
        for _ in range(3):
            answer = server.get("/6")
            self.assertEqual(200, answer.status, answer.body)
            one, two, total = map(int, re.match(rb"(\d+) \+ (\d+) = (\d+)\n$", answer.body).groups())
            self.assertTrue(1 <= one <= 6 and 1 <= two <= 6 and one + two == total, answer.body)
            thrown.insert(0, answer.body)
        self.assertEqual(b"".join(thrown), server.get("/").body)
        answer = server.get("/21")
        self.assertEqual((400, b"no die has so many sides: 21\n"), (answer.status, answer.body))
        provider.kill()
        self.until(lambda: server.get("/6").status == 502, 20, "the contract's own error")
        self.assertIn(b"provider at 127.0.0.1", server.get("/6").body)

    def test_rules_hold_for_it(self):
        provider = self.serve_dice()
        link = self.link(provider, "example:dice/roller")
        server = self.serve(harness.guest("driver-c"), "--link", link, "--secrets", self.folder / "secrets",
                            "--deny-call", "example:dice/roller.history")
        self.assertEqual(200, server.get("/6").status)
        self.assertEqual(502, server.get("/").status)
        self.assertEqual("dice", provider.wait("link-opened")["driver"])

    def test_without_a_link_it_is_refused(self):
        done = harness.run("run", "--listen", "127.0.0.1:0", harness.guest("driver-c"))
        self.assertEqual(3, done.returncode)
        self.assertIn("example:dice/roller@1.0.0: nothing on this host offers this interface", done.stderr)

    def test_a_package_that_nobody_here_knows(self):
        done = harness.run("run", "--link", "example:dice=provider,server=127.0.0.1:1,key=@k", "--listen",
                           "127.0.0.1:0", harness.guest("driver-c"))
        self.assertEqual(2, done.returncode)
        self.assertIn("name the interface", done.stderr)


class Refusals(ProviderCase):
    def test_a_host_with_another_key(self):
        self.write_key("Zz9-is-something-else-altogether")
        provider = Provider(self, "memory")
        server = self.start("counter", self.link(provider))
        self.assertGreaterEqual(server.get("/").status, 500)
        self.assertIn("another key", server.log())
        self.assertIsNone(provider.find("link-opened"))
        self.assertIsNotNone(provider.find("link-refused"))

    def test_what_starts_no_provider(self):
        def refused(code, *words):
            root = ("--allow-root",) if os.geteuid() == 0 else ()
            done = harness.run("provider", *root, *words)
            self.assertEqual(code, done.returncode, done.stderr)
            return done.stderr
        self.assertIn("--key-file", refused(2, "memory"))
        self.assertIn('no driver "nothing"', refused(2, "--key-file", self.key_file, "nothing"))
        self.assertIn('no driver "provider"', refused(2, "--key-file", self.key_file, "provider"))
        self.assertIn("loopback", refused(3, "--key-file", self.key_file, "--listen", "0.0.0.0:0", "memory"))
        self.write_key(KEY, 0o644)
        self.assertIn("chmod", refused(3, "--key-file", self.key_file, "--listen", "127.0.0.1:0", "memory"))
        self.write_key("short")
        self.assertIn("at least 16 bytes", refused(3, "--key-file", self.key_file, "--listen", "127.0.0.1:0"))

    def test_links_that_lead_to_other_machines(self):
        for server in ("192.0.2.7:7400", "example.org:7400"):
            link = f"wasi:keyvalue=provider,server={server},key=@provider-key"
            done = harness.run("run", "--link", link, "--secrets", self.folder / "secrets", "--listen", "127.0.0.1:0",
                               harness.guest("counter"))
            self.assertNotEqual(0, done.returncode)
            self.assertRegex(done.stderr, "loopback|where the provider listens")


if __name__ == "__main__":
    sys.exit(harness.main())
