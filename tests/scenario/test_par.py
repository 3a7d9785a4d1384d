# SPDX-License-Identifier: Apache-2.0
"""`writ par`, held against Python's tarfile and gzip, and against `wash` 1.x where there is one.

    WRIT_PEERS    a folder with the program `wash`; without it PATH is searched
"""

import base64
import gzip
import hashlib
import io
import json
import os
import pathlib
import shutil
import stat
import subprocess
import sys
import tarfile
import unittest

import harness

FAR = "9998-01-01"


def entries_of(path):
    """What Python's readers find in an archive, in its order."""
    data = pathlib.Path(path).read_bytes()
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as t:
        return {m.name: t.extractfile(m).read() for m in t.getmembers()}


def pack(path, entries, compressed=False, form=tarfile.GNU_FORMAT, change=None):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:", format=form) as t:
        for name, data in entries.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            if change:
                change(info)
            t.addfile(info, io.BytesIO(data))
    data = gzip.compress(out.getvalue()) if compressed else out.getvalue()
    pathlib.Path(path).write_bytes(data)
    return path


def claims_of(token):
    body = token.split(b".")[1]
    return json.loads(base64.urlsafe_b64decode(body + b"=" * (-len(body) % 4)))


class ParCase(harness.Case):
    def setUp(self):
        super().setUp()
        self.env = {"WRIT_HOME": str(self.folder / "home")}
        self.linux, self.macos = self.file("linux", b"\x7fELF linux" * 300), self.file("macos", b"macos" * 700)
        self.world = self.file("world", b"\0asm world")
        self.schema = self.file("schema", b'{"type": "object", "properties": {"url": {"type": "string"}}}')

    def file(self, name, data, mode=0o600):
        path = self.folder / name
        path.write_bytes(data)
        path.chmod(mode)
        return path

    def writ(self, *arguments, code=0):
        done = harness.run(*arguments, env=self.env)
        self.assertEqual(done.returncode, code, f"{arguments}: {done.stdout}{done.stderr}")
        return done

    def json(self, *arguments, code=0):
        return json.loads(self.writ(*arguments, "-o", "json", code=code).stdout)

    def keys(self):
        for name, kind in (("acme", "account"), ("redis", "service"), ("other", "account")):
            self.writ("keys", "gen", kind, name)

    def create(self, out, *more):
        self.writ("par", "create", "--name", "Redis", "--vendor", "Example", "--rev", "7", "--version", "0.7.0",
                  "--target", f"x86_64-linux={self.linux}", "--issuer", "acme", "--subject", "redis",
                  "--out", self.folder / out, *more)
        return self.folder / out

    def reason(self, path, code, *more):
        """The word for why an archive is not believed."""
        return self.json("par", "verify", "--any-issuer", *more, path, code=code)["reason"]


