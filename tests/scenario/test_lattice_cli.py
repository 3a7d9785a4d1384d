#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# timeout: 600
"""Commands about a lattice, against hosts of it: over NATS (in the clear, under TLS, with credentials), through the
socket of a host, signed and not."""
import contextlib
import json
import os
import pathlib
import re
import shutil
import socket
import stat
import subprocess
import sys
import threading
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
import servers  # noqa: E402
from test_nats import make_keys  # noqa: E402

UPPER = "test:composed/catalog.upper"
SECONDS_MAX = 60


class Program:
    """A server, its output read line by line."""

    def __init__(self, command, env):
        self.lines = []
        self._grown = threading.Condition()
        self.process = subprocess.Popen([str(word) for word in command], env=env, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            with self._grown:
                self.lines.append(line.rstrip("\n"))
                self._grown.notify_all()
        with self._grown:
            self._grown.notify_all()

    def _find(self, text):
        return next((line for line in self.lines if text in line), None)

    def wait_line(self, text):
        with self._grown:
            self._grown.wait_for(lambda: self._find(text) or not self._reader.is_alive(), SECONDS_MAX)
            line = self._find(text)
        if line is None:
            raise AssertionError(f"{self.process.args} did not say {text!r}:\n" + "\n".join(self.lines))
        return line

    def close(self):
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
        self._reader.join(5)
        self.process.stdout.close()


class Lattice(harness.Case):
    """A server of NATS and a host of ours."""

    seconds_max = 240
    host_options = ("--allow-unsigned-peers",)
    control_options = ("--allow-unsigned-control", "admin")
    server_config = ""
    is_alone = False

    def setUp(self):
        super().setUp()
        self.home = self.folder / "writ"
        run = self.folder / "run"
        run.mkdir(mode=0o700)
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("WASMCLOUD_", "WASH_", "WRIT_CONTEXT"))}
        self.env = {**kept, **{k: v for k, v in harness.environment().items() if k not in os.environ},
                    "WRIT_HOME": str(self.home), "XDG_RUNTIME_DIR": str(run)}
        self.lattice = re.sub("[^a-z]", "-", self.id().split(".")[-1])[:40]
        self.prepare()
        self.ours = self.host("ours")
        self.key = re.search(r"N[A-Z2-7]{55}", self.ours.wait_line("takes part in the lattice"))[0]

    def prepare(self):
        self.port = str(servers.Nats(self, self.server_config).port)
        self.to_lattice = ("--nats", f"nats://127.0.0.1:{self.port}", "--lattice", self.lattice)

    def host_reaches(self):
        return "--nats", f"nats://127.0.0.1:{self.port}"

    def host(self, name):
        host = Program([harness.BINARY, "host", *self.host_reaches(), "--lattice", self.lattice, "--name", name,
                        *self.control_options, "--allow-file-load", "--unsigned", "--workers", "1", "--data",
                        self.folder / name, "--cache", harness.CACHE, *self.host_options], self.env)
        self.addCleanup(self.end, host)
        host.wait_line("takes part in the lattice")
        return host

    def end(self, host):
        host.close()
        found = harness.ALARMS.search("\n".join(host.lines))
        self.assertFalse(found, "\n".join(host.lines))

    def writ(self, *arguments, code=0):
        command = [str(harness.BINARY), *map(str, arguments)]
        at = command.index("--") if "--" in command else len(command)
        command[at:at] = [*self.to_lattice, *(() if "--timeout" in command else ("--timeout", "5s"))]
        done = subprocess.run(command, env=self.env, capture_output=True, text=True, timeout=SECONDS_MAX)
        self.assertEqual(done.returncode, code, f"{done.stdout}{done.stderr}")
        self.assertFalse(harness.ALARMS.search(done.stderr), done.stderr)
        return done.stdout if code == 0 else done.stderr

    def ask(self, *arguments):
        return json.loads(self.writ(*arguments, "-o", "json"))

    def components(self, host=None):
        found = self.ask("get", "inventory", host or self.key)["inventories"][0]["components"]
        return {c["id"]: (c["image_ref"], c["max_instances"]) for c in found}

    def plain(self, *arguments, env=None, code=0):
        """Without options that say where."""
        done = subprocess.run([str(harness.BINARY), *map(str, arguments)], env={**self.env, **(env or {})},
                              capture_output=True, text=True, timeout=SECONDS_MAX)
        self.assertEqual(done.returncode, code, f"{done.stdout}{done.stderr}")
        return done.stdout if code == 0 else done.stderr


