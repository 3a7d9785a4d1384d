#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The contract of the blob store, served by drivers: a directory, and an S3 server, a
real one. The guest is tests/guests/blobs-c."""

import os
import shutil
import signal
import socket
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402

GUEST = "blobs-c"
MIB = 1 << 20


class BlobsCase(harness.Case):
    def start(self, *links, options=(), workers=1):
        arguments = [argument for link in links for argument in ("--link", link)]
        return self.serve(harness.guest(GUEST), *arguments, *options, "--data", self.folder / "data", workers=workers)

    def ask(self, server, path, expected=200, body=None):
        answer = server.get(path) if body is None else server.post(path, body)
        self.assertEqual(expected, answer.status, answer.body[:300])
        return answer.body

    def text(self, server, path, expected=200, body=None):
        return self.ask(server, path, expected, body).decode()

    def check_containers(self, server):
        self.assertEqual("no\n", self.text(server, "/exists?container=one"))
        self.assertEqual("there is no such container\n", self.text(server, "/count?container=one", 502))
        self.ask(server, "/create?container=one")
        self.ask(server, "/create?container=two")
        self.assertEqual("yes\n", self.text(server, "/exists?container=one"))
        self.assertRegex(self.text(server, "/info?container=one"), r"^one one 1\d{9}\n$")

    def check_objects(self, server):
        body = bytes(range(256)) * 40
        self.assertEqual("written\n", self.text(server, "/put?container=one&name=a/b", body=body))
        self.assertEqual(body, self.ask(server, "/get?container=one&name=a/b"))
        self.assertEqual(body, self.ask(server, "/sync?container=one&name=a/b"))
        self.assertEqual(body[5:10], self.ask(server, "/get?container=one&name=a/b&start=5&end=9"))
        self.assertEqual("5\n", self.text(server, "/size?container=one&name=a/b&start=5&end=9"))
        self.assertEqual("10240\n", self.text(server, "/size?container=one&name=a/b&end=999999"))
        self.assertEqual(b"", self.ask(server, "/get?container=one&name=a/b&start=10240"))
        self.assertIn("ends before it begins", self.text(server, "/get?container=one&name=a/b&start=2&end=1", 502))
        self.assertRegex(self.text(server, "/object-info?container=one&name=a/b"), r"^one/a/b 10240 bytes, 1\d{9}\n$")
        self.assertEqual("written\n", self.text(server, "/put?container=one&name=a/b&late=1", body=b"later"))
        self.assertEqual(b"later", self.ask(server, "/get?container=one&name=a/b"))
        self.assertEqual("written\n", self.text(server, "/put?container=one&name=a/b&slow=1", body=body))
        self.assertEqual(body, self.ask(server, "/get?container=one&name=a/b"))
        self.assertEqual("written\n", self.text(server, "/put?container=one&name=empty", body=b""))
        self.assertEqual(b"", self.ask(server, "/get?container=one&name=empty"))
        self.assertEqual("there is no such object\n", self.text(server, "/get?container=one&name=none", 502))

    def check_copies(self, server):
        self.ask(server, "/copy?container=one&name=a/b&to-container=two&to=copied")
        self.ask(server, "/move?container=one&name=a/b&to=moved")
        self.assertEqual("no\n", self.text(server, "/has?container=one&name=a/b"))
        self.assertEqual("yes\n", self.text(server, "/has?container=one&name=moved"))
        self.assertEqual(self.ask(server, "/get?container=one&name=moved"),
                         self.ask(server, "/get?container=two&name=copied"))
        self.assertEqual("there is no such object\n", self.text(server, "/move?container=one&name=a/b&to=x", 502))

    def check_lists(self, server):
        for i in range(25):
            self.ask(server, f"/put?container=two&name=n{i:02}", body=b"x")
        names = ["copied"] + [f"n{i:02}" for i in range(25)]
        self.assertEqual(names, sorted(self.text(server, "/list?container=two&page=7").split()))
        self.assertEqual(6, len(self.text(server, "/list?container=two&skip=20").split()))
        self.assertEqual("0\n", self.text(server, "/count?container=two&skip=100"))
        self.ask(server, "/delete-many?container=two&names=n00,n01,none")
        self.ask(server, "/delete?container=two&name=n02")
        self.ask(server, "/delete?container=two&name=n02")
        self.assertEqual("23\n", self.text(server, "/count?container=two"))
        self.ask(server, "/clear?container=two")
        self.assertEqual("0\n", self.text(server, "/count?container=two"))
        self.ask(server, "/delete-container?container=one")
        self.assertEqual("no\n", self.text(server, "/exists?container=one"))

    def check_functions(self, server):
        self.check_containers(server)
        self.check_objects(server)
        self.check_copies(server)
        self.check_lists(server)


class Directory(BlobsCase):
    def test_functions(self):
        self.check_functions(self.start("wasi:blobstore=directory", workers=2))

    def test_in_one_process(self):
        self.check_functions(self.start("wasi:blobstore=directory", workers=0))

    def stored(self):
        """Everything that is on the disk, by path; without what is the store's own."""
        root = self.folder / "data" / "blobstore"
        return sorted(str(path.relative_to(root)) for path in root.rglob("*")
                      if path.is_file() and path.name not in ("%made", "%usage"))

    def test_objects_outlive_the_host(self):
        first = self.start("wasi:blobstore=directory")
        self.ask(first, "/create?container=one")
        self.ask(first, "/put?container=one&name=../../etc/passwd", body=b"kept")
        first.close()
        self.assertEqual(["one/%2E.%2F..%2Fetc%2Fpasswd"], self.stored())
        second = self.start("wasi:blobstore=directory")
        self.assertEqual(b"kept", self.ask(second, "/get?container=one&name=../../etc/passwd"))

    def test_an_object_larger_than_the_guest(self):
        """200 MiB in and out of an instance that has 16 MiB, checked byte for byte."""
        server = self.start("wasi:blobstore=directory", options=("--max-memory", "16MiB", "--timeout", "100s"))
        self.ask(server, "/create?container=one")
        self.assertEqual("written\n", self.text(server, f"/put?container=one&name=big&pattern={200 * MIB}"))
        self.assertEqual(f"{200 * MIB} bytes, 0 wrong\n", self.text(server, "/check?container=one&name=big"))
        self.assertEqual(200 * MIB, (self.folder / "data/blobstore/one/big").stat().st_size)

    def test_many_at_one_time(self):
        """More parts than may be on their way to the drivers: streams wait, and none fails."""
        count = 60
        server = self.start("wasi:blobstore=directory,uploads-max=100", options=("--max-instances", count))
        self.ask(server, "/create?container=one")
        answers = harness.in_parallel(
            count, lambda i: server.get(f"/put?container=one&name=o{i}&pattern={3 * MIB}", timeout=100).body,
            timeout=100)
        self.assertEqual([b"written\n"] * count, answers)
        answers = harness.in_parallel(
            count, lambda i: server.get(f"/check?container=one&name=o{i}", timeout=100).body, timeout=100)
        self.assertEqual([b"%d bytes, 0 wrong\n" % (3 * MIB)] * count, answers)

    def test_what_is_not_finished_never_was(self):
        server = self.start("wasi:blobstore=directory")
        self.ask(server, "/create?container=one")
        self.ask(server, "/put?container=one&name=o", body=b"before")
        self.ask(server, f"/put?container=one&name=o&leave=1&pattern={3 * MIB}")
        self.assertEqual(500, server.get(f"/put?container=one&name=o&trap=1&pattern={3 * MIB}").status)
        self.assertEqual(b"before", self.ask(server, "/get?container=one&name=o"))
        self.assertEqual("1\n", self.text(server, "/count?container=one"))
        self.until(lambda: self.stored() == ["one/o"], 20, "the files of uploads that were given up go away")

    def test_an_odd_order(self):
        server = self.start("wasi:blobstore=directory")
        self.ask(server, "/create?container=one")
        self.assertEqual(["write-data: 1, again: 0 the value was given to write-data already", "finish: 1",
                          "stream after finish: closed", "stream after drop: closed",
                          "finish of nothing: 0 the value was given to no write-data, so nothing was written"],
                         self.text(server, "/odd?container=one&name=o").splitlines())
        self.assertEqual(b"text", self.ask(server, "/get?container=one&name=o"))
        late = server.post("/put?container=one&name=big&late=1", b"x" * (MIB + 100000))
        self.assertEqual(502, late.status)
        self.assertIn(b"no write-data has said yet where they go", late.body)
        self.assertEqual("no\n", self.text(server, "/has?container=one&name=big"))

    def test_an_object_that_changes_is_never_mixed(self):
        server = self.start("wasi:blobstore=directory")
        self.ask(server, "/create?container=one")
        self.ask(server, f"/put?container=one&name=o&pattern={6 * MIB}")
        self.ask(server, "/put?container=one&name=other", body=b"x" * 100)
        self.assertIn("stream: the object was changed while it was read",
                      self.text(server, "/check?container=one&name=o&replace=1&from=other", 502))

    def test_the_drivers_end_in_the_middle(self):
        server = self.start("wasi:blobstore=directory")
        self.ask(server, "/create?container=one")
        self.ask(server, "/put?container=one&name=o", body=b"before")
        with server.connect() as connection:
            connection.send(b"POST /put?container=one&name=o HTTP/1.1\r\nhost: x\r\n"
                            b"content-length: 4000000\r\n\r\n")
            connection.send(b"y" * 2000000)
            self.until(lambda: len(self.stored()) == 2, 20, "an upload has begun")
            os.kill(server.drivers()[0], signal.SIGKILL)
            connection.send(b"y" * 2000000)
            self.assertEqual(502, connection.read_response().status)
        self.until(lambda: server.get("/exists?container=one").body == b"yes\n", 20, "the drivers are back")
        self.assertEqual(b"before", self.ask(server, "/get?container=one&name=o"))
        self.until(lambda: self.stored() == ["one/o"], 20, "what the upload left is removed")

    def test_only_what_is_named(self):
        server = self.start("wasi:blobstore=directory,containers=one,object-bytes-max=1000",
                            options=("--deny-call", "wasi:blobstore/blobstore.delete-object"))
        self.ask(server, "/create?container=one")
        self.assertEqual("access to it is denied\n", self.text(server, "/create?container=two", 502))
        self.assertEqual("no\n", self.text(server, "/exists?container=two"))
        self.ask(server, "/put?container=one&name=o", body=b"x" * 1000)
        self.assertIn("larger than the link allows",
                      self.text(server, "/put?container=one&name=o", 502, body=b"x" * 1001))
        self.assertIn("denied by", self.text(server, "/delete?container=one&name=o", 502))
        self.assertEqual("yes\n", self.text(server, "/has?container=one&name=o"))

    def test_a_full_store(self):
        server = self.start("wasi:blobstore=directory,total-bytes-max=1048576")
        self.ask(server, "/create?container=one")
        self.assertIn("the store is full", self.text(server, f"/put?container=one&name=o&pattern={2 * MIB}", 502))
        self.until(lambda: self.stored() == [], 20, "what the upload left is removed")
        self.ask(server, "/put?container=one&name=o", body=b"x" * 500000)
        self.ask(server, "/put?container=one&name=o", body=b"x" * 500000)
        self.assertIn("the store is full", self.text(server, "/put?container=one&name=p", 502, body=b"x" * 600000))
        self.ask(server, "/delete?container=one&name=o")
        self.ask(server, "/put?container=one&name=p", body=b"x" * 600000)


