# SPDX-License-Identifier: Apache-2.0
"""Nothing is granted that was not asked for, and what is granted reaches no further than it says."""
# timeout: 900
import json
import os
import pathlib
import shlex
import subprocess
import sys

import harness
from harness import Case, LineServer, guest, quote

REFUSED = 3  # exit status

DENIED = r"error: (HTTP-request-denied|destination-IP-prohibited)\n"


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


class States(Case):
    def start(self, *options, component="http-c"):
        return self.serve(guest(component), *options)

    def test_without_options(self):
        rows = table(self.start().log())
        for name, state in {
            "wasi:http/types": "granted",
            "wasi:io/streams": "granted",
            "wasi:io/poll": "granted",
            "wasi:clocks/monotonic-clock": "granted",
            "wasi:random/random": "granted",
            "wasi:http/outgoing-handler": "inert",
            "wasi:cli/environment": "inert",
            "wasi:cli/stdout": "inert",
            "wasi:filesystem/preopens": "inert",
        }.items():
            self.assertEqual(rows[name]["state"], state, rows[name])
            self.assertTrue(rows[name]["why"])

    def test_options_grant(self):
        rows = table(self.start("--env", "A=b", "--allow-http", "example.org", "--stdio", "inherit",
                                "--dir", f"{self.folder}::/data:ro").log())
        for name in ("wasi:http/outgoing-handler", "wasi:cli/environment", "wasi:cli/stdout",
                     "wasi:filesystem/preopens"):
            self.assertEqual(rows[name]["state"], "granted", rows[name])

    def test_inert_has_no_authority(self):
        os.environ["WRIT_TEST_SECRET"] = "do not tell"
        self.addCleanup(os.environ.pop, "WRIT_TEST_SECRET")
        server = self.start()
        self.assertEqual(server.get("/env").text, "")
        self.assertEqual(server.get("/stdout").text, "written\n")
        self.assertRegex(server.get(f"/fetch?url={quote('http://127.0.0.1:1/')}").text, DENIED)
        self.assertNotIn("a line from the guest", server.log() + "\n".join(server.output))

    def test_table_for_people(self):
        server = self.serve(guest("http-c"), json_log=False)
        log = server.log()
        self.assertRegex(log, r"IMPORT\s+STATE\s+WHY")
        self.assertRegex(log, r"wasi:http/outgoing-handler\S*\s+inert\s+\S")
        self.assertRegex(log, r"wasi:io/streams\S*\s+granted\s+\S")

    def test_strict_refuses_the_inert(self):
        done = harness.run("run", "--listen", "127.0.0.1:0", "--strict", guest("http-c"))
        self.assertEqual(done.returncode, REFUSED, done.stderr)
        self.assertRegex(done.stderr, r"wasi:http/outgoing-handler\S*\s+refused")
        self.assertRegex(done.stderr, r"add --\S+")

    def test_strict_with_grants(self):
        server = self.start("--strict", "--grant", "wasi:cli", "--grant", "wasi:filesystem",
                            "--grant", "wasi:http/outgoing-handler", "--env", "A=b")
        self.assertEqual(server.get("/hello").status, 200)

    def test_refuse(self):
        for what in ("wasi:random", "wasi:random/random", "wasi:random/random@0.2.12"):
            with self.subTest(what):
                done = harness.run("run", "--listen", "127.0.0.1:0", "--refuse", what, guest("http-c"))
                self.assertEqual(done.returncode, REFUSED, done.stderr)
                self.assertRegex(done.stderr, r"wasi:random/random")
                self.assertRegex(done.stderr, "--refuse")

    def test_refuse_wins_over_grants(self):
        done = harness.run("run", "--listen", "127.0.0.1:0", "--refuse", "wasi:http/outgoing-handler",
                           "--allow-http", "example.org", guest("http-c"))
        self.assertEqual(done.returncode, REFUSED, done.stderr)

    def test_nobody_offers_it(self):
        done = harness.run("run", guest("bad/unknown-import"))
        self.assertEqual(done.returncode, REFUSED, done.stderr)
        self.assertIn("acme:gadget/spin@1.0.0", done.stderr)

    def test_refusals_come_before_the_first_instruction(self):
        done = harness.run("run", "--strict", guest("cli-c"), "--", "both")
        self.assertEqual((done.returncode, done.stdout), (REFUSED, ""), done.stderr)

    def test_suggested_options_let_it_start(self):
        for component in ("hello-c", "http-c", "http-rust", "http-js", "http-python", "http-go"):
            for strict in ((), ("--strict",)):
                with self.subTest(component, strict=strict):
                    done = harness.run("run", *strict, "--suggest-grants", guest(component))
                    self.assertEqual(done.returncode, 0, done.stderr)
                    options = shlex.split(done.stdout)
                    self.assertTrue(all("<" not in option for option in options), options)
                    server = self.serve(guest(component), *strict, *options)
                    self.assertEqual(server.get("/hello").status, 200)
                    server.close()

    def test_suggestion_is_the_smallest(self):
        needs_none = harness.run("run", "--suggest-grants", guest("http-c"))
        self.assertEqual(needs_none.stdout.strip(), "")
        self.assertIn("starts without any option", needs_none.stderr)
        self.assertRegex(needs_none.stderr, r"wasi:http/outgoing-handler@\S+: .*--allow-http")
        self.assertEqual(harness.run("run", "--strict", "--suggest-grants", guest("hello-c")).stdout.strip(), "")
        options = shlex.split(harness.run("run", "--strict", "--suggest-grants", guest("http-c")).stdout)
        self.assertTrue(options)
        # Each of them is needed: leaving out any one is refused.
        pairs = [options[i:i + 2] for i in range(0, len(options), 2)]
        for left_out in range(len(pairs)):
            rest = [option for i, pair in enumerate(pairs) if i != left_out for option in pair]
            done = harness.run("run", "--listen", "127.0.0.1:0", "--strict", *rest, guest("http-c"), timeout=20)
            self.assertEqual(done.returncode, REFUSED, (pairs[left_out], done.stderr))

    def test_suggestion_without_hope(self):
        done = harness.run("run", "--suggest-grants", guest("bad/unknown-import"))
        self.assertEqual(done.returncode, REFUSED, done.stdout)
        self.assertIn("acme:gadget/spin", done.stderr)


