#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# timeout: 400
"""An application of 1.x, brought by the scheduler of 1.x to a host of ours: it serves HTTP, is changed, and goes.

    WRIT_PEERS                   a folder with `wash` and `wadm`; without it PATH is searched
    WRIT_HTTP_SERVER_PROVIDER    the program of the http-server provider of 1.9.2; without it ours serves
"""
import os
import pathlib
import shutil
import subprocess
import sys
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "scenario"))
import harness  # noqa: E402
import peers  # noqa: E402
import servers  # noqa: E402
import test_lattice_wash  # noqa: E402
from test_lattice_cli import Program  # noqa: E402

APPLICATION = """
apiVersion: core.oam.dev/v1beta1
kind: Application
metadata: {{name: shop, annotations: {{version: {version}, description: a shop}}}}
spec:
  components:
    - name: page
      type: component
      properties: {{image: "{image}"}}
      traits:
        - {{type: spreadscaler, properties: {{instances: {instances}}}}}
    - name: web
      type: capability
      properties: {{image: "{web}"}}
      traits:
        - type: link
          properties: {{namespace: wasi, package: http, interfaces: [incoming-handler], target: {{name: page}},
                       source: {{config: [{{name: at, properties: {{address: "127.0.0.1:{port}"}}}}]}}}}
"""


class Wadm(test_lattice_wash.Lattice):
    host_options = ("--allow-unsigned-peers", "--heartbeat-interval-seconds", "1")

    def prepare(self):
        if harness.peer("wadm") is None:
            self.skipTest("no `wadm` of 1.x in $WRIT_PEERS or PATH")
        # The server of Debian does not have what wadm needs.
        bus = Program([peers.newest_nats_server(), "-a", "127.0.0.1", "-p", "-1", "-js", "-sd", self.folder / "bus"],
                      self.env)
        self.addCleanup(bus.close)
        self.port = bus.wait_line("Listening for client connections on 127.0.0.1:").split("127.0.0.1:")[1].strip()
        bus.wait_line("Server is ready")
        self.to_lattice = ("--nats", f"nats://127.0.0.1:{self.port}", "--lattice", self.lattice)
        self.http_port = servers.free_port()

    def get(self):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}/", timeout=10) as answer:
                return answer.read().decode()
        except OSError:
            return ""

    def deploy(self, version, image, instances):
        path = self.folder / f"{version}.yaml"
        web = os.environ.get("WRIT_HTTP_SERVER_PROVIDER")
        path.write_text(APPLICATION.format(version=version, image=image, instances=instances, port=self.http_port,
                                           web=f"file://{web}" if web else "wasmcloud+builtin://http-server"))
        self.wash("app", "deploy", path)
        self.until(lambda: self.components() == {"shop-page": (image, instances)}, 90, "it runs as it was deployed")

    def wait_for_wadm(self):
        """What is deployed before it has heard of a host it does not come back to."""
        spy = subprocess.Popen([sys.executable, "-c", WAIT, self.port, self.lattice])
        self.assertEqual(spy.wait(60), 0, "wadm asks nothing after a heartbeat")

    def test_an_application(self):
        wadm = Program([harness.peer("wadm"), "--nats-server", f"127.0.0.1:{self.port}"], self.env)
        self.addCleanup(wadm.close)
        wadm.wait_line("Creating API subscriber")
        self.wait_for_wadm()
        first = f"file://{harness.unsigned_guest('hello-c')}"
        self.deploy("v1", first, 3)
        self.until(lambda: "Hello, world!" in self.get(), 60, "its page is served")
        self.until(lambda: self.wash("app", "status", "shop")["status"]["status"]["type"] == "deployed", 60,
                   "wadm is content")
        other = self.folder / "other.wasm"
        shutil.copyfile(first.removeprefix("file://"), other)
        self.deploy("v2", f"file://{other}", 5)
        self.until(lambda: "Hello, world!" in self.get(), 60, "its page is served again")
        self.wash("app", "undeploy", "shop")
        self.until(lambda: self.components() == {} and self.get() == "", 60, "it is gone")


# A client of NATS that ends when somebody has asked the hosts for claims, as wadm does after a heartbeat.
WAIT = """
import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=40)
lines = s.makefile("rb")
lines.readline()
s.sendall(b'CONNECT {"verbose":false}\\r\\nSUB wasmbus.ctl.v1.%s.claims.get 1\\r\\n' % sys.argv[2].encode())
while not (line := lines.readline()).startswith(b"MSG"):
    if line.startswith(b"PING"):
        s.sendall(b"PONG\\r\\n")
"""

if __name__ == "__main__":
    sys.exit(harness.main())
