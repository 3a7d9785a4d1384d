# SPDX-License-Identifier: Apache-2.0
"""What a writ allows: signed into a component, held against its imports at every start, widened by nobody."""
# timeout: 600
import json
import pathlib
import re
import shutil
import sys

import harness
from harness import Case, quote, sign, unsigned_guest, write_trust

REFUSED = 3  # exit status
INVALID = 4
ENVIRONMENT = 5
HANDLER = "wasi:http/outgoing-handler"


def table(text):
    """The rows of the start table, out of the log of a run with -o json."""
    for line in text.splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if event.get("event") == "grants":
            return {row["import"].split("@")[0]: row for row in event["imports"]}
    raise AssertionError(f"no start table in:\n{text}")


class WritCase(Case):
    def signed(self, *options, component="http-c", name="app"):
        return sign(unsigned_guest(component), self.folder / f"{name}.wasm", "--name", name, *options)

    def start(self, component, *options, **keywords):
        return harness.run("run", "--listen", "127.0.0.1:0", *options, component, **keywords)

    def refused(self, component, *options, **keywords):
        done = self.start(component, *options, **keywords)
        self.assertEqual(done.returncode, REFUSED, done.stderr)
        return done.stderr

    def trusting(self, **entry):
        """A trust store with one entry for the account of the tests, as options of a run."""
        path = self.folder / "trust.json"
        write_trust(path, {"key": harness.account(), "note": "narrow", **entry})
        return ["--trust", str(path)]


class Imports(WritCase):
    def test_an_import_outside_of_the_list_is_refused(self):
        component = self.signed("--cap", "wasi:http", "--cap", "wasi:io", "--cap", "wasi:clocks")
        message = self.refused(component)
        self.assertRegex(message, r"wasi:cli/stdout\S*\s+refused\s+its writ \(A[A-Z2-7]{55}.*\) does not allow it")
        self.assertRegex(message, r"sign it again with --cap wasi:cli/stdout@0\.2\.\d+")
        self.assertNotRegex(message, r"wasi:io/streams\S*\s+refused")

    def test_no_option_helps(self):
        component = self.signed("--cap", "wasi:http", "--cap", "wasi:io", "--cap", "wasi:clocks")
        message = self.refused(component, "--grant", "wasi:cli", "--grant", "wasi:random", "--stdio", "inherit")
        self.assertRegex(message, r"wasi:cli/stdout\S*\s+refused\s+its writ")

    def test_a_version_outside_of_the_list_is_refused(self):
        component = self.signed("--cap", "wasi:io@0.2.999", "--cap", "wasi:http", "--cap", "wasi:cli", "--cap",
                                "wasi:clocks", "--cap", "wasi:random", "--cap", "wasi:filesystem", "--cap",
                                "wasi:sockets")
        self.assertRegex(self.refused(component), r"wasi:io/streams\S*\s+refused\s+its writ")

    def test_the_warning_at_signing_names_the_difference(self):
        done = harness.run("sign", "--issuer", self.issuer(), "--out", self.folder / "a.wasm", "--cap", "wasi:http",
                           unsigned_guest("http-c"))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stderr, r"(?s)warning: its allow-list does not cover .*\n  wasi:io/streams@0\.2\.\d+\n")
        self.assertEqual(done.stderr.count("warning"), 1, done.stderr)
        self.assertNotIn("wasi:http/", done.stderr)

    def issuer(self):
        harness.account()
        return "tests"

    def test_from_imports_starts_and_is_exact(self):
        component = self.signed("--from-imports")
        server = self.serve(component)
        self.assertEqual(server.get("/hello").status, 200)
        shown = json.loads(harness.run("verify", "-o", "json", component).stdout)
        inspected = json.loads(harness.run("inspect", "-o", "json", component).stdout)
        imports = {row["import"] for row in inspected["grants"]}
        self.assertEqual({f"{entry['interface']}@{entry['versions']}" for entry in shown["claims"]["allow"]}, imports)

    def test_without_a_list_nothing_narrows(self):
        server = self.serve(self.signed("--no-allow-list"))
        self.assertEqual(server.get("/hello").status, 200)

    def test_another_kind_of_guest(self):
        component = self.signed("--cap", "wasi:http", component="hello-c", name="hello")
        self.assertRegex(self.refused(component), r"wasi:io/streams\S*\s+refused\s+its writ")


