#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Contracts served by drivers: key-value in memory, in a file and on a real Redis server; links by name; what happens
when a backend or the process with the drivers goes away. The guest is tests/guests/links-c."""

import json
import os
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
import servers  # noqa: E402

GUEST = "links-c"


def children(pid):
    """The processes below `pid` by name, as {name: pid}."""
    found = {}
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
        for child in f.read().split():
            with open(f"/proc/{child}/comm", encoding="ascii") as comm:
                found[comm.read().strip()] = int(child)
    return found


def memory_files_with(pid, marker):
    """The memory files that a process has open and that contain `marker`."""
    found = []
    for entry in os.listdir(f"/proc/{pid}/fd"):
        path = f"/proc/{pid}/fd/{entry}"
        if "memfd:" in os.readlink(path):
            with open(path, "rb") as f:
                found += [os.readlink(path)] if marker in f.read() else []
    return found


class LinksCase(harness.Case):
    def start(self, *links, options=(), workers=1):
        arguments = [argument for link in links for argument in ("--link", link)]
        return self.serve(harness.guest(GUEST), *arguments, *options, "--data", self.folder / "data",
                          workers=workers)

    def ask(self, server, path, expected=200):
        answer = server.get(path)
        self.assertEqual(expected, answer.status, answer.body)
        return answer.body.decode()

    def check_functions(self, server):
        self.assertEqual("nothing\n", self.ask(server, "/kv/get?bucket=b&key=k", 404))
        self.assertEqual("no\n", self.ask(server, "/kv/exists?bucket=b&key=k"))
        self.ask(server, "/kv/set?bucket=b&key=k&value=one")
        self.assertEqual("one", self.ask(server, "/kv/get?bucket=b&key=k"))
        self.assertEqual("yes\n", self.ask(server, "/kv/exists?bucket=b&key=k"))
        self.assertEqual("nothing\n", self.ask(server, "/kv/get?bucket=other&key=k", 404))
        self.assertEqual("7\n", self.ask(server, "/kv/increment?bucket=b&key=n&delta=7"))
        self.assertEqual("107\n", self.ask(server, "/kv/increment?bucket=b&key=n&times=100"))
        self.assertEqual("107", self.ask(server, "/kv/get?bucket=b&key=n"))
        self.assertEqual(["k", "n"], sorted(self.ask(server, "/kv/list?bucket=b").split()))
        self.assertEqual([f"k{i}" for i in range(8)] + ["-"], self.ask(server, "/kv/many?bucket=m").split())
        self.assertEqual([f"k{i}" for i in range(1, 8)], sorted(self.ask(server, "/kv/list?bucket=m").split()))
        self.ask(server, "/kv/delete?bucket=b&key=k")
        self.assertEqual("nothing\n", self.ask(server, "/kv/get?bucket=b&key=k", 404))
        self.ask(server, "/kv/delete?bucket=b&key=k")
        self.assertIn("other: ", self.ask(server, "/kv/increment?bucket=m&key=k1", 502))


class Embedded(LinksCase):
    def test_memory(self):
        self.check_functions(self.start("wasi:keyvalue=memory"))

    def test_file(self):
        self.check_functions(self.start("wasi:keyvalue=sqlite,path=kv.db", workers=2))

    def test_in_one_process(self):
        self.check_functions(self.start("wasi:keyvalue=sqlite", workers=0))

    def test_a_file_outlives_the_host(self):
        first = self.start("wasi:keyvalue=sqlite,path=kv.db")
        self.ask(first, "/kv/set?bucket=b&key=k&value=kept")
        first.close()
        second = self.start("wasi:keyvalue=sqlite,path=kv.db")
        self.assertEqual("kept", self.ask(second, "/kv/get?bucket=b&key=k"))

    def test_links_have_names(self):
        server = self.start("wasi:keyvalue=memory", "wasi:keyvalue@second=memory")
        self.ask(server, "/kv/set?bucket=b&key=k&value=first")
        self.ask(server, "/kv/set?bucket=b&key=k&value=second&link=second")
        self.assertEqual("first", self.ask(server, "/kv/get?bucket=b&key=k"))
        self.assertEqual("second", self.ask(server, "/kv/get?bucket=b&key=k&link=second"))
        self.assertEqual('set-link-name: workload links-c has no link named "third" for wasi:keyvalue/store\n',
                         self.ask(server, "/kv/get?bucket=b&key=k&link=third", 502))

    def test_values_have_a_limit(self):
        server = self.start("wasi:keyvalue=memory,value-bytes-max=1000")
        self.ask(server, "/kv/set?bucket=b&key=k&value=x&repeat=1000")
        self.assertIn("other: ", self.ask(server, "/kv/set?bucket=b&key=k&value=x&repeat=1001", 502))
        self.assertEqual("x" * 1000, self.ask(server, "/kv/get?bucket=b&key=k"))

    def test_a_bucket_that_is_not_granted(self):
        server = self.start("wasi:keyvalue=memory,buckets=mine")
        self.ask(server, "/kv/set?bucket=mine&key=k&value=x")
        self.assertEqual("no-such-store\n", self.ask(server, "/kv/set?bucket=yours&key=k&value=x", 502))

    def test_configuration_and_log(self):
        values = ("--config-value", "greeting=hello", "--config-value", "b=")
        server = self.start("wasi:keyvalue=memory", options=values)
        self.assertEqual("greeting=hello\nb=\n", self.ask(server, "/config"))
        self.assertEqual("hello", self.ask(server, "/config?key=greeting"))
        self.ask(server, "/config?key=other", 404)
        self.ask(server, "/log?level=3&message=careful")
        line = json.loads(server.wait_line("careful"))
        self.assertEqual(("warn", "log", "links", "warn: links: careful"),
                         (line["severity"], line["event"], line["context"], line["message"]))


class Drivers(LinksCase):
    def test_their_process_is_replaced(self):
        server = self.start("wasi:keyvalue=sqlite")
        self.ask(server, "/kv/set?bucket=b&key=k&value=kept")
        before = children(server.process.pid)
        os.kill(before["writ-drivers"], signal.SIGKILL)
        server.wait_line("drivers-died")
        self.until(lambda: server.get("/kv/get?bucket=b&key=k").status == 200, 20, "the next process answers")
        self.assertEqual("kept", self.ask(server, "/kv/get?bucket=b&key=k"))
        after = children(server.process.pid)
        self.assertNotEqual(before["writ-drivers"], after["writ-drivers"])
        self.assertEqual(before["writ-worker"], after["writ-worker"])

    def test_a_worker_that_is_replaced_gets_them_too(self):
        server = self.start("wasi:keyvalue=sqlite")
        self.ask(server, "/kv/set?bucket=b&key=k&value=kept")
        os.kill(children(server.process.pid)["writ-worker"], signal.SIGKILL)
        server.wait_line("worker-replaced")
        self.assertEqual("kept", self.ask(server, "/kv/get?bucket=b&key=k"))

    def test_they_cannot_open_files_elsewhere(self):
        path = self.folder / "elsewhere.db"
        server = self.start(f"wasi:keyvalue=sqlite,path={path}")
        self.assertIn("other: ", self.ask(server, "/kv/set?bucket=b&key=k&value=x", 502))
        self.assertFalse(path.exists())


class Refusals(LinksCase):
    def refused(self, expected, *options):
        done = harness.run("run", "--listen", "127.0.0.1:0", "--data", self.folder / "data", *options,
                           harness.guest(GUEST))
        self.assertEqual(expected, done.returncode, done.stderr)
        self.assertNotIn("serving", done.stderr)
        return done.stderr

    def test_without_a_link(self):
        said = self.refused(3)
        for interface in ("store", "atomics", "batch"):
            self.assertIn(f"wasi:keyvalue/{interface}@0.2.0-draft: nothing is linked to it; "
                          f"add --link wasi:keyvalue/{interface}=DRIVER", said)

    def test_without_some_links(self):
        said = self.refused(3, "--link", "wasi:keyvalue/store=memory")
        self.assertNotIn("store@0.2.0-draft: nothing", said)
        self.assertIn("atomics@0.2.0-draft: nothing", said)

    def test_the_writ_decides_first(self):
        signed = self.folder / "narrow.wasm"
        harness.sign(harness.unsigned_guest(GUEST), signed, "--cap", "wasi:http", "--cap", "wasi:io")
        done = harness.run("run", "--listen", "127.0.0.1:0", "--link", "wasi:keyvalue=memory", signed)
        self.assertEqual(3, done.returncode, done.stderr)
        self.assertIn("wasi:keyvalue/store", done.stderr)

    def test_options_that_mean_nothing(self):
        for option, words in (("wasi:keyvalue", "is not INTERFACES"), ("=memory", "is not INTERFACES"),
                              ("wasi:keyvalue=", "is not INTERFACES"), ("wasi:sql=memory", "no driver serves wasi:sql"),
                              ("wasi:keyvalue=file", "there are: memory, nats, redis, sqlite"),
                              ("wasi:keyvalue=memory,x", '"x" is not SETTING=VALUE'),
                              ("wasi:keyvalue=redis,password=x", "password is a credential"),
                              ("wasi:keyvalue=redis,password=@a b", "a secret is named KEY"),
                              ("wasi:keyvalue=redis,password=@a,password=@b", "password is given twice")):
            with self.subTest(option):
                self.assertIn(words, self.refused(2, "--link", option))

    def test_settings_that_mean_nothing(self):
        for option, words in (("wasi:keyvalue=memory,colour=red", 'the driver memory has no setting "colour"'),
                              ("wasi:keyvalue=sqlite,path=../x", "leads out of the directory")):
            with self.subTest(option):
                self.assertIn(words, self.refused(4, "--link", option))


class Redis(LinksCase):
    def setUp(self):
        super().setUp()
        self.redis = servers.Redis(self)
        self.port = self.redis.port

    def link(self):
        return f"wasi:keyvalue=redis,host=127.0.0.1,port={self.port}"

    def test_functions(self):
        self.check_functions(self.start(self.link(), workers=2))

    def test_a_password_comes_from_the_store(self):
        """Also for the process that takes the place of the one with the drivers; and it is in no memory file."""
        secrets, password = self.folder / "secrets", "Xy7-of-the-server-Qz9"
        self.redis.stop()
        self.redis.start("--requirepass", password)
        for arguments, value in ((["set", "cache", "--field", "password"], password), (["set", "wrong"], "x")):
            done = harness.run("secrets", *arguments, "--secrets", secrets, stdin=value.encode())
            self.assertEqual(0, done.returncode, done.stderr)
        wrong = self.start(f"{self.link()},password=@wrong", options=("--secrets", secrets))
        self.assertIn("other: ", self.ask(wrong, "/kv/get?bucket=b&key=k", 502))
        wrong.close()
        server = self.start(f"{self.link()},password=@cache:password", options=("--secrets", secrets))
        self.check_functions(server)
        for process in (server.process.pid, *server.children()):
            self.assertEqual([], memory_files_with(process, password.encode()))
        os.kill(children(server.process.pid)["writ-drivers"], signal.SIGKILL)
        server.wait_line("drivers-died")
        self.until(lambda: server.get("/kv/get?bucket=b&key=n").status == 200, 20, "the next process answers")
        server.close()
        self.assertNotIn(password, server.log())
        for file in (self.folder / "data").rglob("*"):
            self.assertTrue(file.is_dir() or password.encode() not in file.read_bytes(), file)

    def test_a_lost_backend_is_an_error_and_comes_back(self):
        server = self.start(self.link(), "wasi:keyvalue@here=memory")
        self.ask(server, "/kv/set?bucket=b&key=k&value=x")
        self.redis.stop()
        self.until(lambda: server.get("/kv/get?bucket=b&key=k").status == 502, 20, "the loss is told")
        self.assertRegex(self.ask(server, "/kv/get?bucket=b&key=k", 502), "^other: redis through the link")
        self.ask(server, "/kv/set?bucket=b&key=k&value=y&link=here")
        self.assertEqual("y", self.ask(server, "/kv/get?bucket=b&key=k&link=here"))
        server.wait_line("link-health.*down")
        self.redis.start()
        self.until(lambda: server.get("/kv/set?bucket=b&key=k&value=z").status == 200, 60, "it is found again")
        self.assertEqual("z", self.ask(server, "/kv/get?bucket=b&key=k"))


if __name__ == "__main__":
    sys.exit(harness.main())