class Files(Case):
    """A directory that is granted, in all ordinary ways, and the ways out of it."""

    ordinary = {
        "read": "ok", "read-missing": "ENOENT", "list": "ok", "stat": "ok", "link-inside": "ok", "write": "ok",
        "read-back": "ok", "exclusive": "EEXIST", "append": "ok", "read-appended": "ok", "truncate": "ok",
        "read-truncated": "ok", "rename": "ok", "mkdir": "ok", "rename-into": "ok", "rmdir-full": "ENOTEMPTY",
        "dots-inside": "ok", "trailing-slash-file": "ENOTDIR", "hard-link": "ok", "unlink-hard": "ok", "unlink": "ok",
        "rmdir": "ok", "raw-inside": "ok", "raw-empty": "ENOENT",
    }
    only_reading = {"read": "ok", "read-missing": "ENOENT", "list": "ok", "stat": "ok", "link-inside": "ok",
                    "raw-inside": "ok"}
    writing = {"write", "append", "truncate", "rename", "mkdir", "hard-link", "make-link", "unlink", "rmdir"}

    def area(self):
        """What the guests expect: a directory with files and links, and things beside it that they must not reach."""
        top = self.folder / "area"
        data = top / "data"
        (data / "sub").mkdir(parents=True)
        (top / "secret.txt").write_text("top secret\n")
        (data / "hello.txt").write_text("hello\n")
        (data / "link-inside").symlink_to("hello.txt")
        (data / "link-out").symlink_to("../secret.txt")
        (data / "link-absolute").symlink_to(top / "secret.txt")
        (data / "link-directory").symlink_to("..")
        (data / "link-chain").symlink_to("link-out")
        (data / "link-dangling").symlink_to("../dangling.txt")
        return top

    def report(self, component, grant, *options, argument="/data"):
        done = harness.run("run", "--dir", grant, *options, guest(component), "--", argument)
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = [line.split(": ", 1) for line in done.stdout.splitlines() if ": " in line]
        self.assertIn("done", done.stdout)
        entries = sorted(value for name, value in lines if name == "entry")
        return {name: value for name, value in lines if name != "entry"}, entries

    def outside_is_untouched(self, top):
        self.assertEqual(sorted(os.listdir(top)), ["data", "secret.txt"])
        self.assertEqual((top / "secret.txt").read_text(), "top secret\n")

    def no_way_out(self, found):
        tried = {name for name in found if name.startswith(("out-", "raw-")) and name not in ("raw-inside",)}
        self.assertGreater(len(tried), 14)
        self.assertEqual({name: found[name] for name in tried if found[name] == "ok"}, {})

    def test_read_and_write(self):
        top = self.area()
        found, entries = self.report("files-c", f"{top / 'data'}::/data")
        self.assertEqual({name: found.get(name) for name in self.ordinary}, self.ordinary)
        self.assertEqual(entries, sorted(["hello.txt", "link-absolute", "link-chain", "link-dangling",
                                          "link-directory", "link-inside", "link-out", "sub"]))
        self.no_way_out(found)
        self.outside_is_untouched(top)

    def test_read_only(self):
        top = self.area()
        before = sorted(os.listdir(top / "data"))
        found, _ = self.report("files-c", f"{top / 'data'}::/data:ro")
        self.assertEqual({name: found.get(name) for name in self.only_reading}, self.only_reading)
        for name in self.writing:
            self.assertNotEqual(found[name], "ok", f"{name} in a read-only directory")
        self.no_way_out(found)
        self.outside_is_untouched(top)
        self.assertEqual(sorted(os.listdir(top / "data")), before)
        self.assertEqual((top / "data" / "hello.txt").read_text(), "hello\n")

    def test_go(self):
        top = self.area()
        found, _ = self.report("files-go", f"{top / 'data'}::/data")
        ordinary = {name: value for name, value in self.ordinary.items() if name in found}
        self.assertGreater(len(ordinary), 14)
        self.assertEqual({name: found[name] for name in ordinary}, ordinary)
        self.no_way_out(found)
        self.outside_is_untouched(top)

    def test_go_read_only(self):
        top = self.area()
        found, _ = self.report("files-go", f"{top / 'data'}::/data:ro")
        self.assertEqual(found["read"], "ok")
        for name in self.writing & set(found):
            self.assertNotEqual(found[name], "ok", f"{name} in a read-only directory")
        self.no_way_out(found)
        self.outside_is_untouched(top)

    def test_granted_as_root_of_the_guest(self):
        """Granted as "/", an absolute path is one inside; what the host has there stays out of reach."""
        top = self.area()
        done = harness.run("run", "--dir", f"{top / 'data'}::/", guest("files-c"), "--", "/")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("out-absolute: ok", done.stdout)
        self.assertIn("read: ok", done.stdout)
        self.outside_is_untouched(top)

    def test_same_path_inside_and_outside(self):
        top = self.area()
        data = top / "data"
        found, _ = self.report("files-c", f"{data}:ro", argument=str(data))
        self.assertEqual(found["read"], "ok")
        self.no_way_out(found)

    def test_only_the_granted_one(self):
        top = self.area()
        done = harness.run("run", "--dir", f"{top / 'data'}::/data", guest("files-c"), "--", "/other")
        self.assertNotEqual(done.returncode, 0)

    def test_two_directories(self):
        top = self.area()
        other = self.folder / "other"
        other.mkdir()
        (other / "hello.txt").write_text("hello\n")
        done = harness.run("run", "--dir", f"{top / 'data'}::/data", "--dir", f"{other}::/other:ro",
                           guest("files-c"), "--", "/other")
        self.assertIn("read: ok", done.stdout)
        self.assertNotIn("write: ok", done.stdout)

    def test_in_a_server(self):
        """The same through HTTP workers, which are confined: inspect the start table and that it serves."""
        top = self.area()
        server = self.serve(guest("http-c"), "--dir", f"{top / 'data'}::/data", workers=2)
        self.assertIn("granted", table(server.log())["wasi:filesystem/preopens"]["state"])
        self.assertEqual(server.get("/hello").status, 200)

    def test_links_that_change_while_they_are_used(self):
        """A path whose middle is swapped for a link outside, over and over, never leads there."""
        top = self.area()
        data = top / "data"
        (data / "real").mkdir()
        (data / "real" / "secret.txt").write_text("harmless\n")
        (top / "data" / "swap").symlink_to("real")
        swapper = subprocess.Popen(
            [sys.executable, "-c", "import os, sys\nos.chdir(sys.argv[1])\nwhile True:\n"
             "    for target in ('real', '..'):\n        os.symlink(target, 'swap.new')\n"
             "        os.rename('swap.new', 'swap')\n", str(data)])
        self.addCleanup(swapper.wait)
        self.addCleanup(swapper.kill)
        inside = 0
        for _ in range(10):
            done = harness.run("run", "--dir", f"{data}::/data:ro", guest("cli-c"), "--", "read", "5000",
                               "/data/swap/secret.txt")
            self.assertNotIn("top secret", done.stdout)
            inside += done.stdout.count("harmless")
        # The swapper really ran beside it: some went inside, some were refused.
        self.assertGreater(inside, 0)
        self.assertLess(inside, 50000)

    def test_impossible_directories(self):
        for path in (self.folder / "missing", __file__):
            with self.subTest(path):
                done = harness.run("run", "--dir", f"{path}::/data", guest("files-c"), "--", "/data")
                self.assertEqual(done.returncode, 5, done.stderr)
                self.assertIn(pathlib.Path(path).name, done.stderr)

    def test_malformed_grants(self):
        for text in ("", "::/data", "here::"):
            with self.subTest(text):
                self.assertEqual(harness.run("run", "--dir", text, guest("files-c")).returncode, 2)