class Writ(Lattice):
    """What runs in a lattice, from its start to its end."""

    def test_life_of_a_component(self):
        image = f"file://{harness.unsigned_guest('parts-back')}"
        self.writ("config", "put", "c", "k=v")
        self.writ("start", "component", image, "back", "--max", "5", "--config", "c", "--annotation", "a=b")
        self.assertEqual(self.components(), {"back": (image, 5)})
        self.writ("scale", "back=7")
        self.assertEqual(self.components(), {"back": (image, 7)})
        other = self.folder / "other.wasm"
        shutil.copyfile(image.removeprefix("file://"), other)
        self.writ("update", "back", f"file://{other}")
        self.assertEqual(self.components(), {"back": (f"file://{other}", 7)})
        self.writ("update", "back", "file:///none.wasm", code=1)
        self.assertEqual(self.components(), {"back": (f"file://{other}", 7)})
        self.assertEqual(self.writ("call", "back", UPPER, '"hello"').strip(), '"HELLO"')
        self.writ("stop", "component", "back")
        self.assertEqual(self.components(), {})
        self.writ("stop", "component", "back", code=5)
        self.writ("start", "component", "file:///none.wasm", "none", code=1)
        self.writ("down", "ours")
        self.assertEqual(self.ours.process.wait(30), 0)

    def test_what_fails_leaves_others_alone(self):
        image = f"file://{harness.unsigned_guest('parts-back')}"
        pipe = self.folder / "pipe"
        os.mkfifo(pipe)
        self.writ("start", "component", image, "back")
        self.writ("start", "component", "registry.example/front:1", "above", code=1)
        self.assertEqual(self.writ("call", "back", UPPER, '"a"').strip(), '"A"')
        self.assertIn("regular", self.writ("start", "component", f"file://{pipe}", "piped", code=1))
        self.assertEqual(self.writ("call", "back", UPPER, '"b"').strip(), '"B"')

    def test_kept_images_that_are_gone(self):
        image = harness.unsigned_guest("parts-back")
        other = self.folder / "other.wasm"
        other.write_bytes(pathlib.Path(image).read_bytes())
        with open(other, "ab") as file:
            file.write(b"\0\x03\x01xy")  # a custom section
        self.writ("start", "component", f"file://{image}", "back")
        self.writ("start", "component", f"file://{other}", "lost")
        other.unlink()
        kept = [path for path in (self.folder / "ours").rglob("images/*") if path.is_file()]
        self.assertEqual(len(kept), 2)
        for path in kept:
            path.unlink()
        self.writ("start", "component", f"file://{image}", "new", "--timeout", "30s")
        self.until(lambda: set(self.components()) == {"back", "new"}, 30, "what cannot be had any more ends")
        for name in ("back", "new"):
            self.assertEqual(self.writ("call", name, UPPER, '"a"').strip(), '"A"')

    def test_spy_decodes_and_hides(self):
        image = f"file://{harness.unsigned_guest('parts-back')}"
        self.writ("start", "component", image, "back")
        hidden = Program([harness.BINARY, "spy", "back", *self.to_lattice], self.env)
        self.addCleanup(hidden.close)
        shown = Program([harness.BINARY, "spy", "back", "--values", "--count", "1", "-o", "json", *self.to_lattice],
                        self.env)
        self.addCleanup(shown.close)

        def is_seen():
            self.writ("call", "back", UPPER, '"secret"', "--as", "somebody")
            return hidden.lines and shown.lines

        self.until(is_seen, 30, "writ spy shows the call")
        self.assertRegex(hidden.lines[0], r"somebody -> back  test:composed/catalog\.upper\(<6 bytes>\)$")
        seen = json.loads(shown.lines[0])
        self.assertEqual((seen["source"], seen["function"], seen["arguments"]), ("somebody", "upper", '"secret"'))
        self.assertEqual(shown.process.wait(30), 0)

    def test_drain(self):
        self.host("second")
        image = f"file://{harness.unsigned_guest('parts-back')}"
        self.writ("config", "put", "c", "k=v")
        self.writ("start", "component", image, "back", "--max", "5", "--config", "c", "--on", "ours")
        self.writ("drain", "ours", "--stop")
        self.assertEqual(self.ours.process.wait(30), 0)
        self.assertEqual(self.components("second"), {"back": (image, 5)})
        self.assertEqual(self.ask("get", "inventory", "second")["inventories"][0]["writ"]["config"], {"back": ["c"]})