class Alone(ParCase):
    """Without a peer: what was written is what Python reads, and what Python writes is read or refused."""

    def setUp(self):
        super().setUp()
        self.keys()

    def test_python_reads_what_was_created(self):
        for name in ("a.par", "a.par.gz"):
            path = self.create(name, "--target", f"aarch64-macos={self.macos}", "--world", self.world, "--schema",
                               self.schema, "--for", "90d")
            found = entries_of(path)
            self.assertEqual(list(found), ["claims.jwt", "world.wasm", "aarch64-macos.bin", "x86_64-linux.bin"])
            self.assertEqual(found["x86_64-linux.bin"], self.linux.read_bytes())
            claims = claims_of(found["claims.jwt"])
            wascap = claims["wascap"]
            self.assertEqual(claims["iss"][0] + claims["sub"][0], "AV")
            self.assertEqual(wascap["target_hashes"], {
                "x86_64-linux": hashlib.sha256(self.linux.read_bytes()).hexdigest().upper(),
                "aarch64-macos": hashlib.sha256(self.macos.read_bytes()).hexdigest().upper(),
                "world.wasm": hashlib.sha256(self.world.read_bytes()).hexdigest().upper()})
            self.assertEqual((wascap["name"], wascap["vendor"], wascap["rev"], wascap["ver"]),
                             ("Redis", "Example", 7, "0.7.0"))
            self.assertEqual(wascap["config_schema"], json.loads(self.schema.read_text()))
            self.assertEqual(self.reason(path, 0), "none")

    def test_what_python_packed_again_is_read(self):
        entries = entries_of(self.create("a.par"))
        for form in (tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT, tarfile.PAX_FORMAT):
            for compressed in (False, True):
                path = pack(self.folder / "b.par", dict(reversed(entries.items())), compressed, form)
                self.assertEqual(self.reason(path, 0), "none")

    def test_tar_that_two_readers_could_see_differently_is_refused(self):
        entries = entries_of(self.create("a.par"))

        def pax_header(info):
            info.mtime = 1.5

        def link(info):
            if info.name != "claims.jwt":
                info.type, info.size, info.linkname = tarfile.SYMTYPE, 0, "/etc/passwd"

        def hard(info):
            if info.name != "claims.jwt":
                info.type, info.size, info.linkname = tarfile.LNKTYPE, 0, "claims.jwt"

        def long_name(info):
            if info.name != "claims.jwt":
                info.name = "x" * 200 + "-linux.bin"

        def folder(info):
            info.name = "./" + info.name

        path = self.folder / "b.par"
        for change in (pax_header, link, hard, long_name, folder):
            for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
                if change is pax_header and form != tarfile.PAX_FORMAT:
                    continue
                done = self.writ("par", "verify", "--any-issuer", pack(path, entries, form=form, change=change), code=4)
                self.assertIn("provider archive: ", done.stderr, change)
        pathlib.Path(path).write_bytes(b"PK\3\4 not a tar" * 100)
        self.writ("par", "verify", "--any-issuer", path, code=4)
        self.writ("par", "verify", "--any-issuer", self.folder / "none.par", code=5)

    def test_each_reason_has_its_word(self):
        entries = entries_of(self.create("a.par", "--for", "90d"))
        path = self.folder / "b.par"
        token = entries["claims.jwt"]
        head, body, signature = token.split(b".")
        forged = json.dumps({**claims_of(token), "exp": 1 << 33}).encode()
        forged = base64.urlsafe_b64encode(forged).rstrip(b"=")
        none = base64.urlsafe_b64encode(b'{"typ":"jwt","alg":"none"}').rstrip(b"=")
        for changed, code, word in (
                ({"x86_64-linux.bin": b"evil"}, 3, "hash-mismatch"),
                ({"riscv64-linux.bin": b"evil"}, 3, "hash-mismatch"),
                ({"world.wasm": b"evil"}, 3, "hash-mismatch"),
                ({"claims.jwt": b".".join((head, forged, signature))}, 3, "bad-signature"),
                ({"claims.jwt": b".".join((none, body, b""))}, None, "wrong-algorithm"),
                ({"claims.jwt": b"no token"}, 4, "malformed")):
            pack(path, {**entries, **changed}, compressed=True)
            done = harness.run("par", "verify", "--any-issuer", "-o", "json", path, env=self.env)
            self.assertEqual(json.loads(done.stdout)["reason"], word, changed)
            self.assertIn(done.returncode, (code,) if code else (3, 4))
        pack(path, {"x86_64-linux.bin": self.linux.read_bytes()})
        self.assertEqual(self.reason(path, 3), "unsigned")
        self.assertEqual(self.reason(self.folder / "a.par", 3, "--at", FAR), "expired")
        self.assertEqual(self.reason(self.create("c.par", "--not-before", "10d"), 3), "not-yet-valid")

    def test_who_signed_counts(self):
        path = self.create("a.par")
        issuer = self.json("par", "inspect", "--any-issuer", path)["claims"]["issuer"]
        other = next(k["public_key"] for k in self.json("keys", "list")["keys"] if k["name"] == "other")
        self.assertEqual(self.json("par", "verify", path, code=3)["reason"], "unknown-issuer")
        self.assertEqual(self.json("par", "verify", "--issuer", issuer, path)["reason"], "none")
        self.assertEqual(self.json("par", "verify", "--issuer", other, path, code=3)["reason"], "unknown-issuer")
        self.writ("par", "extract", "--target", "x86_64-linux", "--out", self.folder / "x", path, code=3)
        self.assertFalse((self.folder / "x").exists())
        store = {"version": 1, "issuers": [{"key": issuer}]}
        (self.folder / "home").mkdir(mode=0o700, exist_ok=True)
        self.file("home/trust.json", json.dumps(store).encode())
        self.assertEqual(self.json("par", "verify", path)["reason"], "none")

    def test_through_an_operator(self):
        operator = self.writ("keys", "gen", "operator", "boss").stdout.strip()
        token = self.folder / "acme.jwt"
        token.write_text(self.writ("token", "create", "--kind", "account", "--issuer", "boss", "--subject", "acme",
                                   "--for", "30d").stdout)
        path = self.create("a.par", "--chain", token)
        self.assertEqual(self.json("par", "verify", "--issuer", operator, path)["reason"], "none")
        far = ("--issuer", operator, "--at", "60d")
        self.assertEqual(self.json("par", "verify", *far, path, code=3)["reason"], "expired")
        self.assertEqual(self.json("par", "verify", "--issuer", operator, self.create("b.par"), code=3)["reason"],
                         "unknown-issuer")
        add = ("--target", f"aarch64-macos={self.macos}")
        self.writ("par", "insert", path, *add, "--issuer", "acme")
        self.assertEqual(self.json("par", "verify", "--issuer", operator, path)["reason"], "none")
        self.assertIn("--chain", self.writ("par", "insert", path, *add, "--issuer", "other", "--adopt", "--chain",
                                           token, code=3).stderr)
        self.writ("par", "insert", path, *add, "--issuer", "other", "--adopt")  # which the operator does not vouch for
        self.assertEqual(self.reason(path, 0), "none")
        self.assertEqual(self.json("par", "verify", "--issuer", operator, path, code=3)["reason"], "unknown-issuer")

    def test_the_date_of_the_signature(self):
        path = self.create("a.par", "--at", "2026-01-01", "--for", "30d")
        seen = claims_of(entries_of(path)["claims.jwt"])
        self.assertEqual((seen["iat"], seen["exp"] - seen["iat"]), (1767225600, 30 * 86400))
        self.assertEqual(self.reason(path, 0, "--at", "2026-01-30"), "none")
        self.assertEqual(self.reason(path, 3, "--at", "2026-02-01"), "expired")

    def test_a_trust_store_that_is_named_must_be_there(self):
        path = self.create("a.par")
        self.writ("par", "verify", "--trust", self.folder / "none.json", path, code=5)
        self.writ("par", "inspect", "--trust", self.folder / "none.json", path, code=5)

    def test_insert_adds_replaces_and_signs_again(self):
        path = self.create("a.par.gz", "--for", "90d", "--schema", self.schema)
        before = claims_of(entries_of(path)["claims.jwt"])
        self.writ("par", "insert", path, "--target", f"aarch64-macos={self.macos}", "--target",
                  f"x86_64-linux={self.macos}", "--issuer", "acme", "--rev", "8")
        after = claims_of(entries_of(path)["claims.jwt"])
        self.assertEqual(path.read_bytes()[:2], b"\x1f\x8b")
        self.assertEqual(entries_of(path)["x86_64-linux.bin"], self.macos.read_bytes())
        self.assertEqual((after["sub"], after["exp"], after["wascap"]["rev"]), (before["sub"], before["exp"], 8))
        self.assertEqual(after["wascap"]["config_schema"], before["wascap"]["config_schema"])
        self.assertNotEqual(after["jti"], before["jti"])
        self.assertEqual(self.reason(path, 0), "none")

    def test_insert_does_not_vouch_for_what_nobody_vouched_for(self):
        path = self.create("a.par")
        add = ("--target", f"aarch64-macos={self.macos}")
        self.writ("par", "insert", path, *add, "--issuer", "other", code=3)
        self.writ("par", "insert", path, *add, "--issuer", "other", "--adopt", "--out", self.folder / "b.par")
        self.assertEqual(self.reason(self.folder / "b.par", 0), "none")
        pack(path, {**entries_of(path), "x86_64-linux.bin": b"evil"})
        before = path.read_bytes()
        self.writ("par", "insert", path, *add, "--issuer", "acme", code=3)
        self.assertEqual(path.read_bytes(), before)

    def test_extract(self):
        path = self.create("a.par.gz", "--world", self.world)
        for target, source, mode in (("x86_64-linux", self.linux, 0o755), ("world.wasm", self.world, 0o644)):
            out = self.folder / f"x-{target}"
            old_mask = os.umask(0o022)
            try:
                self.writ("par", "extract", "--any-issuer", "--target", target, "--out", out, path)
            finally:
                os.umask(old_mask)
            self.assertEqual(out.read_bytes(), source.read_bytes())
            self.assertEqual(stat.S_IMODE(out.stat().st_mode), mode)
        done = self.writ("par", "extract", "--any-issuer", "--target", "a-b", "--out", self.folder / "y", path, code=5)
        self.assertIn("x86_64-linux", done.stderr)

    def test_inspect_shows_what_is_wrong(self):
        path = self.create("a.par", "--schema", self.schema)
        pack(path, {**entries_of(path), "x86_64-linux.bin": b"evil", "a-b.bin": b"more"})
        seen = self.json("par", "inspect", "--any-issuer", path)
        self.assertEqual((seen["believed"], seen["reason"]), (False, "hash-mismatch"))
        states = {t["name"]: t["state"] for t in seen["targets"]}
        self.assertEqual(states, {"x86_64-linux": "changed", "a-b": "no-hash"})
        self.assertIn("not believed (hash-mismatch)", self.writ("par", "inspect", "--any-issuer", path).stdout)

    def test_wrong_command_lines(self):
        for wrong in (("create",), ("create", "--target", "linux=x"), ("create", "--target", "x86_64-linux"),
                      ("insert", "--for", "1d", "--until", "2d", "x.par"),
                      ("extract", "x.par"), ("verify",), ("verify", "--issuer", "A", "x.par"),
                      ("nothing",), ()):
            self.writ("par", *wrong, code=2)
        self.writ("par", "--help")
        for member in ("create", "insert", "inspect", "verify", "extract"):
            self.assertIn("Examples", self.writ("par", member, "--help").stdout)