class Environment(Case):
    def test_value_given_and_inherited(self):
        os.environ["WRIT_TEST_VALUE"] = "from outside"
        self.addCleanup(os.environ.pop, "WRIT_TEST_VALUE")
        done = harness.run("run", "--env", "WRIT_TEST_VALUE", "--env", "B=", guest("cli-c"), "--", "env")
        self.assertEqual(sorted(done.stdout.splitlines()), ["B=", "WRIT_TEST_VALUE=from outside"])

    def test_not_set(self):
        done = harness.run("run", "--env", "WRIT_TEST_NOT_SET", guest("cli-c"), "--", "env")
        self.assertEqual(done.returncode, 2, done.stderr)

    def test_stdio_none(self):
        done = harness.run("run", "--stdio", "none", guest("cli-c"), "--", "both", stdin=b"x")
        self.assertEqual((done.returncode, done.stdout), (0, ""), done.stderr)
        self.assertNotIn("to stderr", done.stderr)


class Outgoing(Case):
    """Allow-lists of outgoing HTTP."""

    def ask(self, url, *options, **keywords):
        server = self.serve(guest("http-c"), *options, **keywords)
        response = server.get(f"/fetch?url={quote(url)}", timeout=30)
        server.close()
        return response

    def allowed(self, url, *options, **keywords):
        response = self.ask(url, *options, **keywords)
        self.assertEqual(response.status, 200, response)

    def denied(self, url, *options, **keywords):
        response = self.ask(url, *options, **keywords)
        self.assertEqual(response.status, 502, response)
        self.assertRegex(response.text, DENIED)

    def test_address_and_port(self):
        origin, other = self.origin(), self.origin()
        self.allowed(origin.url + "/", "--allow-http", f"127.0.0.1:{origin.port}")
        self.denied(other.url + "/", "--allow-http", f"127.0.0.1:{origin.port}")
        self.denied(origin.url + "/", "--allow-http", "127.0.0.1")  # without a port: 80 and 443
        self.denied(origin.url + "/", "--allow-http", f"127.0.0.2:{origin.port}")
        self.assertEqual((origin.count(), other.count()), (1, 0))

    def test_blocks_of_addresses(self):
        origin = self.origin()
        self.allowed(origin.url + "/", "--allow-http", f"127.0.0.0/8:{origin.port}")
        self.denied(origin.url + "/", "--allow-http", f"127.0.0.128/25:{origin.port}")

    def test_other_spellings_of_an_address(self):
        """No spelling of a forbidden address gets around the list."""
        origin = self.origin()
        server = self.serve(guest("http-c"), "--allow-http", f"example.org:{origin.port}")
        for host in ("127.1", "2130706433", "0x7f000001", "0177.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "localhost",
                     "LOCALHOST", "localhost.", "0.0.0.0", "[::]", "example.org@127.0.0.1", "127.0.0.1#example.org"):
            with self.subTest(host):
                response = server.get(f"/fetch?url={quote(f'http://{host}:{origin.port}/')}", timeout=30)
                self.assertIn(response.status, (400, 502), response)
        self.assertEqual(origin.count(), 0)

    def test_localhost(self):
        origin = self.origin()
        url = f"http://localhost:{origin.port}/"
        self.allowed(url, "--allow-http", f"localhost:{origin.port}")
        self.denied(url, "--allow-http", f"example.org:{origin.port}")

    def test_redirects_are_the_guests_own(self):
        """The host follows none: the guest gets the 302, and asking the new place is a request of its own."""
        origin, other = self.origin(), self.origin()
        response = self.ask(f"{origin.url}/redirect?to={other.url}/", "--allow-http", f"127.0.0.1:{origin.port}")
        self.assertEqual((response.status, other.count()), (302, 0))

    def test_what_the_other_server_sees(self):
        """Nothing of the host leaks into outgoing requests: no proxy variables, no extra headers."""
        origin = self.origin()
        self.allowed(origin.url + "/", "--allow-http", f"127.0.0.1:{origin.port}",
                     env={"http_proxy": "http://127.0.0.1:9", "ALL_PROXY": "http://127.0.0.1:9"})
        names = {name.lower() for name, _ in origin.requests[0][2]}
        self.assertIn("host", names)
        self.assertEqual(names - {"host", "accept", "content-length", "transfer-encoding", "connection", "te"}, set())

    def test_malformed_rules(self):
        for text in ("", "http://example.org", "example.org:99999", "exa mple", "10.0.0.0/40", "*", ":80"):
            with self.subTest(text):
                done = harness.run("run", "--allow-http", text, "--suggest-grants", guest("hello-c"))
                self.assertEqual(done.returncode, 0 if text == "*" else 2, done.stderr)