class Commands(Lattice):
    """Hosts, links, labels, configurations; contexts and variables."""

    def test_hosts_labels_links_and_configurations(self):
        self.writ("label", "put", "ours", "zone=a", "tier=b")
        labels = self.ask("get", "hosts")["hosts"][0]["labels"]
        self.assertEqual((labels["zone"], labels["tier"]), ("a", "b"))
        self.writ("label", "del", self.key[:12], "zone", "tier")
        self.assertNotIn("zone", self.ask("get", "hosts")["hosts"][0]["labels"])
        self.assertIn("no host of this lattice", self.writ("label", "put", "nobody", "a=b", code=5))
        self.assertIn("hostcore", self.writ("label", "put", "ours", "hostcore.os=other", code=1))
        (self.folder / "values.json").write_text('{"a": "1", "b": "2"}')
        self.writ("config", "put", "c", "b=3", "--file", self.folder / "values.json")
        self.assertEqual(self.ask("config", "get", "c")["config"], {"a": "1", "b": "3"})
        self.assertEqual(self.ask("get", "config", "c"), self.ask("config", "get", "c"))
        self.writ("link", "put", "a", "p", "wasi:keyvalue/store,atomics", "--name", "n", "--target-config", "c")
        expected = {"source_id": "a", "target": "p", "name": "n", "wit_namespace": "wasi", "wit_package": "keyvalue",
                    "interfaces": ["store", "atomics"], "source_config": [], "target_config": ["c"]}
        self.assertEqual(self.ask("get", "links")["links"], [expected])
        self.assertEqual(self.ask("link", "list")["links"], [expected])
        self.assertIn("no", self.writ("link", "put", "a", "p", "wasi:blobstore/blobstore", "--source-config", "none",
                                      code=1))
        self.writ("link", "del", "a", "wasi:keyvalue", "--name", "n")
        self.assertEqual(self.ask("get", "links")["links"], [])
        self.writ("config", "del", "c")
        self.writ("config", "get", "c", code=5)
        self.writ("link", "put", "a", "p", "keyvalue", code=2)

    def test_contexts_and_variables(self):
        url = f"nats://127.0.0.1:{self.port}"
        self.plain("context", "new", "there", "--nats", url, "--lattice", self.lattice)
        self.plain("context", "new", "nowhere", "--nats", url, "--lattice", "another", "--use")
        self.assertEqual(stat.S_IMODE((self.home / "contexts.json").stat().st_mode), 0o600)

        def hosts(*options, env=None):
            return [h["id"] for h in json.loads(self.plain("get", "hosts", *options, "-o", "json", env=env))["hosts"]]

        self.assertEqual(hosts(), [])
        self.assertEqual(hosts("--context", "there"), [self.key])
        self.assertEqual(hosts("--lattice", self.lattice), [self.key])
        self.assertEqual(hosts(env={"WRIT_CONTEXT": "there"}), [self.key])
        self.assertEqual(hosts(env={"WASMCLOUD_LATTICE": self.lattice}), [self.key])
        # What names a lattice at the command line is not overruled by a variable.
        self.assertEqual(hosts("--context", "there", env={"WASMCLOUD_LATTICE": "another"}), [self.key])
        self.plain("context", "use", "there")
        self.assertEqual(hosts(), [self.key])
        self.assertEqual(json.loads(self.plain("get", "links", "-o", "json"))["links"], [])
        self.assertIn("no host named", self.plain("get", "links", "--host", "default", code=5))
        self.plain("context", "del", "there")
        self.assertIn("no host named", self.plain("get", "links", code=5))
        variables = {"WASMCLOUD_CTL_HOST": "127.0.0.1", "WASMCLOUD_CTL_PORT": self.port,
                     "WASMCLOUD_LATTICE": self.lattice, "WASMCLOUD_CTL_TIMEOUT_MS": "5000"}
        self.plain("context", "del", "nowhere")
        self.assertEqual(hosts(env=variables), [self.key])
        (self.home / "contexts.json").chmod(0o666)
        self.assertIn("contexts.json", self.plain("get", "hosts", code=3))

    def test_nobody_is_there(self):
        port = servers.free_port()
        text = self.plain("get", "hosts", "--nats", f"nats://127.0.0.1:{port}", "--timeout", "1s", code=5)
        self.assertIn("Connection refused", text)
        text = self.plain("link", "list", "--nats", f"nats://127.0.0.1:{self.port}", "--lattice", "another", code=5)
        self.assertIn("no host of this lattice listens", text)


