#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""writ host --lattice-metrics: what a host tells of its lattice, and that refusals are seen there."""
import re
import sys

import harness
from harness import request
from lattices import Lattice
from metrics_text import parse


class Metrics(Lattice):
    def url_port(self, host, event):
        found = [e["url"] for e in host.events() if e.get("event") == event]
        self.assertEqual(len(found), 1, event)
        return int(re.fullmatch(r"http://127\.0\.0\.1:(\d+)/metrics", found[0])[1])

    def metrics(self, host, event="lattice-metrics"):
        response = request(self.url_port(host, event), "GET", "/metrics")
        self.assertEqual((response.status, response.complete), (200, True))
        return parse(response.text)

    def value(self, host, name, **labels):
        return self.metrics(host)[name, tuple(labels.items())]

    def test_a_host_that_admits_unsigned_peers_says_so_and_counts_what_it_refuses(self):
        options = ("--unsigned", "--lattice-metrics", "0", "--metrics", "0", "--allow-unsigned-control", "read")
        first, second = self.hosts("--allow-unsigned-peers", *options)
        found = self.metrics(first)
        self.assertEqual(found["writ_lattice_unsigned_peers_allowed", ()], 1)
        self.assertIn(("writ_lattice_wrpc_calls_total", ()), found)
        self.assertEqual(found["writ_lattice_bus_up", (("bus", "control"),)], 1)
        self.until(lambda: self.value(first, "writ_lattice_peers", unsigned_peers="allowed") == 1, 20, "it is known")
        self.assertEqual(self.value(first, "writ_lattice_peers", unsigned_peers="refused"), 0)
        info = next(labels for name, labels in found if name == "writ_lattice_host_info")
        self.assertEqual((dict(info)["name"], dict(info)["lattice"]), ("first", "default"))

        before = self.value(first, "writ_lattice_refusals_total", reason="unsigned")
        told = self.value(first, "writ_lattice_control_messages_total")
        for count in (1, 2):
            self.lattice("label", "put", "first", "a=b")  # without a signature
            self.assertEqual(self.code, 1, self.error)
            self.assertEqual(self.value(first, "writ_lattice_refusals_total", reason="unsigned"), before + count)
        self.assertGreater(self.value(first, "writ_lattice_control_messages_total"), told)
        self.assertEqual(self.value(second, "writ_lattice_refusals_total", reason="unsigned"), before, "not its own")

        self.assertIn(("writ_workers", ()), self.metrics(first, "metrics"), "what runs guests tells its own")

    def test_a_strict_host_counts_what_runs_and_is_called(self):
        (first,) = self.hosts("--unsigned", "--lattice-metrics", "0", names=("first",))
        self.assertEqual(self.value(first, "writ_lattice_unsigned_peers_allowed"), 0)
        self.assertNotIn(("writ_lattice_wrpc_calls_total", ()), self.metrics(first))
        self.assertEqual(self.value(first, "writ_lattice_components_running"), 0)
        self.must("start", "component", f"file://{harness.unsigned_guest('echo-c')}", "front", "--on", "first")
        self.serve("front", "first")
        self.assertEqual(self.value(first, "writ_lattice_components_running"), 1)
        self.assertEqual(self.value(first, "writ_lattice_providers"), 1)
        calls = self.value(first, "writ_lattice_calls_total", way="here")
        self.assertEqual(self.get("/")[0], 200)
        self.assertEqual(self.value(first, "writ_lattice_calls_total", way="here"), calls + 1)


if __name__ == "__main__":
    sys.exit(harness.main())