SERVER = harness.ROOT / "build" / "deps" / "tools" / "bin" / "versitygw"
KEY_ID, KEY = "writ-test-key", "aG9w-of-the-server-Xy7Qz9"


class WithServer(BlobsCase):
    def setUp(self):
        super().setUp()
        if not SERVER.exists():
            self.skipTest("versitygw is not built here: run tools/setup/setup.py test, which says why not")
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.process = None
        self.secrets = self.folder / "secrets"
        for field, value in (("id", KEY_ID), ("key", KEY)):
            done = harness.run("secrets", "set", "s3", "--field", field, "--secrets", self.secrets,
                               stdin=value.encode())
            self.assertEqual(0, done.returncode, done.stderr)
        self.addCleanup(self.stop_server)

    def start_server(self, *options):
        store = self.folder / "store"
        store.mkdir(exist_ok=True)
        command = [SERVER, "--access", KEY_ID, "--secret", KEY, "--port", f"127.0.0.1:{self.port}", "--quiet",
                   "--keep-alive", *options, "posix", store]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.until(self.accepts, 20, "the S3 server accepts")

    def accepts(self):
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", self.port)) == 0

    def stop_server(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def s3(self, *links, scheme="http", more="", **keywords):
        link = (f"wasi:blobstore=s3,endpoint={scheme}://127.0.0.1:{self.port},access-key-id=@s3:id,"
                f"secret-access-key=@s3:key{more}")
        keywords["options"] = ("--secrets", self.secrets, *keywords.get("options", ()))
        return self.start(link, *links, **keywords)


class S3(WithServer):
    def test_functions(self):
        self.start_server()
        server = self.s3(workers=2)
        self.check_functions(server)
        server.close()
        self.assertNotIn(KEY, server.log())
        for file in (self.folder / "data").rglob("*"):
            self.assertTrue(file.is_dir() or KEY.encode() not in file.read_bytes(), file)

    def test_an_object_larger_than_the_guest(self):
        self.start_server()
        server = self.s3(options=("--max-memory", "16MiB", "--timeout", "100s"))
        self.ask(server, "/create?container=one")
        self.assertEqual("written\n", self.text(server, f"/put?container=one&name=big&pattern={200 * MIB}"))
        self.assertEqual(f"{200 * MIB} bytes, 0 wrong\n", self.text(server, "/check?container=one&name=big"))

    def test_what_is_not_finished_never_was(self):
        self.start_server()
        server = self.s3()
        self.ask(server, "/create?container=one")
        self.ask(server, "/put?container=one&name=o", body=b"before")
        self.ask(server, f"/put?container=one&name=o&leave=1&pattern={12 * MIB}")
        self.assertEqual(500, server.get(f"/put?container=one&name=o&trap=1&pattern={12 * MIB}").status)
        self.assertEqual(b"before", self.ask(server, "/get?container=one&name=o"))
        self.until(lambda: [path for path in (self.folder / "store").rglob("*")
                            if path.is_file() and path.stat().st_size > MIB] == [], 20, "the parts are forgotten")

    def test_a_lost_server_is_an_error_and_comes_back(self):
        self.start_server()
        server = self.s3()
        self.ask(server, "/create?container=one")
        self.ask(server, "/put?container=one&name=o", body=b"kept")
        self.stop_server()
        self.assertRegex(self.text(server, "/get?container=one&name=o", 502), "^s3 through the link")
        server.wait_line("link-health.*down", 20)
        self.start_server()
        self.until(lambda: server.get("/get?container=one&name=o").body == b"kept", 20, "the server is back")

    def test_wrong_keys(self):
        self.start_server()
        done = harness.run("secrets", "rotate", "s3", "--field", "key", "--secrets", self.secrets, stdin=b"another")
        self.assertEqual(0, done.returncode, done.stderr)
        server = self.s3()
        self.assertEqual("access to it is denied\n", self.text(server, "/create?container=one", 502))

    def test_a_private_authority(self):
        def openssl(*arguments):
            subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True)
        if shutil.which("openssl") is None:
            self.skipTest("no openssl command here")
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key",
                "-out", "ca.pem", "-subj", "/CN=tests", "-days", "2")
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "server.key",
                "-out", "server.csr", "-subj", "/CN=server")
        (self.folder / "names").write_text("subjectAltName=IP:127.0.0.1\n")
        openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                "-out", "server.pem", "-days", "2", "-extfile", "names")
        self.start_server("--cert", self.folder / "server.pem", "--key", self.folder / "server.key")
        stranger = self.s3(scheme="https")
        self.assertRegex(self.text(stranger, "/create?container=one", 502), "(?i)certificate")
        stranger.close()
        pem = (self.folder / "ca.pem").read_text()
        named = self.s3(scheme="https", more=f",ca={pem}")
        self.assertEqual("no\n", self.text(named, "/exists?container=one"))
        named.close()
        server = self.s3(scheme="https", options=("--ca-file", self.folder / "ca.pem"))
        self.ask(server, "/create?container=one")
        body = bytes(range(256)) * 30000
        self.ask(server, "/put?container=one&name=o", body=body)
        self.assertEqual(body, self.ask(server, "/get?container=one&name=o"))