@unittest.skipUnless(harness.peer("wash"), "no `wash` in $WRIT_PEERS or PATH")
class WithWash(ParCase):
    """Both directions with the program of 1.x."""

    def setUp(self):
        super().setUp()
        self.account, self.service = self.wash("keys", "gen", "account"), self.wash("keys", "gen", "service")
        self.issuer = self.file("issuer.nk", self.account["seed"].encode())
        self.subject = self.file("subject.nk", self.service["seed"].encode())

    def wash(self, *arguments, fails=False):
        env = {**harness.environment(), "HOME": str(self.folder), "WASH_KEYS": str(self.folder / "wash-keys")}
        done = subprocess.run([harness.peer("wash"), *map(str, arguments), "-o", "json"], env=env, capture_output=True,
                              text=True, timeout=60, cwd=self.folder)
        self.assertEqual(done.returncode != 0, fails, done.stdout + done.stderr)
        return done if fails else json.loads(done.stdout[done.stdout.index("{"):])

    def wash_create(self, out, *more):
        self.wash("par", "create", "--name", "Redis", "--vendor", "Example", "--revision", "7", "--version", "0.7.0",
                  "--schema", self.schema, "--arch", "x86_64-linux", "--binary", self.linux, "--issuer",
                  self.account["seed"], "--subject", self.service["seed"], "--disable-keygen", "--destination", out,
                  *more)
        return out

    def create_here(self, out):
        self.writ("par", "create", "--name", "Redis", "--vendor", "Example", "--rev", "7", "--version", "0.7.0",
                  "--schema", self.schema, "--world", self.world, "--target", f"x86_64-linux={self.linux}",
                  "--target", f"aarch64-macos={self.macos}", "--issuer", self.issuer, "--subject", self.subject,
                  "--out", out)
        return out

    def check_there(self, path, targets):
        seen = self.wash("par", "inspect", path)
        self.assertEqual(sorted(seen["targets"]), targets)
        self.assertEqual((seen["name"], seen["vendor"], seen["version"], str(seen["revision"])),
                         ("Redis", "Example", "0.7.0", "7"))
        self.assertEqual((seen["issuer"], seen["service"]), (self.account["public_key"], self.service["public_key"]))
        self.assertEqual(seen["schema"], json.loads(self.schema.read_text()))

    def check_here(self, path, targets):
        seen = self.json("par", "inspect", "--issuer", self.account["public_key"], path)
        self.assertEqual((seen["believed"], seen["reason"]), (True, "none"), seen["message"])
        self.assertEqual([t["name"] for t in seen["targets"]], targets)
        self.assertEqual(seen["claims"]["subject"], self.service["public_key"])

    def test_theirs_are_believed_here(self):
        for name, more in (("a.par", ()), ("a.par.gz", ("--compress",))):
            path = self.wash_create(self.folder / name, *more)
            self.check_here(path, ["x86_64-linux"])
            self.writ("par", "extract", "--any-issuer", "--target", "x86_64-linux", "--out", self.folder / "x", path)
            self.assertEqual((self.folder / "x").read_bytes(), self.linux.read_bytes())

    def test_ours_are_read_there(self):
        for name in ("a.par", "a.par.gz"):
            self.check_there(self.create_here(self.folder / name), ["aarch64-macos", "x86_64-linux"])

    def test_their_insert_into_ours(self):
        for name in ("a.par", "a.par.gz"):
            path = self.create_here(self.folder / name)
            self.wash("par", "insert", path, "--arch", "riscv64-linux", "--binary", self.macos, "--issuer",
                      self.account["seed"], "--subject", self.service["seed"], "--disable-keygen")
            self.check_here(path, ["aarch64-macos", "riscv64-linux", "x86_64-linux"])

    def test_our_insert_into_theirs(self):
        for name, more in (("a.par", ()), ("a.par.gz", ("--compress",))):
            path = self.wash_create(self.folder / name, *more)
            self.writ("par", "insert", path, "--target", f"aarch64-macos={self.macos}", "--issuer", self.issuer)
            self.check_there(path, ["aarch64-macos", "x86_64-linux"])
            self.check_here(path, ["aarch64-macos", "x86_64-linux"])

    def test_what_they_let_pass_is_refused_here(self):
        entries = entries_of(self.wash_create(self.folder / "a.par"))
        head, body, signature = entries["claims.jwt"].split(b".")
        forged = {**claims_of(entries["claims.jwt"])}
        forged["wascap"]["target_hashes"]["x86_64-linux"] = hashlib.sha256(b"evil").hexdigest().upper()
        body = base64.urlsafe_b64encode(json.dumps(forged).encode()).rstrip(b"=")
        path = pack(self.folder / "b.par", {"claims.jwt": b".".join((head, body, signature)),
                                            "x86_64-linux.bin": b"evil"})
        self.wash("par", "inspect", path)
        self.assertEqual(self.reason(path, 3), "bad-signature")


if __name__ == "__main__":
    sys.exit(harness.main())
