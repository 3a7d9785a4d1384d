#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The contract of the blob store, served by drivers: a directory. The guest is tests/guests/blobs-c."""

import os
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


if __name__ == "__main__":
    sys.exit(harness.main())