class Signed(Lattice):
    """A host that takes requests from users that it knows, and from nobody else."""

    @property
    def control_options(self):
        for name in ("reader", "operator"):
            self.plain("keys", "gen", "user", name)
        read, operate = (self.plain("keys", "show", name).strip() for name in ("reader", "operator"))
        return "--user", f"{read}=read", "--user", f"{operate}=operate"

    def test_roles(self):
        self.writ("label", "put", "ours", "a=b", code=5)  # nobody answers who does not say who they are
        reader, operator = ("--sign-with", "reader"), ("--sign-with", "operator")
        self.assertEqual([h["id"] for h in self.ask("get", "hosts", *reader)["hosts"]], [self.key])
        self.assertIn("read", self.writ("label", "put", "ours", "a=b", *reader, code=1))
        self.writ("label", "put", "ours", "a=b", *operator)
        self.assertEqual(self.ask("get", "hosts", *reader)["hosts"][0]["labels"]["a"], "b")
        self.writ("stop", "host", "ours", *operator, code=1)
        self.plain("keys", "gen", "account", "account")
        self.assertIn("account", self.writ("get", "hosts", "--sign-with", "account", code=4))


class Example(Lattice):
    """The counter of examples/counter, brought to hosts by commands: its parts on one host, and each on its own."""

    host_options = ()

    def count(self, component, store, web):
        port = servers.free_port()
        self.writ("config", "put", "words", "greeting=Hello")
        self.writ("config", "put", "file", "path=counter.sqlite3")
        self.writ("config", "put", "address", f"address=127.0.0.1:{port}")
        image = f"file://{harness.unsigned_guest('counter')}"
        self.writ("start", "component", image, "counter", "--max", "10", "--config", "words", "--on", component)
        self.writ("link", "put", "counter", "store", "wasi:keyvalue/store,atomics", "--target-config", "file")
        self.writ("start", "provider", "writ:sqlite", "store", "--on", store)
        self.writ("link", "put", "web", "counter", "wasi:http/incoming-handler", "--source-config", "address")
        self.writ("start", "provider", "writ:http-server", "web", "--on", web)

        def visit():
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=20) as answer:
                    return answer.read().decode()
            except OSError:
                return None

        first = self.until(visit, 60, "the page is there")
        self.assertIn("Hello", first)
        numbers = [int(re.search(r"\d+", text)[0]) for text in (first, visit(), visit())]
        self.assertEqual(numbers, [numbers[0], numbers[0] + 1, numbers[0] + 2])

    def test_on_one_host(self):
        self.count("ours", "ours", "ours")

    def test_on_three_hosts(self):
        self.host("second")
        self.host("third")
        self.count("ours", "second", "third")