def own_hosts(lines, folder):
    """A command prefix under which /etc/hosts has other contents; None where mounts cannot be made."""
    file = folder / "hosts"
    file.write_text("127.0.0.1 localhost\n" + "".join(line + "\n" for line in lines))
    prefix = ["unshare", "--mount", "sh", "-c", f'mount --bind {shlex.quote(str(file))} /etc/hosts && exec "$@"', "sh"]
    probe = subprocess.run([*prefix, "true"], capture_output=True)
    return prefix if probe.returncode == 0 else None


class Names(Outgoing):
    """Names that lead where the test wants, by a hosts file of our own."""

    def setUp(self):
        super().setUp()
        self.hosts = own_hosts(["127.0.0.1 api.example.test", "127.0.0.1 deep.api.example.test",
                                "127.0.0.1 evil-example.test", "127.0.0.1 example.test",
                                "169.254.169.254 metadata.example.test"], self.folder)
        if self.hosts is None:
            self.skipTest("a private /etc/hosts needs mount rights")

    def url(self, origin, name):
        return f"http://{name}:{origin.port}/"

    def test_name_that_leads_to_a_private_address(self):
        """A name rule alone does not open a private network; a rule for the address does."""
        origin = self.origin()
        url = self.url(origin, "api.example.test")
        self.denied(url, "--allow-http", f"api.example.test:{origin.port}", wrap=self.hosts)
        self.assertEqual(origin.count(), 0)
        self.allowed(url, "--allow-http", f"api.example.test:{origin.port}",
                     "--allow-http", f"127.0.0.1:{origin.port}", wrap=self.hosts)

    def test_address_rule_alone_does_not_allow_names(self):
        """A lookup is a way to carry data out: only names that are allowed are looked up."""
        origin = self.origin()
        self.denied(self.url(origin, "api.example.test"), "--allow-http", f"127.0.0.1:{origin.port}", wrap=self.hosts)

    def test_wildcards(self):
        origin = self.origin()
        rules = ("--allow-http", f"*.example.test:{origin.port}", "--allow-http", f"127.0.0.0/8:{origin.port}")
        self.allowed(self.url(origin, "api.example.test"), *rules, wrap=self.hosts)
        self.allowed(self.url(origin, "deep.api.example.test"), *rules, wrap=self.hosts)
        self.allowed(self.url(origin, "API.Example.TEST"), *rules, wrap=self.hosts)
        self.denied(self.url(origin, "evil-example.test"), *rules, wrap=self.hosts)
        self.denied(self.url(origin, "example.test"), *rules, wrap=self.hosts)

    def test_cloud_metadata(self):
        response = self.ask("http://metadata.example.test/", "--allow-http", "*.example.test", wrap=self.hosts)
        self.assertRegex(response.text, DENIED)


