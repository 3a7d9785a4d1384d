# SPDX-License-Identifier: Apache-2.0
"""Tokens: `writ token`, and both directions against other implementations of the format: the `wascap` crate (built by
tools/setup/setup.py for tests) and, where WRIT_PEERS names a folder with it, the `wash` of wasmCloud 1.x."""
import base64
import json
import os
import subprocess
import sys
import unittest

import harness
from harness import Case

WASCAP = harness.ROOT / "build" / "deps" / "tools" / "bin" / "wascap-tool"
WASH = harness.peer("wash")
HASH = "0123456789ABCDEF" * 4
YEAR_S = 365 * 86400
NOW = "2027-01-31"
NOW_S = 1801353600


def claims_of(token):
    """The claims as they stand in the token, unchecked."""
    body = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))


class Tokens(Case):
    def setUp(self):
        super().setUp()
        self.home = self.folder / "home"
        self.home.mkdir()

    def writ(self, *arguments, status=0, stdin=b""):
        done = harness.run(*arguments, stdin=stdin, env={"WRIT_HOME": str(self.home)}, cache=False)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done

    def key(self, kind, name):
        return self.writ("keys", "gen", kind, name).stdout.strip()

    def create(self, *arguments, status=0):
        return self.writ("token", "create", "--at", NOW, *arguments, status=status).stdout.strip()

    def inspect(self, token, *arguments, status=0):
        done = self.writ("token", "inspect", "-o", "json", *arguments, "-", status=status, stdin=token.encode())
        return json.loads(done.stdout)

    def keep(self, name, token):
        path = self.folder / name
        path.write_text(token + "\n", encoding="utf-8")
        return str(path)


class Commands(Tokens):
    def test_a_chain_from_operator_to_host(self):
        operator, account, host = self.key("operator", "op"), self.key("account", "web"), self.key("server", "h")
        first = self.keep("op.jwt", self.create("--kind", "operator", "--subject", "op", "--name", "Acme"))
        account_token = self.create("--kind", "account", "--subject", account, "--issuer", "op", "--for", "1y",
                                    "--signer", account, "--chain", first)
        found = self.inspect(account_token, "--at", NOW)
        self.assertEqual((found["valid"], found["reason"]), (True, "none"))
        self.assertEqual(found["claims"]["subject"], account)
        self.assertEqual(found["claims"]["issuer"], operator)
        self.assertEqual(found["claims"]["expires_at_s"], NOW_S + YEAR_S)
        self.assertEqual(found["claims"]["valid_signers"], [account])
        self.assertEqual([link["subject"] for link in found["chain"]], [operator])
        second = self.keep("web.jwt", account_token)
        host_token = self.create("--kind", "host", "--subject", "h", "--issuer", "web", "--label", "zone=a=b",
                                 "--chain", second, "--chain", first)
        found = self.inspect(host_token, "--at", NOW)
        self.assertEqual(found["claims"]["labels"], {"zone": "a=b"})
        self.assertEqual(found["claims"]["subject"], host)
        self.assertEqual([link["kind"] for link in found["chain"]], ["account", "operator"])
        # The account's year ends, and with it what hangs on it.
        found = self.inspect(host_token, "--at", "2028-01-31", status=3)
        self.assertEqual(found["reason"], "expired")
        self.assertIn("token 1 of the chain", found["message"])
        text = self.writ("token", "inspect", "--at", NOW, self.keep("h.jwt", host_token)).stdout
        self.assertIn(f"account {account}, issued by {operator}", text)

    def test_every_moment_of_validity(self):
        self.key("account", "a")
        token = self.create("--kind", "account", "--subject", "a", "--not-before", "2027-02-01T00:00:00Z", "--until",
                            "2027-02-02T00:00:00Z")
        for at, reason in (("2027-01-31T23:59:59Z", "not-yet-valid"), ("2027-02-01T00:00:00Z", "none"),
                           ("2027-02-01T23:59:59Z", "none"), ("2027-02-02T00:00:00Z", "expired")):
            with self.subTest(at):
                found = self.inspect(token, "--at", at, status=0 if reason == "none" else 3)
                self.assertEqual(found["reason"], reason)
                if reason != "none":
                    self.assertIn(at, found["message"])

    def test_what_is_refused(self):
        self.key("account", "a")
        self.key("operator", "o")
        token = self.create("--kind", "account", "--subject", "a")
        head, body, _ = token.split(".")
        none = base64.urlsafe_b64encode(b'{"typ":"jwt","alg":"none"}').decode().rstrip("=")
        other = self.create("--kind", "account", "--subject", "a")
        for text, reason, status in ((f"{none}.{body}.", "wrong-algorithm", 4), (f"{head}.{body}", "malformed", 4),
                                     ("", None, 4), (f"{head}.{body}.{other.split('.')[2]}", "bad-signature", 3),
                                     ("x" * (1 << 20), None, 5)):
            with self.subTest(reason):
                arguments = ("token", "inspect", "-o", "json", "-")
                done = self.writ(*arguments, status=status, stdin=text.encode())
                if reason:
                    found = json.loads(done.stdout)
                    self.assertEqual(found["reason"], reason)
                    self.assertNotIn("claims", found)
        self.create("--kind", "host", "--subject", "a", status=4)
        self.create("--kind", "account", "--subject", "a", "--chain", self.keep("t", token), status=3)
        self.create("--kind", "account", "--subject", "nobody", status=5)
        self.create("--kind", "component", "--subject", "a", status=2)
        self.create("--kind", "account", status=2)
        self.create("--kind", "account", "--subject", "a", "--for", "1d", "--until", "2028-01-01", status=2)
        self.create("--kind", "account", "--subject", "a", "--until", "2027-01-31", status=2)
        self.create("--kind", "account", "--subject", "a", "--until", "9999-12-31T23:59:60Z", status=2)
        self.create("--kind", "account", "--subject", "a", "--for", "9000y", status=2)

    def test_revocations(self):
        account = self.key("account", "a")
        token = self.create("--kind", "revocations", "--subject", "a", "--number", "7", "--revoke", HASH, "--revoke",
                            f"{account}@2027-01-01", "--reason", "lost")
        claims = self.inspect(token)["claims"]
        self.assertEqual((claims["kind"], claims["revocation_number"]), ("revocations", 7))
        self.assertEqual(claims["revocations"][0], {"hash": HASH, "reason": "lost"})
        self.assertEqual(claims["revocations"][1]["before"], "2027-01-01T00:00:00Z")