class Strict(Lattice):
    """A host that believes only what is signed."""

    host_options = ()

    def test_a_call_is_sealed_and_needs_a_link(self):
        image = f"file://{harness.unsigned_guest('parts-back')}"
        self.writ("start", "component", image, "back")
        call = ("call", "back", UPPER, '"hello"')
        self.assertIn("--cluster-key", self.writ(*call, code=5))
        sealed = (*call, "--cluster-key", "cluster", "--as", "front")
        self.assertIn("no link", self.writ(*sealed, code=3))
        self.writ("link", "put", "front", "back", "test:composed/catalog")
        self.assertEqual(self.writ(*sealed).strip(), '"HELLO"')
        self.plain("keys", "gen", "cluster", "other")
        self.writ(*call, "--cluster-key", "other", "--as", "front", "--timeout", "2s", code=1)


class Encrypted(Lattice):
    """Under TLS, with a user of the server."""

    def prepare(self):
        user = self.plain("keys", "gen", "user", "bus").strip()
        public = re.search(r"U[A-Z2-7]{55}", user)[0]
        tls = make_keys(self)
        users = f'authorization {{ users = [ {{ nkey: {public} }}, {{ user: host, password: host }} ] }}'
        self.port = str(servers.Nats(self, f"{tls}\n{users}\nno_auth_user: host").port)
        self.to_lattice = ("--nats", f"tls://127.0.0.1:{self.port}", "--lattice", self.lattice, "--seed",
                           self.home / "keys" / "bus.nk", "--tls-ca", self.folder / "ca.pem")

    def host_reaches(self):
        return "--nats", f"tls://127.0.0.1:{self.port}", "--tls-ca-path", self.folder / "ca.pem"

    def test_who_is_no_user_is_not_let_in(self):
        self.assertEqual([h["id"] for h in self.ask("get", "hosts")["hosts"]], [self.key])
        url = ("--nats", f"tls://127.0.0.1:{self.port}", "--lattice", self.lattice, "--timeout", "2s")
        self.plain("get", "hosts", *url, "--tls-ca", self.folder / "ca.pem")
        self.plain("keys", "gen", "user", "other")
        text = self.plain("get", "hosts", *url, "--tls-ca", self.folder / "ca.pem", "--seed",
                          self.home / "keys" / "other.nk", code=5)
        self.assertIn("uthorization", text)
        self.assertIn("certificate", self.plain("get", "hosts", *url, code=5))
        (self.home / "keys" / "other.nk").chmod(0o644)
        self.plain("get", "hosts", *url, "--tls-ca", self.folder / "ca.pem", "--seed",
                   self.home / "keys" / "other.nk", code=3)


class Impostor(threading.Thread):
    """Somebody on the bus who says that they are a host."""

    def __init__(self, case, answers):
        super().__init__(daemon=True)
        self.answers = answers  # by command: what is said for each request
        self.socket = socket.create_connection(("127.0.0.1", int(case.port)))
        self.input = self.socket.makefile("rb")
        self.input.readline()
        self.socket.sendall(f'CONNECT {{"headers":true}}\r\nSUB wasmbus.ctl.v1.{case.lattice}.> 1\r\nPING\r\n'.encode())
        while b"PONG" not in self.input.readline():
            pass
        case.addCleanup(self.socket.close)
        self.start()

    def run(self):
        with contextlib.suppress(OSError, ValueError):
            while line := self.input.readline():
                words = line.split()
                if words[:1] == [b"PING"]:
                    self.socket.sendall(b"PONG\r\n")
                if words[:1] in ([b"MSG"], [b"HMSG"]):
                    self.input.read(int(words[-1]) + 2)
                    command = b".".join(words[1].split(b".")[4:]).decode()
                    for answer in self.answers.get(command, ()):
                        self.socket.sendall(b"PUB %s %d\r\n%s\r\n" % (words[3], len(answer), answer))


