#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# timeout: 600
"""The control interface as clients of 1.x see it: `wash` against ours, and the same requests to a host of 1.x and to
ours, answer by answer and event by event.

    WRIT_PEERS    a folder with the programs `wash` and `wasmcloud`; without it PATH is searched
"""
import contextlib
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "scenario"))
import harness  # noqa: E402
import peers  # noqa: E402
from test_peer_host import Program  # noqa: E402

PROGRAM = pathlib.Path("tests") / "control_host"
OURS = next((p for p in (harness.BINARY.parent / PROGRAM, harness.ROOT / "build" / "dev" / PROGRAM) if p.exists()),
            harness.ROOT / "build" / "dev" / PROGRAM)
ANSWER_SECONDS_MAX = 10
SILENCE_SECONDS = 1.5


class Bus:
    """A client of NATS, for one thread: requests, and all messages below a subject."""

    def __init__(self, port):
        self._socket = socket.create_connection(("127.0.0.1", int(port)))
        self._input = self._socket.makefile("rb")
        self._messages = []
        self._grown = threading.Condition()
        self._number = 0
        self._input.readline()
        self._send(b'CONNECT {"verbose":false,"pedantic":false,"headers":true}\r\nSUB answers.* 1\r\n')
        threading.Thread(target=self._read, daemon=True).start()

    def _send(self, data):
        self._socket.sendall(data)

    def _read(self):
        with contextlib.suppress(OSError):
            self._read_all()

    def _read_all(self):
        while line := self._input.readline():
            words = line.split()
            if words[:1] == [b"PING"]:
                self._send(b"PONG\r\n")
            if words[:1] in ([b"MSG"], [b"HMSG"]):
                body = self._input.read(int(words[-1]) + 2)[:-2]
                body = body[int(words[-2]):] if words[0] == b"HMSG" else body
                with self._grown:
                    self._messages.append((words[1].decode(), body))
                    self._grown.notify_all()

    def subscribe(self, subject):
        self._send(f"SUB {subject} 2\r\n".encode())

    def ask(self, subject, body=b"", seconds=ANSWER_SECONDS_MAX):
        """The answer, or None when none comes in time."""
        self._number += 1
        reply = f"answers.{self._number}"
        self._send(f"PUB {subject} {reply} {len(body)}\r\n".encode() + body + b"\r\n")

        def answer():
            return next((b for s, b in self._messages if s == reply), None)

        with self._grown:
            self._grown.wait_for(lambda: answer() is not None, seconds)
            found = answer()
        return None if not found else found  # a server says with an empty message that nobody listens

    def below(self, prefix):
        with self._grown:
            return [(s, b) for s, b in self._messages if s.startswith(prefix)]

    def close(self):
        self._socket.shutdown(socket.SHUT_RDWR)


