#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A capability provider of wasmCloud 1.x for tests: speaks what hosts and providers say to each other by itself.

It reads its host data from standard input, connects to the server of NATS named there, and writes each thing that
happens to it to standard output, a line of JSON each: {"event": "started" | "link-put" | "link-del" | "config" | ...}.
Its configuration says how it behaves: "health" = what it answers, "crash" = it ends with that status as soon as it is
connected, "shutdown" = "ignore", "call" = "TARGET INSTANCE.FUNCTION", what it calls when it is told so, "claims" = who
it says it is then, "listen" = a subject that it subscribes to, "speak" = one that it publishes to. It serves `echo` of
`test:provider/echo@0.1.0`, whose results are its parameters.
"""
import base64
import json
import os
import socket
import sys
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import plain_crypto  # noqa: E402

ECHO = "test:provider/echo@0.1.0.echo"


def say(event, **facts):
    print(json.dumps({"event": event, **facts}, separators=(",", ":")), flush=True)


class Nats:
    """As much of a client as a provider needs; one thread, which waits."""

    def __init__(self, url, jwt, seed):
        at = urllib.parse.urlparse(url)
        self.socket = socket.create_connection((at.hostname, at.port or 4222))
        self.file = self.socket.makefile("rb")
        self.handlers = {}
        info = json.loads(self.file.readline().split(b" ", 1)[1])
        options = {"verbose": False, "pedantic": False, "tls_required": False, "lang": "python", "version": "0",
                   "name": "provider", "protocol": 1, "headers": True, "no_responders": True}
        if at.username:
            options.update(user=at.username, **{"pass": at.password or ""})
        if seed:
            raw = plain_crypto.nkey_bytes(seed)
            signature = plain_crypto.ed25519_sign(raw, info.get("nonce", "").encode())
            options["sig"] = base64.urlsafe_b64encode(signature).decode().rstrip("=")
            if jwt:
                options["jwt"] = jwt
            else:
                options["nkey"] = plain_crypto.nkey_text("U", plain_crypto.ed25519_public(raw))
        self.send(f"CONNECT {json.dumps(options)}\r\nPING\r\n".encode())
        while True:
            line = self.file.readline()
            if line.startswith(b"PONG"):
                return
            if line.startswith(b"-ERR") or not line:
                say("refused", text=line.decode().strip())
                sys.exit(3)

    def send(self, data):
        self.socket.sendall(data)

    def publish(self, subject, payload=b"", reply=""):
        self.send(f"PUB {subject} {reply + ' ' if reply else ''}{len(payload)}\r\n".encode() + payload + b"\r\n")

    def call(self, subject, reply, headers, payload):
        block = "NATS/1.0\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers.items()) + "\r\n"
        self.send(f"HPUB {subject} {reply} {len(block)} {len(block) + len(payload)}\r\n{block}".encode() +
                  payload + b"\r\n")

    def subscribe(self, subject, handler, queue=""):
        sid = str(len(self.handlers) + 1)
        self.handlers[sid] = handler
        self.send(f"SUB {subject} {queue + ' ' if queue else ''}{sid}\r\n".encode())

    def flush(self):
        """Waits until the server has everything."""
        self.send(b"PING\r\n")
        self.run(until="PONG")

    def run(self, until=None):
        for line in self.file:
            words = line.decode().split()
            if words[0] == until:
                return
            if words[0] == "PING":
                self.send(b"PONG\r\n")
            elif words[0] == "-ERR":
                say("error", text=line.decode().strip())
            elif words[0] in ("MSG", "HMSG"):
                self.take(words)
        say("disconnected")

    def take(self, words):
        is_plain = words[0] == "MSG"
        total = int(words[-1])
        body = self.file.read(total + 2)[:-2]
        payload = body if is_plain else body[int(words[-2]):]
        rest = words[1:-1] if is_plain else words[1:-2]
        self.status = "" if is_plain else body[:int(words[-2])].split(b"\r\n", 1)[0].decode()
        self.handlers[rest[1]](rest[0], rest[2] if len(rest) > 2 else "", payload)


class Provider:
    def __init__(self, data):
        self.data = data
        self.config = data["config"]
        self.seed, self.host_key = data["provider_xkey_private_key"], data["host_xkey_public_key"]
        self.nats = Nats(data["lattice_rpc_url"], data["lattice_rpc_user_jwt"], data["lattice_rpc_user_seed"])
        self.calls = 0

    def start(self):
        lattice, key = self.data["lattice_rpc_prefix"], self.data["provider_key"]
        own = plain_crypto.nkey_text("X", plain_crypto.x25519_public(plain_crypto.nkey_bytes(self.seed)))
        subject = f"wasmbus.rpc.{lattice}"
        self.nats.subscribe(f"{subject}.{key}.health", self.on_health)
        self.nats.subscribe(f"{subject}.{key}.default.shutdown", self.on_shutdown)
        self.nats.subscribe(f"{subject}.{own}.linkdefs.put", self.on_put)
        self.nats.subscribe(f"{subject}.{key}.linkdefs.del", self.on_del)
        self.nats.subscribe(f"{subject}.{key}.config.update", self.on_config)
        self.nats.subscribe(f"{lattice}.{key}.wrpc.0.0.1.{ECHO}", self.on_call, f"{lattice}.{key}")
        self.nats.flush()
        say("started", environment=sorted(os.environ), rest_of_input=len(sys.stdin.read()), config=self.config,
            links=[self.link(one) for one in self.data["link_definitions"]], secrets=self.data["secrets"])
        if "crash" in self.config:
            sys.exit(int(self.config["crash"]))
        self.nats.run()

    def link(self, one):
        shown = {k: one[k] for k in ("source_id", "target", "name", "interfaces", "source_config", "target_config")}
        for end in ("source_secrets", "target_secrets"):
            if one[end] is not None:
                shown[end] = json.loads(plain_crypto.xkv1_open(self.seed, self.host_key, bytes(one[end])))
        return shown

    def on_health(self, _subject, reply, _payload):
        self.nats.publish(reply, self.config.get("health", '{"healthy":true}').encode())

    def on_shutdown(self, _subject, reply, payload):
        say("shutdown", right_host=json.loads(payload)["host_id"] == self.data["host_id"])
        if self.config.get("shutdown") != "ignore":
            self.nats.publish(reply, b"shutting down")
            self.nats.socket.close()
            sys.exit(0)

    def on_put(self, _subject, _reply, payload):
        say("link-put", link=self.link(json.loads(payload)))

    def on_del(self, _subject, _reply, payload):
        say("link-del", source=json.loads(payload)["source_id"])

    def on_config(self, _subject, _reply, payload):
        self.config = json.loads(payload)
        say("config", config=self.config)
        if "call" in self.config:
            self.call(*self.config["call"].split())
        if "listen" in self.config:
            self.nats.subscribe(self.config["listen"], lambda subject, *_: say("heard", subject=subject))
        if "speak" in self.config:
            self.nats.publish(self.config["speak"], b"hello")

    def call(self, target, function):
        """A call with the parameters "ping": what comes of it is told."""
        self.calls += 1
        inbox, results = f"_INBOX.call.{os.getpid()}.{self.calls}", []

        def on_message(subject, reply, payload):
            if subject == inbox and not reply:
                say("refused", status=self.nats.status)
            elif subject == inbox:
                self.nats.publish(f"{reply}.params")
            elif payload:
                results.append(payload)
            else:
                say("answered", text=b"".join(results).decode())

        self.nats.subscribe(f"{inbox}.>", on_message)
        self.nats.subscribe(inbox, on_message)
        headers = {"source-id": self.config.get("claims", self.data["provider_key"]), "target-id": target}
        lattice = self.data["lattice_rpc_prefix"]
        self.nats.call(f"{lattice}.{target}.wrpc.0.0.1.{function}", inbox, headers, b"ping")

    def on_call(self, _subject, reply, payload):
        """One call at a time of each inbox: parameters until the empty message, and back they go."""
        self.calls += 1
        inbox, received = f"_INBOX.provider.{os.getpid()}.{self.calls}", [payload]

        def on_params(_subject, _reply, more):
            received.append(more)
            if not more:
                say("call", bytes=sum(map(len, received)))
                self.nats.publish(f"{reply}.results", b"".join(received))
                self.nats.publish(f"{reply}.results")

        self.nats.subscribe(f"{inbox}.params", on_params)
        self.nats.publish(reply, reply=inbox)


def main():
    line = sys.stdin.readline()
    data = json.loads(base64.b64decode(line.strip(), validate=True))
    Provider(data).start()
    return 0


if __name__ == "__main__":
    sys.exit(main())