MANIFEST = """\
apiVersion: core.oam.dev/v1beta1
kind: Application
metadata:
  name: files
  annotations: {{version: v1}}
spec:
  components:
    - name: blobs
      type: component
      properties: {{image: {image}}}
      traits:
        - type: spreadscaler
          properties: {{instances: 5}}
        - type: link
          properties:
            namespace: wasi
            package: blobstore
            interfaces: [blobstore]
            target: {{name: store, config: [{{name: limits, properties: {{containers: "one,two"{more}}}}}]{secrets}}}
    - name: store
      type: capability
      properties: {{image: "{driver}"}}
  policies:
    - name: bounds
      type: workload.writ/v1
      properties: {{components: blobs, routes: /}}
{policies}"""


class Manifest(WithServer):
    def up(self, driver, *options, more="", secrets="", policies=""):
        path = self.folder / "app.yaml"
        path.write_text(MANIFEST.format(image=harness.guest(GUEST), driver=driver, more=more, secrets=secrets,
                                        policies=policies))
        return self.serve(path, "--data", self.folder / "data", *options, command="up", workers=1)

    def test_an_s3_server(self):
        self.start_server()
        keys = ", ".join(f"{{name: {name}, properties: {{policy: safe, key: s3, field: {field}}}}}"
                         for name, field in (("access-key-id", "id"), ("secret-access-key", "key")))
        server = self.up("writ:s3", "--secrets", self.secrets, more=f', endpoint: "http://127.0.0.1:{self.port}"',
                         secrets=f", secrets: [{keys}]",
                         policies="    - name: safe\n      type: policy.secret.wasmcloud.dev/v1alpha1\n"
                                  "      properties: {backend: store}\n")
        self.check_functions(server)
        self.assertEqual("access to it is denied\n", self.text(server, "/create?container=three", 502))

    def test_a_directory(self):
        for driver in ("writ:directory", "ghcr.io/wasmcloud/blobstore-fs:0.10.1"):
            server = self.up(driver)
            self.check_functions(server)
            self.assertEqual("access to it is denied\n", self.text(server, "/create?container=three", 502))
            self.ask(server, "/delete-container?container=two")
            server.close()
        self.assertTrue((self.folder / "data" / "files-store").is_dir())


