#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""writ lattice: admitting hosts, whom hosts believe, users and their roles, permissions for servers of NATS."""
import json
import shutil
import subprocess
import sys

import harness
from harness import Case


class Lattice(Case):
    def setUp(self):
        super().setUp()
        self.home = self.folder / "home"
        self.key = {name: self.writ("keys", "gen", kind, name).stdout.strip()
                    for kind, name in (("cluster", "shop"), ("server", "host"), ("user", "alice"), ("user", "nats"))}

    def writ(self, *arguments, code=0):
        done = harness.run(*arguments, env={"WRIT_HOME": str(self.home)}, cache=False)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done

    def lattice(self, *arguments, code=0):
        return self.writ("lattice", *arguments, code=code)

    def file(self):
        return json.loads((self.home / "lattice.json").read_text())


class Admitting(Lattice):
    def test_the_token_says_who_where_and_until_when(self):
        shown = json.loads(self.lattice("admit", "host", "--key", "shop", "-x", "web", "--for", "30d", "--name",
                                        "edge 1", "-o", "json").stdout)
        self.assertEqual((shown["host"], shown["lattice"]), (self.key["host"], "web"))
        token = self.folder / "host.jwt"
        token.write_text(shown["token"])
        claims = json.loads(self.writ("token", "inspect", str(token), "-o", "json").stdout)
        text = json.dumps(claims)
        for word in (self.key["host"], self.key["shop"], "edge 1", '"lattice"'):
            self.assertIn(word, text)

    def test_into_a_file(self):
        out = self.folder / "host.jwt"
        self.assertEqual(self.lattice("admit", self.key["host"], "--key", "shop", "--out", str(out)).stdout, "")
        self.assertEqual(out.read_text().count("."), 2)

    def test_what_is_refused(self):
        for words, *arguments in (
                ("a cluster key (C) admits a host (N)", "admit", "host", "--key", "alice"),
                ("a cluster key (C) admits a host (N)", "admit", "alice", "--key", "shop"),
                ("at most 366 days", "admit", "host", "--key", "shop", "--for", "2y"),
                ("name of a lattice", "admit", "host", "--key", "shop", "-x", "a.b")):
            done = harness.run("lattice", *arguments, env={"WRIT_HOME": str(self.home)}, cache=False)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(words, done.stderr)
            self.assertEqual(done.stdout, "")


class Believing(Lattice):
    def test_lists_are_kept(self):
        self.lattice("issuers", "add", "shop", "--note", "ops", "--until", "2030-01-31")
        self.lattice("revoked", "add", "host", "--before", "2026-05-01", "--note", "stolen")
        self.lattice("users", "add", "alice", "--role", "operate")
        self.lattice("users", "add", "everybody", "--role", "read")
        self.assertEqual(self.file(), {
            "version": 1,
            "issuers": [{"key": self.key["shop"], "until": "2030-01-31T00:00:00Z", "note": "ops"}],
            "revoked": [{"key": self.key["host"], "before": "2026-05-01T00:00:00Z", "note": "stolen"}],
            "users": [{"key": self.key["alice"], "role": "operate"}],
            "everybody": "read"})
        self.assertIn("operate", self.lattice("users").stdout)
        self.assertIn("everybody", self.lattice("users").stdout)
        self.lattice("users", "add", "alice", "--role", "admin")  # in place of the one before
        self.assertEqual([u["role"] for u in json.loads(self.lattice("users", "-o", "json").stdout)["entries"]],
                         ["admin"])
        self.lattice("users", "remove", "alice")
        self.lattice("users", "remove", "everybody")
        self.assertEqual((self.file()["users"], self.file()["everybody"]), ([], "none"))

    def test_what_is_refused(self):
        self.assertIn("cluster keys", self.lattice("issuers", "add", "alice", code=4).stderr)
        self.assertIn("--role", self.lattice("users", "add", "alice", code=4).stderr)
        self.assertIn("add KEY", self.lattice("users", "alice", code=2).stderr)
        self.assertNotEqual(self.writ("lattice", "issuers", "remove", "shop", code=5).stderr, "")
        (self.home / "lattice.json").write_text('{"version": 1, "friends": []}')
        self.assertIn("friends", self.lattice("issuers", code=4).stderr)


class Permissions(Lattice):
    def config(self, *more):
        return self.lattice("nats-config", "-x", "web", "--host", f"{self.key['host']}={self.key['nats']}",
                            "--operate", self.key["alice"], *more).stdout

    def test_a_host_hears_what_is_for_it(self):
        text = self.config()
        self.assertIn(f'"writ.v1.web.host.{self.key["host"]}"', text)
        self.assertIn('"writ.v1.web.host.*"', text)
        self.assertNotIn("wrpc", text)
        self.assertIn('"web.*.wrpc.>"', self.config("--allow-unsigned-peers"))
        self.assertNotIn("host.stop", text)

    def test_a_server_takes_it(self):
        if shutil.which("nats-server") is None:
            self.skipTest("nats-server is not installed")
        path = self.folder / "shop.conf"
        path.write_text(self.config() + f'jetstream {{ store_dir: "{self.folder}" }}\n')
        done = subprocess.run(["nats-server", "-t", "-c", str(path)], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_what_is_refused(self):
        for words, *arguments in (
                ("at least one", "nats-config"),
                ("N...=U...", "nats-config", "--host", "x"),
                ("named twice", "nats-config", "--read", self.key["alice"], "--admin", self.key["alice"]),
                ("user key belongs here", "nats-config", "--read", self.key["shop"])):
            self.assertIn(words, self.lattice(*arguments, code=2).stderr)


if __name__ == "__main__":
    sys.exit(harness.main())