class Hosts(harness.Case):
    unsigned = ()
    needs = "wash"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if not OURS.exists():
            raise unittest.SkipTest(f"{OURS} is not built: cmake --build {OURS.parent.parent} --target control_host")
        cls.peer = harness.peer(cls.needs)
        if cls.peer is None:
            raise unittest.SkipTest(f"no `{cls.needs}` of 1.x in $WRIT_PEERS or PATH")
        cls.home = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory(prefix="writ-test-")))
        cls.env = {**harness.environment(), "HOME": str(cls.home), "WASH_KEYS": str(cls.home / "wash-keys"),
                   "RUST_BACKTRACE": "0"}
        bus = Program([cls.nats(), "-a", "127.0.0.1", "-p", "-1", "-js", "-sd", str(cls.home / "bus")], cls.env)
        cls.addClassCleanup(bus.close)
        cls.port = bus.wait_line("Listening for client connections on 127.0.0.1:").split("127.0.0.1:")[1].strip()
        bus.wait_line("Server is ready")

    @classmethod
    def nats(cls):
        found = shutil.which("nats-server", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
        if found is None:
            raise unittest.SkipTest("no nats-server (apt-get install nats-server)")
        return found

    def setUp(self):
        super().setUp()
        self.ours = subprocess.Popen([str(OURS), self.port, *self.unsigned], stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE, text=True)
        self.addCleanup(self._end)
        self.key = self.ours.stdout.readline().strip()
        self.assertRegex(self.key, "^N[A-Z2-7]{55}$")

    def _end(self):
        self.ours.stdin.close()
        self.assertEqual(self.ours.wait(10), 0)
        self.ours.stdout.close()


class WashHosts(Hosts):
    def wash(self, *arguments, fails=None):
        command = [harness.peer("wash"), *arguments, "--ctl-host", "127.0.0.1", "--ctl-port", self.port, "-o", "json"]
        done = subprocess.run(command, env=self.env, capture_output=True, text=True, timeout=60)
        text = next((t for t in (done.stdout, done.stderr) if "{" in t), None)
        self.assertIsNotNone(text, f"{done.stdout}{done.stderr}")
        seen = json.loads(text[text.index("{"):])
        if fails is None:
            self.assertTrue(seen.get("success", True), seen)
        else:
            self.assertFalse(seen["success"], seen)
            self.assertIn(fails, " ".join([seen["error"], *seen.get("error_chain", [])]))
        return seen

    def inventory(self):
        found = [i for i in self.wash("get", "inventory")["inventories"] if i["host_id"] == self.key]
        self.assertEqual(len(found), 1)
        return found[0]


class Wash(WashHosts):
    """Everything that `wash` asks of a host."""

    def test_hosts(self):
        hosts = {h["id"]: h for h in self.wash("get", "hosts")["hosts"]}
        self.assertEqual(hosts[self.key]["friendly_name"], "quiet-river-1234")
        self.assertEqual(hosts[self.key]["labels"]["hostcore.os"], "linux")
        self.wash("label", self.key, "zone=a")
        self.assertEqual(self.inventory()["labels"]["zone"], "a")
        self.wash("label", self.key, "zone", "--delete")
        self.assertNotIn("zone", self.inventory()["labels"])

    def test_components(self):
        seen = self.wash("start", "component", "file:///a.wasm", "a", "--timeout-ms", "5000")
        self.assertEqual((seen["host_id"], seen["component_id"]), (self.key, "a"))
        self.wash("start", "component", "file:///a.wasm", "a", "--timeout-ms", "5000")  # again
        self.wash("start", "component", "file:///broken.wasm", "b", "--timeout-ms", "5000", fails="it is broken")
        self.wash("scale", "component", self.key, "file:///a.wasm", "a", "--max", "7")
        self.wash("update", "component", "a", "file:///a2.wasm", "--host-id", self.key)
        expected = {"annotations": {}, "id": "a", "image_ref": "file:///a2.wasm", "limits": None, "max_instances": 7,
                    "revision": 0}
        self.assertEqual(self.inventory()["components"], [expected])
        self.wash("stop", "component", "a", "--host-id", self.key)
        self.assertEqual(self.inventory()["components"], [])

    def test_providers(self):
        seen = self.wash("start", "provider", "file:///p.par", "p", "--timeout-ms", "5000")
        self.assertEqual((seen["host_id"], seen["provider_id"]), (self.key, "p"))
        self.wash("start", "provider", "file:///broken.par", "q", "--timeout-ms", "5000", fails="it is broken")
        self.assertEqual([(p["id"], p["image_ref"]) for p in self.inventory()["providers"]], [("p", "/p.par")])
        self.wash("stop", "provider", "p", "--host-id", self.key)
        self.assertEqual(self.inventory()["providers"], [])

    def test_links_and_configurations(self):
        self.wash("config", "put", "c1", "k=v", "k2=v2")
        self.assertEqual(self.wash("config", "get", "c1"), {"k": "v", "k2": "v2"})
        self.wash("secrets", "put", "s1", "nats-kv", "thekey", "--field", "f")
        self.assertEqual(self.wash("secrets", "get", "s1")["key"], "thekey")
        link = ("link", "put", "a", "p", "wasi", "keyvalue", "--interface", "store")
        self.wash(*link, "--target-config", "c1", "--target-config", "SECRET_s1")
        self.wash("link", "put", "a", "p2", "wasi", "keyvalue", "--interface", "store", fails="different target")
        self.wash("link", "put", "a", "p", "wasi", "blobstore", "--interface", "blobstore", "--source-config", "none",
                  fails="Configuration none not found in config store")
        expected = {"source_id": "a", "target": "p", "name": "default", "wit_namespace": "wasi",
                    "wit_package": "keyvalue", "interfaces": ["store"], "source_config": [],
                    "target_config": ["c1", "SECRET_s1"]}
        self.assertEqual(self.wash("get", "links")["links"], [expected])
        self.assertEqual(self.wash("link", "query")["links"], [expected])
        self.wash("link", "del", "a", "wasi", "keyvalue")
        self.assertEqual(self.wash("get", "links")["links"], [])
        self.wash("config", "del", "c1")
        self.wash("config", "get", "c1", fails="No configuration found")
        self.assertEqual(self.wash("get", "claims")["claims"], [])

    def test_stop(self):
        self.wash("stop", "host", self.key)
        self.assertEqual(self.ours.wait(10), 0)


APPLICATION = """
apiVersion: core.oam.dev/v1beta1
kind: Application
metadata: {{name: demo, annotations: {{version: {version}, description: demo}}}}
spec:
  components:
    - name: comp
      type: component
      properties: {{image: "{image}"}}
      traits:
        - {{type: spreadscaler, properties: {{instances: {instances}}}}}
        - type: link
          properties: {{namespace: wasi, package: keyvalue, interfaces: [store],
                       target: {{name: prov, config: [{{name: url, properties: {{url: "redis://x"}}}}]}}}}
    - name: prov
      type: capability
      properties: {{image: "file:///p.par"}}
"""


class Wadm(WashHosts):
    """The scheduler of 1.x brings an application to our host, changes it, and takes it away."""

    needs = "wadm"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if harness.peer("wash") is None:
            raise unittest.SkipTest("no `wash` of 1.x in $WRIT_PEERS or PATH")
        wadm = Program([cls.peer, "--nats-server", f"127.0.0.1:{cls.port}"], cls.env)
        cls.addClassCleanup(wadm.close)
        wadm.wait_line("Creating API subscriber")

    @classmethod
    def nats(cls):
        return peers.newest_nats_server()  # the one of Debian does not have what wadm needs

    def setUp(self):
        super().setUp()
        bus = Bus(self.port)
        self.addCleanup(bus.close)
        bus.subscribe("wasmbus.ctl.>")
        # What is deployed before it has heard of a host it does not come back to.
        deadline = time.monotonic() + 30
        while not bus.below("wasmbus.ctl.v1.default.claims.get"):
            self.assertLess(time.monotonic(), deadline, "wadm asks nothing after a heartbeat")
            time.sleep(0.05)

    def until(self, what, seconds=60):
        """Waits for an inventory that `what` is true of."""
        deadline = time.monotonic() + seconds
        while not what(seen := self.inventory()) and time.monotonic() < deadline:
            time.sleep(0.2)
        self.assertTrue(what(seen), seen)
        return seen

    def deploy(self, version, image, instances):
        path = self.folder / f"{version}.yaml"
        path.write_text(APPLICATION.format(version=version, image=image, instances=instances))
        self.wash("app", "deploy", str(path))
        seen = self.until(lambda i: [(c["id"], c["image_ref"], c["max_instances"]) for c in i["components"]]
                          == [("demo-comp", image, instances)] and len(i["providers"]) == 1)
        self.assertEqual(seen["components"][0]["annotations"]["wasmcloud.dev/appspec"], "demo")

    def test_an_application(self):
        self.deploy("v1", "file:///a.wasm", 3)
        deadline = time.monotonic() + 60
        while not (links := self.wash("get", "links")["links"]) and time.monotonic() < deadline:
            time.sleep(0.2)
        self.assertEqual([(k["source_id"], k["target"], k["target_config"]) for k in links],
                         [("demo-comp", "demo-prov", ["demo-url"])])
        self.assertEqual(self.wash("config", "get", "demo-url"), {"url": "redis://x"})
        while (status := self.wash("app", "status", "demo")["status"]["status"]["type"]) != "deployed":
            self.assertLess(time.monotonic(), deadline, status)
            time.sleep(0.2)
        self.deploy("v2", "file:///a2.wasm", 5)
        self.wash("app", "undeploy", "demo")
        self.until(lambda i: not i["components"] and not i["providers"])


class TogetherWithTheirs(Hosts):
    """A host of 1.x and ours in one lattice: whoever is asked, both know."""

    unsigned = ("unsigned",)
    needs = "wasmcloud"

    def setUp(self):
        super().setUp()
        theirs = Program([self.peer, "--nats-port", self.port, "--allow-file-load"], self.env)
        self.addCleanup(theirs.close)
        theirs.wait_line("wasmCloud host started")
        self.bus = Bus(self.port)
        self.addCleanup(self.bus.close)
        self.bus.subscribe("wasmbus.evt.default.*")
        self.their_key = next(k for k in self.hosts() if k != self.key)

    def hosts(self):
        """Answers of all hosts come to one subject; asked until there are two."""
        found = set()
        deadline = time.monotonic() + ANSWER_SECONDS_MAX
        while len(found) < 2 and time.monotonic() < deadline:
            self.bus.ask("wasmbus.ctl.v1.default.host.ping")
            time.sleep(0.1)
            found |= {json.loads(b)["response"]["id"] for s, b in self.bus.below("answers.")}
        self.assertEqual(len(found), 2)
        return found

    def ask(self, tail, body=None):
        answer = json.loads(self.bus.ask(f"wasmbus.ctl.v1.default.{tail}", json.dumps(body or {}).encode()))
        self.assertTrue(answer["success"], answer)
        return answer.get("response")

    def answered_alike(self, tail, what):
        """Asks until both of a group have answered often enough to tell, and both know it."""
        deadline = time.monotonic() + 3 * ANSWER_SECONDS_MAX
        good = 0
        while good < 12:
            self.assertLess(time.monotonic(), deadline, tail)
            good = good + 1 if what(self.ask(tail)) else 0

    def test_links_and_configurations(self):
        link = {"source_id": "a", "wit_namespace": "wasi", "wit_package": "keyvalue", "interfaces": ["store"]}
        names = {f"n{i}" for i in range(16)}
        for name in sorted(names):
            self.ask("link.put", {**link, "target": f"to-{name}", "name": name})
        self.answered_alike("link.get", lambda links: {k["name"] for k in links} == names)
        for name in sorted(names)[:15]:
            self.ask("link.del", {**link, "name": name})
        self.answered_alike("link.get", lambda links: [k["name"] for k in links] == ["n9"])
        makers = {json.loads(b)["source"] for s, b in self.bus.below("wasmbus.evt.default.linkdef_")}
        self.assertEqual(makers, {self.key, self.their_key})
        for i in range(8):
            self.ask(f"config.put.c{i}", {"k": str(i)})
            self.assertEqual(self.ask(f"config.get.c{i}"), {"k": str(i)})
        scale = {"component_ref": f"file://{harness.unsigned_guest('hello-c')}", "count": 1,
                 "config": [f"c{i}" for i in range(8)]}
        for host in (self.key, self.their_key):
            self.ask(f"component.scale.{host}", {**scale, "component_id": "a"})
        deadline = time.monotonic() + 3 * ANSWER_SECONDS_MAX
        while {json.loads(b)["source"] for s, b in self.bus.below("wasmbus.evt.default.component_scaled")} \
                != {self.key, self.their_key}:
            self.assertLess(time.monotonic(), deadline, self.bus.below("wasmbus.evt.default.component"))
            time.sleep(0.05)

    def test_claims(self):
        path = self.folder / "shop.wasm"
        harness.sign(harness.unsigned_guest("hello-c"), path, "--force", "--name", "shop", "--rev", "3")
        self.ask(f"component.scale.{self.their_key}",
                 {"component_ref": f"file://{path}", "component_id": "shop", "count": 1})
        self.answered_alike("claims.get", lambda claims: [(c["name"], c["rev"]) for c in claims] == [("shop", "3")])


class SideBySide(Hosts):
    """A host of 1.x in the lattice `theirs`, ours in `default`: what differs is written down here."""

    unsigned = ("unsigned",)
    needs = "wasmcloud"

    def setUp(self):
        super().setUp()
        theirs = Program([self.peer, "--nats-port", self.port, "--allow-file-load", "--lattice", "theirs",
                          "--heartbeat-interval-seconds", "3600"], self.env)
        self.addCleanup(theirs.close)
        theirs.wait_line("wasmCloud host started")
        self.bus = Bus(self.port)
        self.addCleanup(self.bus.close)
        self.bus.subscribe("wasmbus.>")
        self.their_key = json.loads(self.bus.ask("wasmbus.ctl.v1.theirs.host.ping"))["response"]["id"]
        self.component = harness.unsigned_guest("hello-c")

    def plain(self, data):
        """Without what is each host's own."""
        text = data.decode().replace(self.key, "HOST").replace(self.their_key, "HOST")
        return text.replace("default", "LATTICE").replace("theirs", "LATTICE")

    def both(self, tail, body=b"", seconds=ANSWER_SECONDS_MAX):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        theirs = self.bus.ask("wasmbus.ctl.v1.theirs." + tail.replace("HOST", self.their_key), body, seconds)
        ours = self.bus.ask("wasmbus.ctl.v1.default." + tail.replace("HOST", self.key), body, seconds)
        return theirs, ours

    def same(self, tail, body=b"", order=True):
        theirs, ours = self.both(tail, body)
        self.assertIsNotNone(theirs, tail)
        self.assertIsNotNone(ours, tail)
        if order:  # byte for byte
            self.assertEqual(self.plain(theirs), self.plain(ours), tail)
        else:
            self.assertEqual(json.loads(self.plain(theirs)), json.loads(self.plain(ours)), tail)
        return json.loads(ours)

    def same_refusal(self, tail, body):
        """Ours says more than theirs, which comes first."""
        theirs, ours = (json.loads(self.plain(a)) for a in self.both(tail, body))
        self.assertFalse(theirs["success"], theirs)
        self.assertFalse(ours["success"], ours)
        self.assertTrue(ours["message"].startswith(theirs["message"]), (tail, theirs, ours))

    def events(self, lattice, name):
        prefix = f"wasmbus.evt.{lattice}."
        found = [json.loads(self.plain(b)) for s, b in self.bus.below(prefix) if s == prefix + name]
        for event in found:
            self.assertEqual(event["type"], f"com.wasmcloud.lattice.{name}")
            self.assertRegex(event["id"], "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")
            self.assertRegex(event["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")
            self.assertEqual((event["specversion"], event["datacontenttype"], event["source"]),
                             ("1.0", "application/json", "HOST"))
        return found

    def same_events(self, name, count):
        deadline = time.monotonic() + ANSWER_SECONDS_MAX
        while any(len(self.events(l, name)) < count for l in ("theirs", "default")) and time.monotonic() < deadline:
            time.sleep(0.05)
        theirs, ours = ([{**e, "id": 0, "time": 0} for e in self.events(l, name)] for l in ("theirs", "default"))
        self.assertEqual(theirs, ours, name)
        self.assertEqual(len(ours), count, name)

    def test_hosts(self):
        for tail in ("host.ping", "host.get.HOST"):
            theirs, ours = (json.loads(self.plain(a)) for a in self.both(tail))
            self.assertEqual(ours["response"].pop("writ")["strict"], False)
            for answer in (theirs, ours):
                uptime = answer["response"].pop("uptime_human")
                self.assertRegex(uptime, r"^(\d+[hms] ?)+$")
                for own in ("uptime_seconds", "friendly_name", "version", "ctl_host", "rpc_host"):
                    answer["response"].pop(own, None)
            self.assertEqual(theirs, ours)

    def test_labels(self):
        self.same("label.put.HOST", {"key": "zone", "value": "a"})
        self.same("label.put.HOST", {"key": "HOSTCORE.os", "value": "a"})
        self.same("label.del.HOST", {"key": "zone"})
        self.same("label.del.HOST", {"key": "zone"})
        self.same_events("labels_changed", 2)
        self.same_refusal("label.put.HOST", {"key": "zone"})
        self.same_refusal("label.del.HOST", b"[")

    def test_configurations(self):
        self.same("config.get.c1")
        self.same("config.put.c1", {"k": "v"})
        self.same("config.get.c1")
        self.same("config.del.c1")
        self.same("config.del.c1")
        self.same_events("config_set", 1)
        self.same_events("config_deleted", 2)
        self.same_refusal("config.put.c1", {"k": 1})
        self.same_refusal("config.put.c1", b"")
        self.same("config.get.a.b")
        self.same("config.put")

    def test_links(self):
        link = {"source_id": "a", "target": "b", "name": "default", "wit_namespace": "wasi", "wit_package": "keyvalue",
                "interfaces": ["store"], "source_config": [], "target_config": ["c1"]}
        self.same("link.put", link)
        self.same("config.put.c1", {"k": "v"})
        self.same("link.put", link)
        self.same("link.put", {**link, "target": "other"})
        self.same("link.put", {**link, "interfaces": ["atomics"]})
        self.wait_for_links()
        self.same("link.get")
        self.same("link.del", {"source_id": "nobody", "wit_namespace": "wasi", "wit_package": "keyvalue"})
        self.same("link.del", {"source_id": "a", "wit_namespace": "wasi", "wit_package": "keyvalue"})
        self.same("link.del", {"source_id": "a", "wit_namespace": "wasi", "wit_package": "keyvalue"})
        self.same_events("linkdef_set", 2)
        self.same_events("linkdef_set_failed", 2)
        self.same_events("linkdef_deleted", 2)
        self.same_refusal("link.put", {k: v for k, v in link.items() if k != "target"})
        self.same_refusal("link.del", b"5")
        for verb in ("put", "del"):
            for end in ("a", "b"):
                theirs, ours = ([json.loads(b) for s, b in self.bus.below(f"wasmbus.rpc.{lattice}.")
                                 if s == f"wasmbus.rpc.{lattice}.{end}.linkdefs.{verb}"]
                                for lattice in ("theirs", "default"))
                self.assertEqual(theirs, ours)
                self.assertEqual(len(ours), 2 if verb == "put" else 1)

    def wait_for_links(self):
        """Their host answers from what its watch has told it so far."""
        deadline = time.monotonic() + ANSWER_SECONDS_MAX
        while b"atomics" not in self.both("link.get")[0] and time.monotonic() < deadline:
            time.sleep(0.05)

    def test_auctions(self):
        wanted = {"component_ref": "r", "component_id": "r", "constraints": {"hostcore.os": "linux"}}
        self.same("component.auction", wanted)
        self.same("provider.auction", {"provider_ref": "r", "provider_id": "p", "constraints": {}})
        self.assertEqual(self.both("component.auction", {**wanted, "constraints": {"no": "such"}}, SILENCE_SECONDS),
                         (None, None))
        self.same_refusal("component.auction", {"component_id": "r"})
        self.same_refusal("provider.auction", b"")

    def test_what_is_refused(self):
        self.same("claims.get")
        self.same("provider.stop.HOST", {"provider_id": "p"})
        self.same("component.update.HOST", {"component_id": "a", "new_component_ref": "b"})
        self.same("host.dance.HOST")
        self.same("link.frob")
        self.same("host.stop.HOST", {"host_id": "NOTME"})
        for tail in ("component.scale.HOST", "component.update.HOST", "provider.start.HOST", "provider.stop.HOST",
                     "registry.put", "host.stop.HOST"):
            self.same_refusal(tail, b"[1")
        self.same_refusal("component.scale.HOST", {"component_ref": "x", "count": 1})
        self.same_refusal("component.scale.HOST", {"component_id": "x", "count": -1})
        self.same("registry.put", {"ghcr.io": {"username": "u", "password": "p"}})

    def test_components(self):
        image = f"file://{self.component}"
        scale = {"component_ref": image, "component_id": "a", "count": 2, "annotations": {"k": "v"}}
        # Theirs does what it is told in tasks that may overtake each other, so each is waited for.
        self.same("component.scale.HOST", {**scale, "count": 0, "host_id": "HOST"})
        self.wait_for_scaled(1, 1)
        self.same("component.scale.HOST", scale)
        self.wait_for_scaled(3, 2)
        theirs, ours = (json.loads(a)["response"]["components"] for a in self.both("host.get.HOST"))
        self.assertEqual(theirs, ours)
        self.same("component.scale.HOST", {**scale, "component_ref": "other"})
        self.wait_for_scaled(4, 3)
        self.same("component.scale.HOST", {**scale, "count": 5})
        self.wait_for_scaled(5, 4)
        self.same("component.update.HOST", {"component_id": "a", "new_component_ref": image})
        self.same("component.scale.HOST", {**scale, "count": 0})
        self.wait_for_scaled(6, 5)
        self.assertEqual(json.loads(self.both("host.get.HOST")[0])["response"]["components"], [])
        # What consumers make of the events is the same; theirs come twice at the first start.
        theirs, ours = ([(e["data"]["component_id"], e["data"]["max_instances"], e["data"]["image_ref"],
                          json.dumps(e["data"]["annotations"]))
                         for e in self.events(lattice, "component_scaled")] for lattice in ("theirs", "default"))
        self.assertEqual(list(dict.fromkeys(theirs)), list(dict.fromkeys(ours)))
        theirs, ours = (self.events(lattice, "component_scaled")[1]["data"] for lattice in ("theirs", "default"))
        self.assertEqual(theirs, ours)

    def wait_for_scaled(self, theirs, ours):
        counts = {"theirs": theirs, "default": ours}
        deadline = time.monotonic() + 3 * ANSWER_SECONDS_MAX
        while any(len(self.events(k, "component_scaled")) < n for k, n in counts.items()):
            self.assertLess(time.monotonic(), deadline, self.bus.below("wasmbus.evt."))
            time.sleep(0.05)


del Hosts, WashHosts

if __name__ == "__main__":
    sys.exit(harness.main())