class Hosts(WritCase):
    def capable(self, hosts):
        return self.signed("--cap", f"{HANDLER};hosts={hosts}", "--from-imports")

    def test_a_wider_rule_is_refused(self):
        component = self.capable("*.example.com,localhost:8080")
        for rule in ("other.org", "*.org", "*", "example.com", "api.example.com:8443", "localhost", "127.0.0.1:8080",
                     "localhost:8081"):
            with self.subTest(rule=rule):
                message = self.refused(component, "--allow-http", rule)
                shown = re.escape(rule).replace(":", "(/32)?:")
                self.assertRegex(message,
                                 HANDLER + rf"\S*\s+refused\s+--allow-http {shown}\S* reaches further than its writ")
                self.assertIn("hosts *.example.com, localhost:8080", message)

    def test_one_wide_rule_among_good_ones(self):
        component = self.capable("*.example.com")
        message = self.refused(component, "--allow-http", "api.example.com", "--allow-http", "other.org")
        self.assertRegex(message, r"--allow-http other\.org reaches further")
        self.assertIn(f"--cap '{HANDLER};hosts=other.org'", message)

    def test_a_narrower_rule_works_and_holds(self):
        origin, other = self.origin(), self.origin()
        component = self.capable(f"127.0.0.0/8:{origin.port},127.0.0.1:{other.port}")
        server = self.serve(component, "--allow-http", f"127.0.0.1:{origin.port}")
        self.assertIn("origin GET /x", server.get(f"/fetch?url={quote(origin.url + '/x')}").text)
        # The writ would allow it; the command line does not.
        self.assertIn("error", server.get(f"/fetch?url={quote(other.url + '/x')}").text)
        self.assertEqual((origin.count(), other.count()), (1, 0))

    def test_what_the_writ_allows_is_not_granted_by_itself(self):
        origin = self.origin()
        server = self.serve(self.capable(f"127.0.0.0/8:{origin.port}"))
        self.assertIn("error", server.get(f"/fetch?url={quote(origin.url + '/x')}").text)
        self.assertEqual(origin.count(), 0)

    def test_a_proposal_does_not_undo_a_cap(self):
        """Entries add up: beside the --cap, the import itself without hosts would allow them all."""
        component = self.capable("*.example.com")
        allow = json.loads(harness.run("verify", "-o", "json", component).stdout)["claims"]["allow"]
        self.assertEqual([entry for entry in allow if entry["interface"] == HANDLER],
                         [{"interface": HANDLER, "hosts": ["*.example.com"]}])

    def test_no_host_at_all(self):
        component = self.capable("")
        self.refused(component, "--allow-http", "a.org")
        self.assertEqual(table(self.serve(component).log())[HANDLER]["limits"], "no host")

    def test_the_start_table_shows_the_hosts(self):
        server = self.serve(self.capable("*.example.com:443"), json_log=False)
        self.assertRegex(server.log(), HANDLER + r"\S*\s+inert .*\(its writ: hosts \*\.example\.com:443\)")

    def test_a_wider_rule_for_sockets(self):
        component = self.signed("--cap", "wasi:sockets;hosts=10.0.0.0/8:5432", "--from-imports", component="net-c",
                                name="net")
        message = self.refused(component, "--allow-net", "10.1.2.3")
        self.assertRegex(message, r"wasi:sockets/tcp\S*\s+refused\s+--allow-net 10\.1\.2\.3/32 reaches further")