class Sockets(Case):
    def run_net(self, *arguments, options=(), wrap=None):
        return harness.run("run", *options, guest("net-c"), "--", *map(str, arguments))

    def line_server(self, **keywords):
        server = LineServer(**keywords)
        self.addCleanup(server.close)
        return server

    def test_granted(self):
        tcp, udp = self.line_server(), self.line_server(udp=True)
        for kind, server in (("tcp", tcp), ("udp", udp)):
            with self.subTest(kind):
                done = self.run_net(kind, "127.0.0.1", server.port, options=["--allow-net", f"127.0.0.1:{server.port}"])
                self.assertIn("reply: ok pong ping", done.stdout, done.stderr)
                self.assertEqual(done.returncode, 0)

    def test_inert(self):
        tcp, udp = self.line_server(), self.line_server(udp=True)
        for kind, server in (("tcp", tcp), ("udp", udp)):
            with self.subTest(kind):
                done = self.run_net(kind, "127.0.0.1", server.port)
                self.assertEqual(done.returncode, 1, done.stderr)
                self.assertIn("access-denied", done.stdout)
                self.assertEqual(server.seen, 0)

    def test_other_port_and_address(self):
        tcp, udp = self.line_server(), self.line_server(udp=True)
        for kind, server in (("tcp", tcp), ("udp", udp)):
            for rule in (f"127.0.0.1:{server.port ^ 1}", f"127.0.0.2:{server.port}", f"10.0.0.0/8:{server.port}",
                         f"example.org:{server.port}"):
                with self.subTest(kind, rule=rule):
                    done = self.run_net(kind, "127.0.0.1", server.port, options=["--allow-net", rule])
                    self.assertIn("access-denied", done.stdout, done.stderr)
                    self.assertEqual(server.seen, 0)

    def test_names(self):
        tcp = self.line_server()
        done = self.run_net("tcp", "localhost", tcp.port, options=["--allow-net", f"localhost:{tcp.port}"])
        self.assertIn("reply: ok pong ping", done.stdout, done.stderr)
        done = self.run_net("tcp", "localhost", tcp.port, options=["--allow-net", f"127.0.0.1:{tcp.port}"])
        self.assertIn("resolve: access-denied", done.stdout)

    def test_refused_by_the_peer(self):
        done = self.run_net("tcp", "127.0.0.1", 1, options=["--allow-net", "127.0.0.1"])
        self.assertIn("connect: connection-refused", done.stdout, done.stderr)

    def test_listening(self):
        import socket
        import threading

        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        done = self.run_net("listen", "127.0.0.1", port)
        self.assertIn("access-denied", done.stdout, done.stderr)

        answers = []

        def peer():
            def attempt():
                with socket.create_connection(("127.0.0.1", port), 1) as connection:
                    answers.append(connection.recv(10))
                    connection.sendall(b"pong")
                return True

            def tries():
                try:
                    return attempt()
                except OSError:
                    return False

            self.until(tries, 20, "the guest listens")

        thread = threading.Thread(target=peer)
        thread.start()
        done = self.run_net("listen", "127.0.0.1", port, options=["--allow-net", f"127.0.0.1:{port}"])
        thread.join(30)
        self.assertIn("accept: ok", done.stdout, done.stderr)
        self.assertIn("reply: ok pong", done.stdout)
        self.assertEqual(answers, [b"ping\n"])


if __name__ == "__main__":
    sys.exit(harness.main())
