#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# timeout: 400
"""Two hosts with a call between them, and a hostile client of the same server of NATS, which hears everything and says
what it likes. Whatever it does is refused and counted; honest calls are answered all the time."""
import json
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest

import harness
import servers
from harness import BINARY, CACHE, environment, writ

SEALED, HELLO, WELCOME = b"\x03", b"\x01", b"\x02"


class Hostile:
    """Knows nothing of keys; speaks NATS."""

    def __init__(self, case, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        case.addCleanup(self.socket.close)
        self.heard = []  # subject, reply, headers, payload
        self.rest = b""
        self.lock = threading.Lock()
        self.send(b'CONNECT {"verbose":false,"pedantic":false,"headers":true,"no_responders":true}\r\n')
        self.subscribe(b">")
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def send(self, data):
        self.socket.sendall(data)

    def subscribe(self, subject, queue=b"", number=b"1"):
        self.send(b"SUB " + subject + b" " + queue + (b" " if queue else b"") + number + b"\r\n")

    def say(self, subject, payload, reply=b"", headers=b""):
        if headers:
            self.send(b"HPUB %s %s %d %d\r\n%s%s\r\n" % (subject, reply, len(headers), len(headers) + len(payload),
                                                         headers, payload))
        else:
            self.send(b"PUB %s %s %d\r\n%s\r\n" % (subject, reply, len(payload), payload))

    def again(self, message, subject=None, payload=None):
        self.say(subject or message[0], message[3] if payload is None else payload, message[1], message[2])

    def _line(self, stream):
        return stream.readline()

    def _read(self):
        stream = self.socket.makefile("rb")
        try:
            while line := self._line(stream):
                words = line.split()
                if words[:1] == [b"PING"]:
                    self.send(b"PONG\r\n")
                elif words[:1] == [b"MSG"]:
                    body = stream.read(int(words[-1]) + 2)[:-2]
                    self._keep(words[1], words[3] if len(words) == 5 else b"", b"", body)
                elif words[:1] == [b"HMSG"]:
                    head, size = int(words[-2]), int(words[-1])
                    body = stream.read(size + 2)[:-2]
                    self._keep(words[1], words[3] if len(words) == 6 else b"", body[:head], body[head:])
        except (OSError, ValueError):
            pass

    def _keep(self, *message):
        with self.lock:
            self.heard.append(message)

    def messages(self, subject, first=b""):
        with self.lock:
            return [m for m in self.heard if subject in m[0] and m[3].startswith(first)]

    def forget(self):
        with self.lock:
            self.heard.clear()


@unittest.skipUnless(shutil.which("nats-server"), "nats-server is not installed")
class Lattice(harness.Case):
    seconds_max = 180

    def setUp(self):
        super().setUp()
        self.cluster = f"attacks-{id(self)}"
        self.user = f"operator-{id(self)}"
        writ("keys", "gen", "cluster", self.cluster)
        self.nats = servers.Nats(self, self.nats_config())
        self.url = f"nats://127.0.0.1:{self.nats.port}"
        self.user_key = writ("keys", "gen", "user", self.user).strip()
        self.hosts = dict(self.hosts_of())
        self.until(lambda: len(self.inventories()) == 2, 60, "two hosts are there")
        self.key = {i["friendly_name"]: i["host_id"].encode() for i in self.inventories()}
        self.hostile = self.listen()
        self.deploy()

    def nats_config(self):
        return ""

    def as_user(self):
        return ()

    def listen(self):
        return Hostile(self, self.nats.port)

    def hosts_of(self):
        for name in ("h1", "h2"):
            yield name, self.start(name)

    def start(self, name, *identity):
        data, run = self.folder / name, self.folder / f"run-{name}"
        data.mkdir(exist_ok=True)
        run.mkdir(mode=0o700, exist_ok=True)
        log = open(self.folder / f"{name}.log", "ab")
        self.addCleanup(log.close)
        process = subprocess.Popen(
            [BINARY, "host", "--nats", self.url, "--name", name, "--allow-file-load", "--workers", "1", "--user",
             f"{self.user_key}=admin", *(identity or ("--cluster-key", self.cluster)), "--data", data, "--cache",
             CACHE, "--audit", self.folder / f"{name}.audit", "-o", "json"],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            env=environment({"XDG_RUNTIME_DIR": str(run)}))
        self.addCleanup(self.stop, process)
        return process

    @staticmethod
    def stop(process):
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def lattice(self, *arguments, sign=True):
        signs = ("--sign-with", self.user) if sign else ()
        done = harness.run(*arguments, "--nats", self.url, "-o", "json", *signs, *self.as_user())
        return done.returncode, done.stdout, done.stderr

    def must(self, *arguments):
        code, out, error = self.lattice(*arguments)
        self.assertEqual(code, 0, f"{arguments}: {out} {error}")
        return out

    def inventories(self):
        code, out, _ = self.lattice("get", "inventory")
        return json.loads(out)["inventories"] if code == 0 else []

    def refused(self, name):
        return {i["friendly_name"]: i for i in self.inventories()}[name].get("writ", {}).get("refused", {})

    def recorded(self, name):
        """The lines of the audit log about the lattice, which is whole."""
        path = self.folder / f"{name}.audit"
        checked = harness.run("audit", "verify", str(path))
        self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)
        return [json.loads(line) for line in path.read_text().splitlines() if '"by":"lattice"' in line]

    def deploy(self):
        image = f"file://{harness.guest('echo-c')}"
        self.must("start", "component", image, "front", "--max", "20", "--on", "h1")
        self.must("start", "component", image, "back", "--max", "20", "--on", "h2")
        self.http = servers.free_port()
        self.must("config", "put", "http", f"address=127.0.0.1:{self.http}")
        self.must("start", "provider", "wasmcloud+builtin://http-server", "http", "--on", "h1", "--config", "http")
        self.must("link", "put", "http", "front", "wasi:http/incoming-handler", "--source-config", "http")
        self.must("link", "put", "front", "back", "test:echo/echo")
        self.until(self.answers, 60, "a call goes from one host to the other")

    def answers(self):
        try:
            response = harness.request(self.http, path="/once/100", timeout=10)
            return response.status == 200 and response.text.strip() == "100"
        except (OSError, AssertionError, ValueError):
            return False

    def honest(self, times=20):
        for _ in range(times):
            self.assertTrue(self.answers(), "an honest call is answered")

    def subject(self, name):
        return b"writ.v1.default.host." + self.key[name]

    def more(self, name, reason, before, least=1):
        self.until(lambda: self.refused(name).get(reason, 0) >= before.get(reason, 0) + least, 10,
                   f"{name} counts {reason}: {self.refused(name)}")