class Live(harness.Case):
    """Links that change while an object is on its way."""

    def writ(self, *arguments):
        (self.folder / "run").mkdir(mode=0o700, exist_ok=True)
        done = harness.run(*arguments, env={"XDG_RUNTIME_DIR": str(self.folder / "run")}, timeout=100, cache=False)
        self.assertEqual(0, done.returncode, done.stderr)
        return done.stdout

    def test_a_link_is_cut_and_another_store_put(self):
        path = self.folder / "app.yaml"
        path.write_text(MANIFEST.format(image=harness.guest(GUEST), driver="writ:directory", more="", secrets="",
                                        policies=""))
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        self.addCleanup(self.writ, "down", "--host", "default")
        self.writ("up", "--detach", "--listen", f"127.0.0.1:{port}", "--data", self.folder / "data", "--workers", "1",
                  "--cache", harness.CACHE, path)
        self.assertEqual(200, harness.request(port, path="/create?container=one").status)
        self.assertEqual(200, harness.request(port, "POST", "/put?container=one&name=o", body=b"before").status)
        uploads = self.folder / "data" / "files-store" / "%uploads"
        with harness.Connection(port) as connection:
            connection.send(b"POST /put?container=one&name=o HTTP/1.1\r\nhost: x\r\n"
                            b"content-length: 4000000\r\n\r\n")
            connection.send(b"y" * 2000000)
            self.until(lambda: len(list(uploads.iterdir())) == 1, 20, "an upload has begun")
            self.writ("link", "del", "files-blobs", "wasi:blobstore")
            connection.send(b"y" * 2000000)
            answer = connection.read_response()
            self.assertEqual(502, answer.status)
            self.assertIn(b"was cut", answer.body)
        self.assertIn(b"was cut", harness.request(port, path="/exists?container=one").body)
        self.writ("link", "put", "files-blobs", "wasi:blobstore=directory,root=other")
        self.assertEqual(b"no\n", harness.request(port, path="/exists?container=one").body)
        self.writ("link", "put", "files-blobs", "wasi:blobstore=directory,root=files-store")
        self.assertEqual(b"before", harness.request(port, path="/get?container=one&name=o").body)
        self.until(lambda: not list(uploads.iterdir()), 20, "what the upload left is removed")


if __name__ == "__main__":
    sys.exit(harness.main())
