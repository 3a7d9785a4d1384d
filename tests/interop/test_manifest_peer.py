#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Manifests through our eyes and through those of wasmCloud 1.x: the same findings as `wash app validate`, and the
same normalised form as `wadm` stores.

    WRIT_PEERS    a folder with the programs `wash` and `wadm`; without it PATH is searched
"""
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "scenario"))
import harness  # noqa: E402
from test_peer_host import Program  # noqa: E402

WASH_SECONDS_MAX = 60
WADM_SECONDS_MAX = 30
# Findings of ours that 1.x does not have, or words in its own way because it cannot read the manifest at all.
OURS = {"ignored", "kind", "scale", "workload-policy", "calls-policy", "deprecated", "schema"}
REFUSED, BROKEN = "refused", "broken"  # not read at all; the program itself ends with a panic

MANIFEST = """apiVersion: core.oam.dev/v1beta1
kind: Application
metadata:
  name: {name}
  annotations: {annotations}
{metadata}
spec:
  components:
    - name: {component}
      type: {type}
{member}
      properties:
        image: {image}
{properties}
{traits}
{more}
{root}
"""
DEFAULTS = {"name": "hello", "annotations": "{}", "metadata": "", "component": "c", "type": "component", "member": "",
            "image": "x", "properties": "", "traits": "", "more": "", "root": ""}


def in_order(level, message):
    """A finding, with the names in it sorted: 1.x lists them as its table of hashes has them."""
    start, bracket, names = message.partition("missing from the manifest: [")
    return level, start + bracket + ", ".join(sorted(names.removesuffix("]").split(", ")))


def manifest(**parts):
    return MANIFEST.format(**{**DEFAULTS, **parts})


def config(value, name="x"):
    return {"properties": f"        config:\n          - name: {name}\n            properties: {value}"}


def secret(policy, *policies):
    return {"properties": f"        secrets: [{{name: s, properties: {{policy: {policy}, key: k}}}}]",
            "more": "  policies:\n" + "\n".join(f"    - {p}" for p in policies) if policies else ""}


def trait(kind, *bodies):
    return {"traits": "\n".join(["      traits:", *(f"        - {{type: {kind}, properties: {b}}}" for b in bodies)])}


def link(**members):
    members = {"target": "c", "namespace": "wasi", "package": "http", "interfaces": "[incoming-handler]", **members}
    return "{" + ", ".join(f"{key}: {value}" for key, value in members.items() if value is not None) + "}"


def component(name, properties="image: y", kind="component"):
    return {"more": f"    - name: {name}\n      type: {kind}\n      properties: {{{properties}}}"}


SAME = {
    "the least": manifest(),
    "annotations": manifest(annotations="{a: 1, b: true, c: ~, d: , e: 1.0}"),
    "annotations of nothing": manifest(annotations=""),
    "annotations of null": manifest(annotations="null"),
    "annotations of a list": manifest(annotations="[]"),
    "an annotation of a map": manifest(annotations="{a: {}}"),
    "labels of nothing": manifest(metadata="  labels:"),
    "unknown in the root": manifest(root="foo: bar"),
    "unknown in metadata": manifest(metadata="  foo: bar"),
    "unknown in spec": manifest(more="  foo: bar"),
    "unknown in a component": manifest(member="      foo: bar"),
    "unknown in properties": manifest(properties="        foo: bar"),
    "actor": manifest(type="actor"),
    "service": manifest(type="service"),
    "type in quotes": manifest(type='"capability"'),
    "an image of a number": manifest(image="5"),
    "an image of true": manifest(image="true"),
    "an image of nothing": manifest(image=""),
    "an image of digits": manifest(image="007"),
    "an empty image": manifest(image='""'),
    "an id of a number": manifest(properties="        id: 5"),
    "a config": manifest(**config("{a: b, c: '5', d: yes, e: 2020-01-01, f: 0b2}")),
    "a config of a number": manifest(**config("{a: 5}")),
    "a config of a fraction": manifest(**config("{a: 1e3}")),
    "a config of infinity": manifest(**config("{a: .inf}")),
    "a config of hexadecimal": manifest(**config("{a: 0x1F}")),
    "a config with a number as key": manifest(**config("{5: x}")),
    "a config of nothing": manifest(**config("")),
    "a config that exists": manifest(properties="        config: [{name: x}]"),
    "a value of nothing": manifest(**config("{a: }")),
    "a list of configs of nothing": manifest(properties="        config:"),
    "unknown in a config": manifest(properties="        config: [{name: x, foo: y}]"),
    "unknown in a secret": manifest(
        properties="        secrets: [{name: x, foo: y, properties: {policy: p, key: k, z: z}}]"),
    "a secret of nothing": manifest(properties="        secrets:"),
    "a secret without key": manifest(properties="        secrets: [{name: x, properties: {policy: p}}]"),
    "an unknown policy": manifest(**secret("p")),
    "another policy": manifest(**secret("p", "{name: p, type: other, properties: {backend: b}}")),
    "a policy without backend": manifest(
        **secret("p", "{name: p, type: policy.secret.wasmcloud.dev/v1alpha1, properties: {a: b}}")),
    "a policy": manifest(
        **secret("p", "{name: p, type: policy.secret.wasmcloud.dev/v1alpha1, properties: {backend: b}}")),
    "two policies of one name": manifest(
        **secret("p", "{name: p, type: policy.secret.wasmcloud.dev/v1alpha1, properties: {backend: b}}",
                 "{name: p, type: other, properties: {}}")),
    "a policy with numbers": manifest(more="  policies: [{name: p, type: t, properties: {a: 5, b: true}}]"),
    "a policy without properties": manifest(more="  policies: [{name: p, type: t}]"),
    "policies of nothing": manifest(more="  policies:"),
    "traits of nothing": manifest(traits="      traits:"),
    "no traits": manifest(traits="      traits: []"),
    "unknown in a trait": manifest(traits="      traits: [{type: link, foo: x, properties: {}}]"),
    "a trait without properties": manifest(traits="      traits: [{type: link}]"),
    "a trait of null": manifest(**trait("link", "")),
    "a trait of another type": manifest(**trait("foo", "{q: 1}")),
    "a trait of another type with a link": manifest(**trait("foo", link(target="zz"))),
    "a trait of another type with a scaler": manifest(**trait("foo", "{instances: 2}")),
    "a link": manifest(**trait("link", link())),
    "a link with a target": manifest(**trait("link", link(target="{name: c}"))),
    "a link with more": manifest(**trait("link", link(foo="bar", source="{foo: x}", target="{name: c, foo: x}"))),
    "a link without target": manifest(**trait("link", link(target=None))),
    "a link to nothing": manifest(**trait("link", link(target=""))),
    "a link to a number": manifest(**trait("link", link(target="5"))),
    "a link to nobody": manifest(**trait("link", link(target="{}"))),
    "a link without interfaces": manifest(**trait("link", link(interfaces=None))),
    "a link of no interfaces": manifest(**trait("link", link(interfaces="[]"))),
    "a link without namespace": manifest(**trait("link", link(namespace=None))),
    "a link to the unknown": manifest(**trait("link", link(target="zz"), link(target="aa", name="n"))),
    "a broken link to the unknown": manifest(**trait("link", link(target="{name: zz}", source=""))),
    "links to the unknown": manifest(**trait("link", *(link(target=t, interfaces=f"[{t}]", namespace="my")
                                                       for t in ("zz", "aa", "zz", "mm")))),
    "a link with source_config of nothing": manifest(**trait("link", link(source_config="[]"))),
    "a link with a source of nothing": manifest(**trait("link", link(source="{config: []}"))),
    "a link with target_config": manifest(**trait("link", link(target_config="[{name: x, properties: {a: b}}]"))),
    "a link with a number": manifest(**trait("link", link(target_config="[{name: x, properties: {a: 5}}]"))),
    "a link whose source has a number": manifest(
        **trait("link", link(source="{config: [{name: x, properties: {a: 5}}]}"))),
    "a link with both spellings": manifest(**trait("link", link(
        target="{name: c, config: [{name: new}]}", target_config="[{name: old}]", source="{config: [{name: a}]}",
        source_config="[{name: b}]"))),
    "a link twice": manifest(**trait("link", link(), link())),
    "a link thrice": manifest(**trait("link", link(), link(), link())),
    "a link twice with names": manifest(**trait("link", link(name="a"), link(name="b"))),
    "a link named default": manifest(**trait("link", link(), link(name="default"))),
    "one interface of a link twice": manifest(
        **trait("link", link(package="keyvalue", interfaces="[store, atomics]"),
                link(package="keyvalue", interfaces="[batch, store]"))),
    "configs of links twice": manifest(
        **trait("link", link(source="{config: [{name: x, properties: {a: b}}]}"),
                link(name="n", target="{name: c, config: [{name: x, properties: {a: b}}, {name: x}]}"),
                link(name="m", target="{name: c, config: [{name: x, properties: {}}]}"))),
    "unknown interfaces": manifest(
        **trait("link", link(interfaces="[nothing]"), link(package="htp"), link(namespace="my", interfaces="[x]"),
                link(namespace="wrpc", package="keyvalue", interfaces="[batch]"),
                link(namespace="wasmcloud", package="messaging", interfaces="[consumer, other]"),
                link(package="config", interfaces="[store, runtime]"))),
    "a scaler": manifest(**trait("spreadscaler", "{replicas: 3}")),
    "a scaler of text": manifest(**trait("spreadscaler", '{instances: "3"}')),
    "a scaler of less": manifest(**trait("spreadscaler", "{instances: -3}")),
    "a scaler of a fraction": manifest(**trait("daemonscaler", "{instances: 3.0}")),
    "a scaler of hexadecimal": manifest(**trait("daemonscaler", "{instances: 0x1f}")),
    "a scaler of nothing": manifest(**trait("spreadscaler", "{}")),
    "a scaler with both spellings": manifest(**trait("spreadscaler", "{instances: 1, replicas: 2}")),
    "unknown in a scaler": manifest(**trait("spreadscaler", "{instances: 1, foo: 2}")),
    "a spread without requirements": manifest(**trait("spreadscaler", "{instances: 1, spread: [{name: x}]}")),
    "a spread": manifest(
        **trait("spreadscaler", "{instances: 1, spread: [{name: x, requirements: {a: b}, weight: 5}]}")),
    "unknown in a spread": manifest(
        **trait("spreadscaler", "{instances: 1, spread: [{name: x, requirements: {}, f: x}]}")),
    "a spread of nothing": manifest(**trait("spreadscaler", "{instances: 1, spread: }")),
    "a spread with a number": manifest(
        **trait("spreadscaler", "{instances: 1, spread: [{name: x, requirements: {a: 1}}]}")),
    "a name twice": manifest(**component("c")),
    "an id twice": manifest(properties="        id: same", **component("d", "image: y, id: same", "capability")),
    "image and application": manifest(properties="        application: {name: a, component: b}"),
    "a shared component": manifest(**component("d", "application: {name: a, component: b}")),
    "a shared component with more": manifest(**component(
        "d", "application: {name: a, component: b}, config: [{name: x}]")),
    "a shared component with a secret": manifest(**component(
        "d", "application: {name: a, component: b}, secrets: [{name: s, properties: {policy: p, key: k}}]")),
    "a shared component with a scaler": manifest(
        more="    - name: d\n      type: component\n      properties: {application: {name: a, component: b}}\n"
             "      traits: [{type: spreadscaler, properties: {instances: 1}}]"),
    "a name with a blank": manifest(name='"a b"'),
    "a name with a dot": manifest(name="a.b"),
    "a name of letters": manifest(name="\u00e4\u00f6\u0416\u65e5"),
    "a name with a sign": manifest(name="\u20ac"),
    "a name with a picture": manifest(name="\U0001f600"),
    "an empty name": manifest(name='""'),
    "latest": manifest(annotations="{version: latest}"),
    "keys of annotations": manifest(annotations="""{"a b": x, "/x": y, "-": z, "1.x/y": q, a: q, "a/b/c": 1,
      "a..b/c": 1, "a.b-c/d_e.f": 1, "A.B/c": 1, "a-/b": 1, "a/b-": 1, "\u00e4": 1, "": 1, "a.1b/c": 1, %s: 1, %s: 1}"""
                                    % ("a" * 63, "b" * 64)),
    "keys of labels": manifest(metadata='  labels: {"a b": x}'),
    "a kind of another": manifest().replace("kind: Application", "kind: 5"),
    "a version that is a map": manifest().replace("core.oam.dev/v1beta1", "{}"),
    "an alias": manifest(more="  foo: &a {b: c}\n  bar: *a"),
    "two documents": manifest(root="---\na: b"),
    "much at once": manifest(name='"q q"', annotations='{"a b": x}', **trait("link", "{}")),
}

# What 1.x does not say or does not survive, and we refuse or warn of, with the rule.
STRICTER = {
    "duplicate-key": manifest(annotations="{a: b, a: c}"),
    "tag": manifest(annotations="{a: !foo x}"),
    "trait": manifest(**trait("link", link(interfaces="x"))),
}


class Validation(harness.Case):
    seconds_max = 300

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.program = harness.peer("wash")
        if cls.program is None:
            raise unittest.SkipTest("no `wash` of 1.x in $WRIT_PEERS or PATH")

    def ours(self, path):
        done = harness.run("manifest", "check", "--cluster", "-o", "json", path, cache=False)
        self.assertIn(done.returncode, (0, 4), done.stderr)
        seen = json.loads(done.stdout)["manifests"][0]
        self.assertEqual(done.returncode == 0, seen["valid"])
        return seen

    def theirs(self, path):
        env = {**harness.environment(), "HOME": str(self.folder), "RUST_BACKTRACE": "0"}
        done = subprocess.run([self.program, "app", "validate", str(path), "-o", "json"], env=env, capture_output=True,
                              text=True, timeout=WASH_SECONDS_MAX)
        if "panicked" in done.stderr:
            return BROKEN, []
        text = next(t for t in (done.stdout, done.stderr) if "{" in t)
        seen = json.loads(text[text.index("{"):])
        if "valid" not in seen:
            return REFUSED, seen["error_chain"]
        return seen["valid"], sorted(in_order(f["level"].lower(), f["msg"]) for f in seen["errors"] + seen["warnings"])

    def compare(self, text):
        path = self.folder / "app.yaml"
        path.write_text(text)
        seen, (valid, messages) = self.ours(path), self.theirs(path)
        if valid in (REFUSED, BROKEN):
            self.assertFalse(seen["valid"], (messages, text))
            return
        found = sorted(in_order(f["level"], f["message"]) for f in seen["findings"] if f["rule"] not in OURS)
        self.assertEqual((seen["valid"], found), (valid, messages), text)

    def test_the_same_findings(self):
        for name, text in SAME.items():
            with self.subTest(name):
                self.compare(text)

    def test_where_we_are_stricter(self):
        for rule, text in STRICTER.items():
            with self.subTest(rule):
                path = self.folder / "app.yaml"
                path.write_text(text)
                seen = self.ours(path)
                self.assertFalse(seen["valid"])
                self.assertIn(rule, [f["rule"] for f in seen["findings"]])
                self.assertIn(self.theirs(path)[0], (True, BROKEN))


class Bus:
    """As much of a NATS client as a request needs."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", int(port)), timeout=WADM_SECONDS_MAX)
        self.stream = self.socket.makefile("rwb")
        self.stream.readline()
        self.count = 0
        self.write(b'CONNECT {"verbose":false}\r\nSUB reply.* 1\r\n')

    def write(self, data):
        self.stream.write(data)
        self.stream.flush()

    def request(self, subject, payload=b"", seconds=WADM_SECONDS_MAX):
        self.count += 1
        inbox = f"reply.{self.count}"
        self.socket.settimeout(seconds)
        self.write(f"PUB {subject} {inbox} {len(payload)}\r\n".encode() + payload + b"\r\n")
        while True:
            words = self.stream.readline().split()
            if words and words[0] == b"PING":
                self.write(b"PONG\r\n")
            elif words and words[0] == b"MSG":
                data = self.stream.read(int(words[-1]) + 2)[:-2]
                if words[1].decode() == inbox:
                    return json.loads(data)
            elif not words or words[0] == b"-ERR":
                raise AssertionError(f"the bus said {words}")

    def close(self):
        self.stream.close()
        self.socket.close()


