#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""wasi:keyvalue/watcher: components are told what was written to the buckets that their links watch, whatever the
driver. The guest is tests/guests/watch-c."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
import servers  # noqa: E402

WRITES = ("/set/a/1", "/add/n", "/delete/a", "/many", "/set/b/2")
TOLD = ["set a 1", "set n 5", "delete a", "set m1 m1", "set m2 m2", "delete m1", "delete m2", "set b 2"]

MANIFEST = """\
apiVersion: core.oam.dev/v1beta1
kind: Application
metadata: {{name: watch, annotations: {{version: v1}}}}
spec:
  components:
    - name: writer
      type: component
      properties: {{image: "{image}"}}
      traits:
        - {{type: spreadscaler, properties: {{instances: 10}}}}
        - type: link
          properties: {{target: {{name: kv, config: [{{name: w, properties: {{feed: changes}}}}]}}, namespace: wasi,
                       package: keyvalue, interfaces: [store, atomics, batch]}}
    - name: reader
      type: component
      properties: {{image: "{image}"}}
      traits:
        - {{type: spreadscaler, properties: {{instances: 10}}}}
        - type: link
          properties: {{target: {{name: kv, config: [{{name: r, properties: {{feed: changes, watch: watched}}}}]}},
                       namespace: wasi, package: keyvalue, interfaces: [store, atomics, batch, watcher]}}
    - {{name: kv, type: capability, properties: {{image: "writ:sqlite"}}}}
  policies:
    - {{name: w, type: workload.writ/v1, properties: {{components: writer, routes: /}}}}
    - {{name: r, type: workload.writ/v1, properties: {{components: reader, routes: /reader}}}}
"""


class Watch(harness.Case):
    def ask(self, server, path, status=200):
        answer = server.get(path)
        self.assertEqual(status, answer.status, answer.body)
        return answer.body.decode()

    def log_of(self, server, count, path="/log"):
        self.until(lambda: len(self.ask(server, path).splitlines()) >= count, 20, f"{count} events")
        return [line.removesuffix(" gone").rstrip() for line in self.ask(server, path).splitlines()]

    def start(self, driver, settings="watch=watched", **keywords):
        return self.serve(harness.guest("watch-c"), "--link", f"wasi:keyvalue={driver},{settings}",
                          "--data", self.folder / "data", **keywords)

    def check(self, driver):
        server = self.start(driver, workers=2)
        for path in WRITES:
            self.ask(server, path)
        self.assertEqual(TOLD, self.log_of(server, len(TOLD)))
        return server

    def test_memory(self):
        self.check("memory")

    def test_sqlite(self):
        self.check("sqlite,path=kv.db")

    def test_redis(self):
        self.check(f"redis,host=127.0.0.1,port={servers.Redis(self).port}")

    def test_a_handler_that_traps_loses_its_event_alone(self):
        server = self.start("memory", workers=1)
        for path in ("/set/a/1", "/set/trap/1", "/set/b/1"):
            self.ask(server, path)
        self.assertEqual(["set a 1", "set b 1"], self.log_of(server, 2))
        server.wait_line("on-set trapped")

    def test_nobody_asked(self):
        server = self.start("memory", "watch=other", workers=1)
        self.ask(server, "/set/a/1")
        server.close()
        self.assertNotIn("on-set", server.log())

    def test_a_name_is_the_link_of_the_handler(self):
        server = self.serve(harness.guest("watch-c"), "--link", "wasi:keyvalue=sqlite,path=one.db,feed=f",
                            "--link", "wasi:keyvalue@other=sqlite,path=two.db,feed=f,watch=watched",
                            "--data", self.folder / "data", workers=1)
        self.ask(server, "/set/a/1")
        self.ask(server, "/set/a/2")
        self.until(lambda: b"set a 2" in (self.folder / "data" / "two.db").read_bytes()
                   or b"set a 2" in b"".join(p.read_bytes() for p in (self.folder / "data").glob("two.db*")), 20, "two")
        self.assertEqual("", self.ask(server, "/log"))  # it was kept through the link that watches

    def test_another_component_is_told(self):
        path = self.folder / "app.yaml"
        path.write_text(MANIFEST.format(image=harness.guest("watch-c")))
        server = self.serve(path, "--data", self.folder / "data", command="up", workers=1)
        self.ask(server, "/set/a/1")
        self.assertEqual(["set a 1"], self.log_of(server, 1))


if __name__ == "__main__":
    sys.exit(harness.main())
