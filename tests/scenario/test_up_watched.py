#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`writ up` with an audit log and metrics, over several generations of a host."""

import http.client
import json
import os
import re
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from test_up import UpCase  # noqa: E402


class Watched(UpCase):
    def setUp(self):
        super().setUp()
        self.log = self.folder / "logs" / "audit.log"

    def lines(self):
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def reload(self, server):
        mark = server.mark()
        server.process.send_signal(signal.SIGHUP)
        server.wait_line('"event":"serving"', 60, since=mark)

    def scrape(self, port):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request("GET", "/metrics")
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        self.assertEqual(200, answer.status, text)
        return text

    def test_each_generation_is_recorded_and_metrics_stay_where_they_are(self):
        path = self.example()
        server = self.up("--audit", self.log, "--metrics", "0", "--drain", "2s", path)
        url = re.search(r"http://127.0.0.1:(\d+)/metrics", server.wait_line('"event":"metrics"'))
        self.assertEqual("Hello, visitor number 1.\n", self.ask(server))
        self.assertIn("writ_workload_instances_max 100", re.sub(r"\{.*?\}", "", self.scrape(int(url[1]))))
        path.write_text(path.read_text().replace("instances: 100", "instances: 50"))
        self.reload(server)
        server.wait_line('"event":"retiring"', 60)
        self.until(lambda: "writ_workload_instances_max 50" in re.sub(r"\{.*?\}", "", self.scrape(int(url[1]))), 20,
                   "the next generation tells its own")
        self.assertEqual(0, server.terminate())
        kinds = [line["kind"] for line in self.lines()]
        self.assertEqual((2, 2, 2), tuple(kinds.count(k) for k in ("host.start", "workload.start", "host.end")))
        done = harness.run("audit", "verify", self.log)
        self.assertEqual(0, done.returncode, done.stderr)

    def about(self, kind, since=0):
        return [line["about"] for line in self.lines()[since:] if line["kind"] == kind]

    def test_what_a_generation_changes_is_recorded(self):
        rule = ("    - name: rule\n      type: calls.writ/v1\n"
                "      properties: {deny: \"* -> store wasi:keyvalue/store.delete\"}\n")
        path = self.example()
        text = path.read_text()
        server = self.up("--audit", self.log, "--drain", "2s", path)
        (link,) = self.about("link.put")
        self.assertEqual(("counter-counter", "default", "wasi:keyvalue/store wasi:keyvalue/atomics", "store (sqlite)",
                          "path"), tuple(link[k] for k in ("workload", "link", "interfaces", "target", "settings")))
        (trust,) = self.about("trust.change")
        self.assertRegex(trust["digest"], "^[0-9a-f]{64}$")
        self.assertEqual([], self.about("policy.change"))
        # The same again is no change.
        mark = len(self.lines())
        self.reload(server)
        for kind in ("link.put", "link.change", "link.cut", "trust.change", "policy.change"):
            self.assertEqual([], self.about(kind, mark), kind)
        mark = len(self.lines())
        other = text.replace('path: "counter.sqlite3"', 'path: "other.sqlite3"')
        spare = ("        - type: link\n          properties: {name: spare, target: store, namespace: wasi, "
                 "package: keyvalue, interfaces: [store]}\n")
        path.write_text(other.replace("        - type: link\n", spare + "        - type: link\n", 1) + rule)
        self.reload(server)
        self.assertEqual(["calls"], [about["what"] for about in self.about("policy.change", mark)])
        self.assertEqual(["default"], [about["link"] for about in self.about("link.change", mark)])
        self.assertEqual(["spare"], [about["link"] for about in self.about("link.put", mark)])
        # A version that cannot start is not what the next one is compared with.
        mark = len(self.lines())
        path.write_text(text.replace("build/counter.wasm", "build/none.wasm"))
        at = server.mark()
        server.process.send_signal(signal.SIGHUP)
        server.wait_line('"event":"kept"', 60, since=at)
        path.write_text(other)
        self.reload(server)
        self.assertEqual([("calls", "")], [(a["what"], a["digest"]) for a in self.about("policy.change", mark)])
        self.assertEqual(["spare"], [about["link"] for about in self.about("link.cut", mark)])
        self.assertEqual([], self.about("link.put", mark) + self.about("link.change", mark))
        self.assertEqual(0, server.terminate())
        self.assertEqual(0, harness.run("audit", "verify", self.log).returncode)

    def test_what_cannot_be_recorded_does_not_run(self):
        self.log.parent.mkdir()
        self.log.mkdir()
        done = self.run_up("--audit", self.log, self.example())
        self.assertNotEqual(0, done.returncode)
        self.assertNotIn("serving", done.stderr)

    def test_options_that_do_not_go_together(self):
        done = self.run_up("--spiffe-audience", "x", self.example())
        self.assertEqual(2, done.returncode, done.stderr)
        done = self.run_up("--spiffe", "unix:///nothing/here", self.example())
        self.assertIn("no SPIFFE identity", done.stderr)


if __name__ == "__main__":
    sys.exit(harness.main())
