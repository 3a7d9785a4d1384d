#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# timeout: 900
"""`wash` of 1.x and `writ` drive `writ host`, alone and beside a host of 1.x in one lattice.

    WRIT_PEERS    a folder with the programs `wash` and `wasmcloud`; without it PATH is searched
"""
import json
import pathlib
import shutil
import subprocess
import sys
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "scenario"))
import harness  # noqa: E402
import servers  # noqa: E402
import test_lattice_cli  # noqa: E402
from test_lattice_cli import Program, SECONDS_MAX, UPPER  # noqa: E402


class Lattice(test_lattice_cli.Lattice):
    """With programs of 1.x, which get the same environment."""

    host_options = ("--allow-unsigned-peers",)

    def setUp(self):
        if harness.peer("wash") is None:
            self.skipTest("no `wash` of 1.x in $WRIT_PEERS or PATH")
        super().setUp()
        self.env.update(HOME=str(self.folder), WASH_KEYS=str(self.folder / "wash-keys"), RUST_BACKTRACE="0",
                        WASH_EXPERIMENTAL="true")

    def wash(self, *arguments, rpc=False, fails=False):
        which = "rpc" if rpc else "ctl"
        command = [harness.peer("wash"), *map(str, arguments), f"--{which}-host", "127.0.0.1", f"--{which}-port",
                   self.port, "-x", self.lattice, "-o", "json"]
        done = subprocess.run(command, env=self.env, capture_output=True, text=True, timeout=SECONDS_MAX)
        text = next((t for t in (done.stdout, done.stderr) if "{" in t), None)
        self.assertIsNotNone(text, f"{command}: {done.stdout}{done.stderr}")
        seen = json.loads(text[text.index("{"):])
        self.assertEqual(seen.get("success", True), not fails, seen)
        return seen


class Wash(Lattice):
    """Everything that `wash` does with hosts of 1.x, with ours."""

    def test_hosts_labels_and_configurations(self):
        hosts = {h["id"]: h for h in self.wash("get", "hosts")["hosts"]}
        self.assertEqual(list(hosts), [self.key])
        self.assertEqual(hosts[self.key]["friendly_name"], "ours")
        self.wash("label", self.key, "zone=a")
        self.assertEqual(self.ask("get", "hosts")["hosts"][0]["labels"]["zone"], "a")
        self.wash("label", self.key, "zone", "--delete")
        self.assertNotIn("zone", self.ask("get", "hosts")["hosts"][0]["labels"])
        self.wash("config", "put", "c", "k=v")
        self.assertEqual(self.wash("config", "get", "c"), {"k": "v"})
        self.wash("config", "del", "c")
        self.wash("config", "get", "c", fails=True)

    def test_components_and_calls(self):
        image = f"file://{harness.unsigned_guest('parts-back')}"
        self.wash("start", "component", image, "back", "--max-instances", "5", "--timeout-ms", "30000")
        self.assertEqual(self.components(), {"back": (image, 5)})
        seen = self.wash("call", "back", "test:composed/catalog.alive", rpc=True)
        self.assertEqual(seen["result"], "")  # a number 0, which it takes for a text
        self.assertEqual(self.writ("call", "back", UPPER, '"hello"').strip(), '"HELLO"')
        self.wash("scale", "component", self.key, image, "back", "--max", "9")
        self.assertEqual(self.components(), {"back": (image, 9)})
        other = self.folder / "other.wasm"
        shutil.copyfile(image.removeprefix("file://"), other)
        self.wash("update", "component", "back", f"file://{other}", "--host-id", self.key)
        self.until(lambda: self.components() == {"back": (f"file://{other}", 9)}, 30, "the update is done")
        self.wash("stop", "component", "back", "--host-id", self.key)
        self.assertEqual(self.components(), {})
        self.wash("start", "component", "file:///none.wasm", "none", "--timeout-ms", "30000", fails=True)

    def test_spy_sees_what_old_peers_could(self):
        image = f"file://{harness.unsigned_guest('parts-back')}"
        self.wash("start", "component", image, "back", "--timeout-ms", "30000")
        spy = Program([harness.peer("wash"), "spy", "back", "--ctl-host", "127.0.0.1", "--ctl-port", self.port, "-x",
                       self.lattice], self.env)
        self.addCleanup(spy.close)
        spy.wait_line("Spying on component back")

        def is_seen():
            self.writ("call", "back", UPPER, '"hello"')
            return any("upper" in line for line in spy.lines)

        self.until(is_seen, 30, "wash spy shows the call")

    def test_links(self):
        self.wash("config", "put", "c", "k=v")
        self.wash("link", "put", "a", "p", "wasi", "keyvalue", "--interface", "store", "--target-config", "c")
        expected = {"source_id": "a", "target": "p", "name": "default", "wit_namespace": "wasi",
                    "wit_package": "keyvalue", "interfaces": ["store"], "source_config": [], "target_config": ["c"]}
        self.until(lambda: self.wash("get", "links")["links"] == [expected], 10, "the link is there")
        self.assertEqual(self.ask("get", "links")["links"], [expected])
        self.wash("link", "del", "a", "wasi", "keyvalue")
        self.until(lambda: self.ask("get", "links")["links"] == [], 10, "the link is gone")

    def test_stop(self):
        self.wash("stop", "host", self.key)
        self.assertEqual(self.ours.process.wait(30), 0)