class Attacks(Lattice):
    # --- calls ------------------------------------------------------------------------------------------------------

    def test_what_is_heard_tells_nothing_and_cannot_be_said_again(self):
        self.honest()
        self.until(lambda: len(self.hostile.messages(self.subject("h2"), SEALED)) >= 20, 5, "calls are heard")
        to_back = self.hostile.messages(self.subject("h2"), SEALED)
        for message in to_back + self.hostile.messages(self.subject("h1"), SEALED):
            for word in (b"front", b"back", b"echo"):
                self.assertNotIn(word, message[3])
        before = {name: self.refused(name) for name in self.key}
        for message in to_back:  # replay
            self.hostile.again(message)
        self.more("h2", "replayed", before["h2"], len(to_back))
        for message in to_back:  # reflection, and the wrong target
            self.hostile.again(message, subject=self.subject("h1"))
        self.more("h1", "unknown-session", before["h1"], len(to_back))
        for one, two in zip(to_back, to_back[1:]):  # one's number over another's payload
            self.hostile.again(one, payload=one[3][:9] + b"\x7f" + one[3][10:17] + two[3][17:])
        self.more("h2", "not-sealed", before["h2"], len(to_back) - 1)
        self.honest()
        why = {line["about"].get("why") for line in self.recorded("h2")}
        self.assertLessEqual({"replayed", "not-sealed"}, why)

    def test_handshakes_cannot_be_forged_or_turned_down(self):
        # The second host starts anew, so that there are greetings to hear.
        self.stop(self.hosts["h2"])
        self.hostile.forget()
        self.hosts["h2"] = self.start("h2")
        self.until(lambda: len(self.inventories()) == 2, 60, "the host is back")
        self.key = {i["friendly_name"]: i["host_id"].encode() for i in self.inventories()}
        self.must("start", "component", f"file://{harness.guest('echo-c')}", "back", "--max", "20", "--on", "h2")
        self.until(self.answers, 30, "calls are answered again")
        hellos = self.hostile.messages(self.subject("h2"), HELLO)
        self.assertTrue(hellos)
        hello = hellos[0]
        before = {name: self.refused(name) for name in self.key}
        self.hostile.again(hello)
        self.more("h2", "replayed", before["h2"])
        self.hostile.again(hello, payload=hello[3][:1] + b"\x00" + hello[3][2:])  # an older version
        self.more("h2", "version", before["h2"])
        self.hostile.again(hello, payload=hello[3][:30] + bytes([hello[3][30] ^ 1]) + hello[3][31:])  # another key
        self.more("h2", "bad-signature", before["h2"])
        self.hostile.again(hello, payload=b"\x01\x01" + bytes(8) + hello[3][10:])  # long ago
        self.more("h2", "clock", before["h2"])
        self.hostile.again(hello, subject=self.subject("h1"))  # to who said it
        self.more("h1", "not-for-us", before["h1"])
        for welcome in self.hostile.messages(self.subject("h1"), WELCOME)[:1]:
            self.hostile.again(welcome)
            self.more("h1", "fake-reply", before["h1"])
        self.honest()

    def test_floods_and_squatters_hold_nobody_up(self):
        before = self.refused("h2")
        self.hostile.subscribe(self.subject("h2"), b"squat", b"7")
        self.hostile.subscribe(b"*.*.wrpc.>", b"squat", b"8")
        hello = HELLO + b"\x01" + int(time.time() * 1000).to_bytes(8, "big") + bytes(48) + bytes(32)
        forged = hello[:58] + b"\x05" * 32 + self.raw_key("h2") + b"\x07default" + b"\x00\x04abcd" + bytes(64)
        stop = time.monotonic() + 4
        sent = 0
        while time.monotonic() < stop:
            for _ in range(200):
                self.hostile.say(self.subject("h2"), SEALED + bytes(16) + b"x" * 500)
                self.hostile.say(self.subject("h2"), forged)
                sent += 2
            self.assertTrue(self.answers(), "an honest call is answered in a flood")
        self.hostile.say(self.subject("h2"), SEALED + b"y" * 1000000)  # oversized
        self.hostile.say(self.subject("h2"), b"")
        self.hostile.say(self.subject("h2"), b"\xff" * 100)
        self.more("h2", "unknown-session", before, sent // 2)
        self.more("h2", "malformed", before)
        self.honest()

    def raw_key(self, name):
        import base64
        return base64.b32decode(self.key[name].decode() + "=" * (-len(self.key[name]) % 8))[1:33]

    def test_old_calls_are_not_taken(self):
        """Hosts that believe nobody unsigned are not called the way of 1.x, and call nobody so: no downgrade."""
        self.hostile.forget()
        self.hostile.subscribe(b"_INBOX.hostile.>", number=b"9")
        self.hostile.say(b"default.back.wrpc.0.0.1.test:echo/echo.echo", b"\x00", b"_INBOX.hostile.1",
                         b"NATS/1.0\r\nsource-id: front\r\n\r\n")
        self.honest()
        self.assertEqual(self.hostile.messages(b"wrpc.0.0.1")[1:], [])
        self.assertEqual([m for m in self.hostile.messages(b"_INBOX.hostile") if b"503" not in m[2]], [])

    # --- presence ---------------------------------------------------------------------------------------------------

    def test_presence_cannot_be_said_by_others(self):
        self.until(lambda: self.hostile.messages(b"default.presence"), 15, "a host says that it is there")
        said = self.hostile.messages(b"default.presence")[0]
        before = self.refused("h1")
        changed = bytearray(said[3])
        changed[-80] ^= 1
        self.hostile.again(said, payload=bytes(changed))
        self.more("h1", "bad-signature", before)
        self.hostile.say(b"writ.v1.default.presence", b"WRIT\x00rest")
        self.more("h1", "version", before)
        self.hostile.say(b"writ.v1.default.presence", b"hello")
        self.more("h1", "malformed", before)
        self.honest()

    # --- state ------------------------------------------------------------------------------------------------------

    def links(self):
        return sorted((link["source_id"], link["target"]) for link in json.loads(self.must("get", "links"))["links"])

    def test_values_of_buckets_are_of_hosts(self):
        """Whoever may write to JetStream can take values away and put others there, and no host believes those."""
        self.until(lambda: self.hostile.messages(b"$KV.LATTICEDATA_default.COMPONENT_front"), 5, "a link was stored")
        first = self.hostile.messages(b"$KV.LATTICEDATA_default.COMPONENT_front")
        stored, known = first[-1], self.links()
        link = {"source_id": "evil", "target": "back", "name": "default", "wit_namespace": "test",
                "wit_package": "echo", "interfaces": ["echo"], "source_config": [], "target_config": []}
        forged = json.dumps({"url": "", "links": [link]}).encode()
        word = b"".join(line for line in stored[2].splitlines(True) if line.startswith((b"NATS/", b"Writ-"))) + b"\r\n"
        purge = b"NATS/1.0\r\nKV-Operation: PURGE\r\n\r\n"
        forgeries = (("evil", forged, b"", "unsigned"), ("front", b'{"url":"","links":[]}', b"", "unsigned"),
                     ("evil", stored[3], word, "bad-signature"),  # that is about another key
                     ("front", forged, word, "bad-signature"), ("front", b"", purge, "unsigned"))
        for source, value, headers, reason in forgeries:
            before = {name: self.refused(name) for name in self.key}
            self.hostile.say(b"$KV.LATTICEDATA_default.COMPONENT_" + source.encode(), value, b"", headers)
            for name in self.key:
                self.more(name, reason, before[name])
        self.assertEqual(self.links(), known)
        self.honest()
        # A change by those who may is made, and does not take what was forged for granted.
        self.must("link", "put", "evil", "front", "test:echo/echo", "--name", "other")
        self.must("link", "put", "front", "back", "test:echo/echo")
        self.assertEqual(self.links(), sorted([*known, ("evil", "front")]))
        self.honest()

    # --- control ----------------------------------------------------------------------------------------------------

    def test_requests_are_of_users_with_a_role(self):
        code, out, error = self.lattice("link", "del", "front", "test:echo", sign=False)
        self.assertNotEqual(code, 0, out)
        self.assertIn("operate", out + error)
        self.hostile.forget()
        self.must("config", "put", "other", "a=1")
        put = [m for m in self.hostile.messages(b"ctl.v1.default.config.put") if m[2]]
        self.assertTrue(put)
        before = {name: self.refused(name) for name in self.key}
        for _ in range(4):  # whichever host takes it: each takes it once
            self.hostile.again(put[0])
        self.until(lambda: sum(self.refused(n).get("replayed", 0) - before[n].get("replayed", 0)
                               for n in self.key) >= 2, 10, "replayed requests are refused")
        self.hostile.again(put[0], payload=b'{"a": "2"}')
        self.until(lambda: sum(self.refused(n).get("bad-signature", 0) - before[n].get("bad-signature", 0)
                               for n in self.key) >= 1, 10, "changed requests are refused")
        stop = b"wasmbus.ctl.v1.default.host.stop." + self.key["h2"]
        self.hostile.say(stop, b"", b"_INBOX.hostile.2", put[0][2])
        self.hostile.say(stop, b"", b"_INBOX.hostile.3")
        self.more("h2", "unsigned", before["h2"])
        self.honest()
        changed = [line["about"] for name in self.key for line in self.recorded(name) if "command" in line["about"]]
        self.assertTrue(changed)
        self.assertEqual({(c["who"], c["role"]) for c in changed}, {(self.user_key, "admin")})


class Permitted(Lattice):
    """With the permissions of writ lattice nats-config, which are enough for all that hosts do, and no more."""

    def nats_config(self):
        self.users = {}
        for name in ("h1", "h2", "operator", "looker"):
            key = f"nats-{name}-{id(self)}"
            public = writ("keys", "gen", "user", key).strip()
            path = self.folder / f"{name}.nk"
            writ("keys", "export", key, "--out", str(path))
            self.users[name] = (public, path)
        self.host_keys = {name: f"{name}-{id(self)}" for name in ("h1", "h2")}
        hosts = [word for name, key in self.host_keys.items()
                 for word in ("--host", f"{writ('keys', 'gen', 'server', key).strip()}={self.users[name][0]}")]
        return writ("lattice", "nats-config", *hosts, "--admin", self.users["operator"][0], "--read",
                    self.users["looker"][0])

    def hosts_of(self):
        for name, key in self.host_keys.items():
            yield name, self.start(name, "--cluster-key", self.cluster, "--host-key", key, "--nats-seed",
                                   self.users[name][1].read_text())

    def as_user(self):
        return ("--seed", str(self.users["operator"][1]))

    def listen(self):
        return None  # nobody without a key is let in

    def test_hosts_do_all_that_they_do(self):
        self.honest()
        for name in self.key:
            self.assertNotIn("permissions violation", (self.folder / f"{name}.log").read_text().lower())

    def test_who_may_look_cannot_change(self):
        looker = ("--nats", self.url, "--seed", str(self.users["looker"][1]), "--sign-with", self.user, "-o", "json")
        seen = harness.run("get", "hosts", *looker)
        self.assertEqual(len(json.loads(seen.stdout)["hosts"]), 2, seen.stderr)
        self.assertNotEqual(harness.run("link", "del", "front", "test:echo", *looker).returncode, 0)
        self.honest()


class Membership(Lattice):
    """Hosts that hold no cluster key: admitted by a token each, believing what lattice.json says."""

    def trust(self, *arguments):
        done = harness.run("lattice", *arguments, "--file", str(self.file))
        self.assertEqual(done.returncode, 0, done.stderr)

    def hosts_of(self):
        self.file = self.folder / "lattice.json"
        self.trust("issuers", "add", self.cluster)
        for name in ("h1", "h2"):
            key = f"{name}-{id(self)}"
            writ("keys", "gen", "server", key)
            token = str(self.folder / f"{name}.jwt")
            writ("lattice", "admit", key, "--key", self.cluster, "--for", "1d", "--out", token)
            yield name, self.start(name, "--host-key", key, "--cluster-token", token, "--lattice-trust",
                                   str(self.file))

    def test_a_revoked_host_is_cut_off_when_the_file_is_read_again(self):
        self.honest()
        self.trust("revoked", "add", self.key["h2"].decode(), "--note", "stolen")
        self.hosts["h1"].send_signal(signal.SIGHUP)
        self.until(lambda: not self.answers(), 10, "no call goes to the revoked host")
        before = self.refused("h1").get("revoked", 0)
        self.until(lambda: self.refused("h1").get("revoked", 0) > before, 15, "what it says is refused")
        self.assertFalse(self.answers())
        self.trust("revoked", "remove", self.key["h2"].decode())
        self.hosts["h1"].send_signal(signal.SIGHUP)
        self.until(self.answers, 20, "it is believed again")

    def test_users_are_read_again(self):
        other = f"reader-{id(self)}"
        writ("keys", "gen", "user", other)
        ask = ("get", "hosts", "--nats", self.url, "-o", "json", "--sign-with", other)
        self.assertEqual(json.loads(harness.run(*ask).stdout or '{"hosts": []}')["hosts"], [])
        self.trust("users", "add", other, "--role", "read")
        for process in self.hosts.values():
            process.send_signal(signal.SIGHUP)
        self.until(lambda: len(json.loads(harness.run(*ask).stdout or '{"hosts": []}')["hosts"]) == 2, 10,
                   "the hosts answer the new user")


if __name__ == "__main__":
    sys.exit(harness.main())