class Wascap(Tokens):
    """Against the crate that wasmCloud 1.x uses."""

    def setUp(self):
        super().setUp()
        if not WASCAP.exists():
            self.skipTest(f"{WASCAP} is not there: tools/setup/setup.py test builds it where cargo can be had")

    def wascap(self, *arguments, status=0):
        done = subprocess.run([WASCAP, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              timeout=30, check=False)
        self.assertEqual(done.returncode, status, done.stderr)
        return done.stdout.strip()

    def validate(self, kind, token):
        return json.loads(self.wascap("validate", kind, token))

    def fresh_key(self, kind):
        return json.loads(self.wascap("key", kind))

    def test_ours_are_valid_there(self):
        operator, account, host = self.key("operator", "op"), self.key("account", "web"), self.key("server", "h")
        self.key("cluster", "c")
        rows = {
            "operator": ("--subject", "op", "--name", "Acme \u00e4", "--signer", operator),
            "account": ("--subject", "web", "--issuer", "op", "--until", "9999-12-31", "--signer", account),
            "cluster": ("--subject", "c", "--not-before", "2020-01-01"),
            "host": ("--subject", "h", "--issuer", "web", "--label", "zone=a"),
        }
        for kind, arguments in rows.items():
            with self.subTest(kind):
                token = self.create("--kind", kind, *arguments)
                found = self.validate(kind, token)
                self.assertTrue(found["validation"]["signature_valid"])
                self.assertFalse(found["validation"]["expired"] or found["validation"]["cannot_use_yet"])
                ours = claims_of(token)
                theirs = found["claims"]
                self.assertEqual({k: v for k, v in theirs.items() if k != "wascap"},
                                 {k: v for k, v in ours.items() if k != "wascap"})
                for name, value in ours["wascap"].items():
                    self.assertEqual(theirs["wascap"][name], value)
        self.assertEqual(claims_of(token)["sub"], host)

    def test_theirs_are_valid_here(self):
        account, other = self.fresh_key("account"), self.fresh_key("operator")
        wascap = {
            "component": {"hash": HASH, "name": "n", "tags": ["a"], "rev": 1, "ver": "1.0", "call_alias": "x/y"},
            "provider": {"name": None, "vendor": "v", "target_hashes": {"x86_64-linux": HASH}, "rev": 2,
                         "config_schema": {"a": [1, None]}},
            "account": {"name": "n", "valid_signers": [account["public"]]},
            "operator": {"name": "n", "valid_signers": None},
            "cluster": {"name": None, "valid_signers": []},
            "host": {"name": "n", "labels": {"self_signed": "true"}},
        }
        for kind, block in wascap.items():
            with self.subTest(kind):
                subject = other if kind == "operator" else self.fresh_key(kind)
                issuer = account if kind in ("component", "provider", "host") else other
                claims = {"exp": NOW_S + 1, "jti": "id", "iat": NOW_S, "iss": issuer["public"],
                          "sub": subject["public"], "nbf": NOW_S, "wascap": block, "wascap_revision": 3}
                token = self.wascap("sign", kind, issuer["seed"], json.dumps(claims))
                found = self.inspect(token, "--at", NOW)
                self.assertTrue(found["valid"])
                self.assertEqual(found["claims"]["kind"], kind)
                self.assertEqual(found["claims"]["issuer"], issuer["public"])
                for name, value in block.items():
                    name = {"rev": "revision", "ver": "version"}.get(name, name)
                    self.assertEqual(found["claims"].get(name), value or None, name)
                self.assertEqual(self.inspect(token, "--at", "2027-01-31T00:00:01Z", status=3)["reason"], "expired")

    def test_both_refuse_the_same_forgeries(self):
        self.key("account", "a")
        head, body, signature = self.create("--kind", "account", "--subject", "a").split(".")
        none = base64.urlsafe_b64encode(b'{"typ":"jwt","alg":"none"}').decode().rstrip("=")
        self.wascap("validate", "account", f"{none}.{body}.{signature}", status=1)
        self.wascap("validate", "account", f"{head}.{body}", status=1)
        changed = base64.urlsafe_b64encode(json.dumps({**claims_of(f".{body}."), "jti": "x"}).encode()).decode()
        found = self.validate("account", f"{head}.{changed.rstrip('=')}.{signature}")
        self.assertFalse(found["validation"]["signature_valid"])


@unittest.skipUnless(WASH, "no `wash` in $WRIT_PEERS or PATH")
class Wash(Tokens):
    def setUp(self):
        super().setUp()
        self.keys = self.folder / "wash-keys"
        self.keys.mkdir()

    def wash(self, *arguments):
        done = subprocess.run([WASH, *arguments, "-o", "json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, env={**os.environ, "HOME": str(self.folder), "WASH_KEYS": str(self.keys)},
                              timeout=60, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return json.loads(done.stdout)

    def test_its_tokens_are_valid_here(self):
        rows = {
            "operator": ("-n", "n"),
            "account": ("-n", "n", "-x", "30"),
            "provider": ("-n", "n", "-v", "acme", "-r", "3", "-e", "1.2"),
        }
        for kind, arguments in rows.items():
            with self.subTest(kind):
                found = self.inspect(self.wash("claims", "token", kind, *arguments)["token"])
                self.assertEqual((found["valid"], found["claims"]["kind"], found["claims"]["name"]), (True, kind, "n"))

    def test_a_component_that_it_signed(self):
        signed = self.folder / "signed.wasm"
        self.wash("claims", "sign", harness.unsigned_guest("hello-c"), "-n", "shop", "--ver", "1.0", "--rev", "4",
                  "--tag", "a", "--call-alias", "my_shop", "-d", str(signed))
        data = signed.read_bytes()
        token = data[data.rindex(b"wasmcloud_jwt") + len(b"wasmcloud_jwt"):].decode()
        claims = self.inspect(token)["claims"]
        self.assertEqual((claims["kind"], claims["name"], claims["version"], claims["revision"], claims["tags"],
                          claims["call_alias"]), ("component", "shop", "1.0", 4, ["a"], "my_shop"))


if __name__ == "__main__":
    sys.exit(harness.main())