class Mixed(Lattice):
    """A host of 1.x and ours in one lattice: each calls components of the other."""

    def setUp(self):
        super().setUp()
        peer = harness.peer("wasmcloud")
        if peer is None:
            self.skipTest("no `wasmcloud` of 1.x in $WRIT_PEERS or PATH")
        self.theirs = Program([peer, "--nats-port", self.port, "--allow-file-load", "--lattice", self.lattice,
                               "--feature", "builtin-http-server"], self.env)
        self.addCleanup(self.theirs.close)
        self.theirs.wait_line("wasmCloud host started")
        hosts = {h["id"]: h for h in self.ask("get", "hosts")["hosts"]}
        self.their_key = next(k for k in hosts if k != self.key)

    def test_both_are_seen_and_called(self):
        image = f"file://{harness.unsigned_guest('parts-back')}"
        for host, name in ((self.key, "here"), (self.their_key, "there")):
            self.writ("start", "component", image, name, "--on", host)
            self.assertEqual(self.components(host), {name: (image, 1)})
            self.assertEqual(self.writ("call", name, UPPER, '"hello"').strip(), '"HELLO"')

    def get(self, port, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as answer:
            return answer.read().decode().strip()

    def call_over_http(self, caller, callee):
        """Two echoes: an HTTP request to the one on `caller` makes it call the one on `callee`."""
        image = f"file://{harness.unsigned_guest('echo-c')}"
        port = servers.free_port()
        self.writ("start", "component", image, "front", "--on", caller, "--max", "4")
        self.writ("start", "component", image, "back", "--on", callee, "--max", "4")
        self.writ("link", "put", "front", "back", "test:echo/echo")
        self.writ("config", "put", "address", f"address=127.0.0.1:{port}")
        self.writ("link", "put", "http", "front", "wasi:http/incoming-handler", "--source-config", "address")
        self.writ("start", "provider", "wasmcloud+builtin://http-server", "http", "--on", caller)

        def answers():
            try:
                return self.get(port, "/once/1000")
            except OSError:
                return None

        self.assertIn("1000", self.until(answers, 60, "the request is answered"))

    def test_a_component_there_calls_one_here(self):
        self.call_over_http(self.their_key, self.key)

    def test_a_component_here_calls_one_there(self):
        self.call_over_http(self.key, self.their_key)


if __name__ == "__main__":
    sys.exit(harness.main())