class Buckets(WritCase):
    LINK = "wasi:keyvalue=memory"

    def test_a_link_has_the_buckets_that_the_writ_allows(self):
        component = self.signed("--cap", "wasi:keyvalue;buckets=cart-*", "--from-imports", component="links-c")
        self.assertRegex(self.refused(component, "--link", self.LINK),
                         r"wasi:keyvalue/store\S*\s+refused\s+its writ allows it some buckets only")
        self.assertRegex(self.refused(component, "--link", f"{self.LINK},buckets=other"),
                         r'wasi:keyvalue/store\S*\s+refused\s+its link "default" has the bucket other')
        server = self.serve(component, "--link", f"{self.LINK},buckets=cart-1")
        for bucket, status in (("cart-1", 200), ("other", 502)):
            self.assertEqual(server.get(f"/kv/set?bucket={bucket}&key=k&value=v").status, status)

    def test_containers_are_buckets_too(self):
        component = self.signed("--cap", "wasi:blobstore;buckets=cart-*", "--from-imports", component="blobs-c")
        link = "wasi:blobstore=directory"
        self.assertRegex(self.refused(component, "--link", link),
                         r"wasi:blobstore/blobstore\S*\s+refused\s+its writ allows it some buckets only.*containers")
        self.assertRegex(self.refused(component, "--link", f"{link},containers=other"),
                         r'wasi:blobstore/blobstore\S*\s+refused\s+its link "default" has the bucket other')
        server = self.serve(component, "--link", f"{link},containers=cart-1", "--data", self.folder / "data")
        for container, status in (("cart-1", 200), ("other", 502)):
            self.assertEqual(server.get(f"/create?container={container}").status, status)

    def test_so_it_is_with_the_trust_in_its_issuer(self):
        trust = self.trusting(allow=[{"interface": "*", "buckets": ["cart-1"]}])
        component = self.signed(component="links-c")
        self.assertIn("the trust in its issuer allows it some buckets only",
                      self.refused(component, *trust, "--link", self.LINK))
        self.serve(component, *trust, "--link", f"{self.LINK},buckets=cart-1")


class Trust(WritCase):
    def test_the_entry_bounds_what_its_issuer_may_sign(self):
        component = self.signed("--from-imports")
        message = self.refused(component, *self.trusting(allow=[{"interface": "wasi:http"}, {"interface": "wasi:io"}]))
        self.assertRegex(message, r"wasi:cli/stdout\S*\s+refused\s+the trust in its issuer")
        self.assertIn("allow the issuer more in the trust store", message)

    def test_the_entry_bounds_hosts(self):
        origin = self.origin()
        component = self.signed("--cap", f"{HANDLER};hosts=127.0.0.0/8:{origin.port},*.org", "--from-imports")
        rest = [{"interface": f"wasi:{package}"} for package in
                ("io", "cli", "clocks", "random", "filesystem", "sockets")]
        trust = self.trusting(allow=[{"interface": "wasi:http", "hosts": [f"127.0.0.1:{origin.port}"]}, *rest])
        self.assertRegex(self.refused(component, "--allow-http", "a.org", *trust),
                         r"--allow-http a\.org reaches further than the trust in its issuer")
        server = self.serve(component, "--allow-http", f"127.0.0.1:{origin.port}", *trust)
        self.assertIn("origin GET /x", server.get(f"/fetch?url={quote(origin.url + '/x')}").text)

    def test_an_unknown_restriction_is_no_trust(self):
        component = self.signed("--from-imports")
        done = self.start(component, *self.trusting(allow=[{"interface": "*", "methods": ["GET"]}]))
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("may be a restriction", done.stderr)


