#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Requests over HTTP that components of a lattice make, and that a link takes to somebody of it."""
import concurrent.futures
import sys

import harness
from lattices import Lattice


class Requests(Lattice):
    def test_requests_of_components_go_to_who_is_linked(self):
        """A name that nobody has: what answers is the component of the other host."""
        self.hosts()
        image = f"file://{harness.guest('http-c')}"
        for component, host in (("front", "first"), ("back", "second")):
            self.must("start", "component", image, component, "--max", "20", "--on", host)
        self.serve("front", "first", "/hello")
        hello, outgoing = "/fetch?url=http://nobody.invalid/hello", "wasi:http/outgoing-handler"
        denied = (502, "error: HTTP-request-denied\n")
        self.assertEqual(self.get(hello), denied)
        self.must("link", "put", "front", "back", outgoing)
        self.until(lambda: self.get(hello) == (200, "hello from C\n"), 20, "it reaches the other one")
        for scheme in ("http", "https"):
            url = f"/fetch?url={scheme}://nobody.invalid:8443"
            self.assertIn("authority: nobody.invalid:8443\n", self.get(f"{url}/query?a=b")[1])
            self.assertRegex(self.get(f"{url}/headers")[1], f"x-forwarded-proto: {scheme}\n")
        self.assertEqual(self.get("/fetch?url=https://nobody.invalid/status?code=418"), (418, "status 418\n"))
        body = "0123456789abcdef" * (1 << 16)
        self.assertTrue(self.get("/fetch?url=http://nobody.invalid/echo", body.encode()) == (200, body))
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            self.assertEqual(set(pool.map(self.get, [hello] * 100)), {(200, "hello from C\n")})
        self.must("stop", "component", "back", "--on", "second")
        self.until(lambda: self.get(hello) == (502, "error: destination-unavailable\n"), 20, "nobody has it")
        self.must("start", "component", image, "back", "--max", "20", "--on", "first")
        self.until(lambda: self.get(hello) == (200, "hello from C\n"), 20, "it reaches it on its own host")
        self.must("link", "del", "front", "wasi:http")
        self.until(lambda: self.get(hello) == denied, 20, "it reaches nobody without the link")

    def test_a_component_with_hosts_in_its_writ_goes_by_no_link(self):
        self.hosts()
        limited = harness.sign(harness.unsigned_guest("http-c"), self.folder / "limited.wasm", "--from-imports",
                               "--cap", "wasi:http/outgoing-handler;hosts=api.example.com")
        for image, component in ((limited, "front"), (harness.guest("http-c"), "back")):
            self.must("start", "component", f"file://{image}", component, "--max", "20", "--on", "first")
        self.must("link", "put", "front", "back", "wasi:http/outgoing-handler")
        self.serve("front", "first", "/hello")
        for host in ("api.example.com", "nobody.invalid"):
            self.assertEqual(self.get(f"/fetch?url=http://{host}/hello"), (502, "error: HTTP-request-denied\n"))


if __name__ == "__main__":
    sys.exit(harness.main())