class Hostile(Lattice):
    """What others on the bus say is not believed to be harmless."""

    def test_answers_that_lie(self):
        evil = "\x1b[2J\u202e" + "x" * 2000
        host = {"id": "N" + evil, "friendly_name": evil, "labels": {evil: evil}, "version": [1], "uptime_human": {},
                "writ": {"strict": "perhaps"}}
        component = {"id": "a", "image_ref": evil, "max_instances": -1, "annotations": [evil]}
        inventory = {"components": [component, 3, {}], "providers": {evil: evil}, "host_id": evil, "writ": 7}

        def yes(response, message=""):
            return json.dumps({"success": True, "message": message, "response": response}).encode()

        pings = [yes(host), yes([]), yes({}), yes("text"), b"", b"{", b"null", b"[" * 5000, yes(host)[:-1]]
        image = f"file://{harness.unsigned_guest('parts-back')}"
        self.writ("start", "component", image, "honest")
        liar = harness.writ("keys", "gen", "server", "--keys", self.folder / "keys")
        pings += [yes({"id": liar}), yes({"id": "N" + "A" * 55}), yes({"id": self.key})]
        Impostor(self, {"host.ping": pings, f"host.get.{liar}": [yes(inventory)], "link.get": [yes([host, 1, "x"])],
                        "claims.get": [yes({"a": 1})], "config.get.c": [yes([evil])],
                        "config.put.c": [json.dumps({"success": False, "message": evil}).encode()]})
        seen = self.writ("get", "hosts")
        self.writ("scale", "honest=3")  # who lies about hosts does not get in the way
        self.assertEqual(self.components(), {"honest": (image, 3)})
        for what in (("get", "inventory", self.key), ("get", "links"), ("get", "claims"), ("get", "config", "c"),
                     ("config", "put", "c", "a=b"), ("scale", "a=3"), ("stop", "component", "a"), ("drain", "ours")):
            for form in ("text", "json"):
                done = subprocess.run([str(harness.BINARY), *what, *self.to_lattice, "-o", form, "--timeout", "1s"],
                                      env=self.env, capture_output=True, text=True, timeout=SECONDS_MAX)
                self.assertIn(done.returncode, (0, 1, 3, 4, 5), (what, done.stderr))
                self.assertFalse(harness.ALARMS.search(done.stderr), done.stderr)
                self.assertNotIn("\x1b", done.stdout + done.stderr)
                if form == "text":
                    seen += done.stdout + done.stderr
        self.assertIn("ours", seen)
        self.assertNotIn("\u202e", seen)


class Alone(Lattice):
    """A host without NATS is asked through its socket."""

    def prepare(self):
        self.to_lattice = ("--host", "default", "--lattice", self.lattice)

    def host_reaches(self):
        return ()

    def test_everything_through_the_socket(self):
        image = f"file://{harness.unsigned_guest('parts-back')}"
        self.assertEqual([h["id"] for h in self.ask("get", "hosts")["hosts"]], [self.key])
        self.writ("config", "put", "c", "k=v")
        self.writ("start", "component", image, "back", "--max", "5", "--config", "c")
        self.assertEqual(self.components(), {"back": (image, 5)})
        self.writ("link", "put", "a", "back", "test:composed/catalog")
        self.writ("stop", "component", "back")
        self.writ("stop", "host", "ours")
        self.assertEqual(self.ours.process.wait(30), 0)
        self.writ("get", "hosts", code=5)


if __name__ == "__main__":
    sys.exit(harness.main())