class Diff(WritCase):
    def compare(self, old, new, *options):
        done = harness.run("diff", "-o", "json", *options, old, new)
        self.assertIn(done.returncode, (0, REFUSED), done.stderr)
        found = json.loads(done.stdout)
        rows = [(row["effect"], row["what"], row["text"]) for row in found["differences"]]
        self.assertEqual(found["may_do_more"], any(row[0] == "more" for row in rows))
        return rows

    def assertHas(self, rows, effect, what, pattern):
        if not any(row[:2] == (effect, what) and re.search(pattern, row[2]) for row in rows):
            self.fail(f"no {effect} {what} {pattern!r} in {rows}")

    def pair(self):
        old = self.signed("--rev", "3", "--for", "90d", "--cap", f"{HANDLER};hosts=api.example.com", "--from-imports",
                          name="old")
        new = self.signed("--rev", "4", "--for", "365d", "--cap",
                          f"{HANDLER};hosts=*.example.com,api.example.com", "--cap", "wasi:keyvalue;buckets=b",
                          "--from-imports", name="new")
        return old, new

    def test_a_wider_writ(self):
        old, new = self.pair()
        rows = self.compare(old, new)
        self.assertHas(rows, "more", "allow", HANDLER + r": may now reach \*\.example\.com$")
        self.assertHas(rows, "more", "allow", r"may now import wasi:keyvalue;buckets=b$")
        self.assertHas(rows, "more", "validity", r"365 days from signing instead of 90")
        self.assertHas(rows, "other", "revision", "4 instead of 3")
        self.assertFalse(any("reach api.example.com" in row[2] for row in rows))

    def test_the_reverse(self):
        old, new = self.pair()
        rows = self.compare(new, old)
        self.assertHas(rows, "less", "allow", HANDLER + r": may no longer reach \*\.example\.com$")
        self.assertHas(rows, "more", "revision", "a step back")

    def test_signed_and_unsigned(self):
        old, _ = self.pair()
        plain = unsigned_guest("http-c")
        self.assertHas(self.compare(old, plain), "more", "signature", "nobody vouches")
        self.assertHas(self.compare(plain, old), "less", "signature", "is signed by")

    def test_another_issuer(self):
        old, _ = self.pair()
        home = {"WRIT_HOME": str(self.folder / "other")}
        self.assertEqual(harness.run("keys", "gen", "account", "else", env=home).returncode, 0)
        new = self.folder / "else.wasm"
        done = harness.run("sign", "--issuer", "else", "--out", new, unsigned_guest("http-c"), env=home)
        self.assertEqual(done.returncode, 0, done.stderr)
        rows = self.compare(old, new)
        self.assertHas(rows, "more", "issuer", "signed by somebody else")
        self.assertHas(rows, "more", "subject", "another component")

    def test_a_token_of_other_bytes_counts_for_nothing(self):
        old, new = self.pair()
        data = bytearray(pathlib.Path(new).read_bytes())
        at = data.index(b"cli/stdout")  # a name deep in the component; still a component
        data[at:at + 10] = b"cli/stderr"
        forged = self.folder / "forged.wasm"
        forged.write_bytes(data)
        done = harness.run("diff", "-o", "json", old, forged)
        if done.returncode == 0:
            rows = [(row["effect"], row["what"], row["text"]) for row in json.loads(done.stdout)["differences"]]
            self.assertHas(rows, "more", "signature", "not believed")
        else:
            self.assertEqual(done.returncode, INVALID, done.stderr)

    def test_other_imports(self):
        rows = self.compare(unsigned_guest("hello-c"), unsigned_guest("http-c"))
        self.assertHas(rows, "more", "import", r"now imports wasi:http/outgoing-handler@")
        self.assertHas(rows, "more", "import", r"wasi:http/types@\S+: now uses ")
        rows = self.compare(unsigned_guest("http-c"), unsigned_guest("hello-c"))
        self.assertHas(rows, "less", "import", r"no longer imports wasi:http/outgoing-handler@")

    def test_exit_codes_and_words(self):
        old, new = self.pair()
        done = harness.run("diff", old, new)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertLess(done.stdout.index("may do more"), done.stdout.index("Also different"))
        self.assertNotIn("\033", done.stdout)
        self.assertEqual(harness.run("diff", "--fail-on-more", old, new).returncode, REFUSED)
        same = self.folder / "same.wasm"
        shutil.copyfile(old, same)
        done = harness.run("diff", "--fail-on-more", old, same)
        self.assertEqual(done.returncode, 0)
        self.assertIn("may do nothing that the old one could not", done.stdout)
        (self.folder / "text.wasm").write_text("no component")
        self.assertEqual(harness.run("diff", old, self.folder / "text.wasm").returncode, INVALID)
        self.assertEqual(harness.run("diff", old, self.folder / "nothing.wasm").returncode, ENVIRONMENT)
        self.assertEqual(harness.run("diff", old).returncode, 2)


if __name__ == "__main__":
    sys.exit(harness.main())