class Normalised(harness.Case):
    seconds_max = 180

    def setUp(self):
        super().setUp()
        program = harness.peer("wadm")
        if program is None:
            self.skipTest("no `wadm` of 1.x in $WRIT_PEERS or PATH")
        nats = shutil.which("nats-server", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
        if nats is None:
            self.skipTest("no nats-server (apt-get install nats-server)")
        env = {**harness.environment(), "HOME": str(self.folder), "RUST_BACKTRACE": "0"}
        bus = Program([nats, "-a", "127.0.0.1", "-p", "-1", "-js", "-sd", str(self.folder / "bus")], env)
        self.addCleanup(bus.close)
        port = bus.wait_line("Listening for client connections on 127.0.0.1:").split("127.0.0.1:")[1].strip()
        bus.wait_line("Server is ready")
        wadm = Program([program, "--nats-server", f"127.0.0.1:{port}"], env)
        self.addCleanup(wadm.close)
        self.port = port
        self.until(self.answers, WADM_SECONDS_MAX, "wadm answers")
        self.bus = Bus(port)
        self.addCleanup(self.bus.close)

    def answers(self):
        bus = Bus(self.port)
        try:
            return bus.request("wadm.api.default.model.get", seconds=0.5)
        except TimeoutError:
            return None
        finally:
            bus.close()

    def stored(self, name, text):
        put = self.bus.request("wadm.api.default.model.put", text.encode())
        self.assertEqual(put["result"], "created", put)
        stored = self.bus.request(f"wadm.api.default.model.get.{name}")["manifest"]
        # A version is given to those that have none.
        if "version:" not in text:
            del stored["metadata"]["annotations"]["version"]
            if not stored["metadata"]["annotations"]:
                del stored["metadata"]["annotations"]
        return stored

    def ours(self, text):
        path = self.folder / "app.yaml"
        path.write_text(text)
        return json.loads(harness.writ("manifest", "show", path))

    def test_as_wadm_stores_it(self):
        valid = {name: text for name, text in SAME.items() if self.is_valid(text)}
        self.assertGreater(len(valid), 30)
        for number, (name, text) in enumerate(valid.items()):
            with self.subTest(name):
                # wadm lets only names through that can be part of a subject.
                text = text.replace("name: hello", f"name: hello{number}")
                if f"hello{number}" in text:
                    self.assertEqual(self.ours(text), self.stored(f"hello{number}", text))

    def is_valid(self, text):
        path = self.folder / "app.yaml"
        path.write_text(text)
        return harness.run("manifest", "check", "--cluster", path, cache=False).returncode == 0


if __name__ == "__main__":
    sys.exit(harness.main())
