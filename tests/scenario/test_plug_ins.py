#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# timeout: 1500
"""examples/plug-ins: ten plug-ins that trust nobody, three of them hostile; each has its result or its failure, and no
other one suffers."""
import html
import re
import shutil
import sys
import threading
import time
import urllib.parse

import harness
import servers
from harness import Case
from webdriver import Browser

EXAMPLE = harness.ROOT / "examples" / "plug-ins"
PARTS = ("gallery", "reverse", "count", "remember", "title", "slug", "rot13", "longest", "endless", "greedy", "nosy")
COMPILE_SECONDS_MAX = 600
ROW = re.compile(r'<tr><th>(.*?)</th><td class="(\w+)">(.*?)</td><td>(\d+) ms</td></tr>', re.DOTALL)
WELL = {"reverse": "olleh edis", "count": "2 words", "title": "Side Hello", "slug": "side-hello", "rot13": "fvqr uryyb",
        "longest": "hello"}
TEXT = "side hello"


class PlugInsCase(Case):
    seconds_max = 900

    def application(self, changes=()):
        folder = self.folder / "plug-ins"
        (folder / "build").mkdir(parents=True, exist_ok=True)
        text = (EXAMPLE / "app.yaml").read_text()
        for old, new in changes:
            self.assertIn(old, text)
            text = text.replace(old, new)
        (folder / "app.yaml").write_text(text)
        for part in PARTS:
            shutil.copyfile(harness.guest(f"plug-ins/{part}"), folder / "build" / f"{part}.wasm")
        return folder / "app.yaml"

    def up(self, *arguments):
        server = harness.Server(self.application(*arguments), "--data", self.folder / "data", command="up", workers=2,
                                wait=False)
        self.addCleanup(server.close)
        return server.wait_ready(COMPILE_SECONDS_MAX)

    def results(self, server, text=TEXT, host="test"):
        """What each plug-in made of the text: name to (class, words, milliseconds)."""
        answer = server.get("/?text=" + urllib.parse.quote_plus(text), headers=[("Host", host)], timeout=60)
        self.assertEqual(200, answer.status, answer.text)
        return {name: (kind, html.unescape(words), int(ms)) for name, kind, words, ms in ROW.findall(answer.text)}

    def check_well(self, results):
        for name, words in WELL.items():
            self.assertEqual(("done", words), results[name][:2], name)


class Results(PlugInsCase):
    def test_each_has_its_result_or_its_failure(self):
        server = self.up()
        results = self.results(server)
        self.assertEqual(set(PARTS) - {"gallery"}, set(results))
        self.check_well(results)
        self.assertEqual(("done", "nothing yet"), results["remember"][:2])
        kind, why, spent_ms = results["endless"]
        self.assertEqual("failed", kind)
        self.assertIn("CPU time", why)
        self.assertLess(spent_ms, 5000)
        kind, why, _ = results["greedy"]
        self.assertEqual("failed", kind)
        self.assertEqual(("done", "network: refused; folders: 0; the bucket of another: refused"), results["nosy"][:2])

        again = self.results(server, "another text")
        self.assertEqual(("done", TEXT), again["remember"][:2])
        self.assertEqual("failed", again["endless"][0])

    def test_a_plug_in_may_decline(self):
        server = self.up()
        results = self.results(server, "?!")
        self.assertEqual(("declined", "there is no letter in it"), results["slug"][:2])
        self.assertEqual(("done", "!?"), results["reverse"][:2])

    def test_nothing_that_a_plug_in_returns_runs(self):
        server = self.up()
        browser = Browser()
        self.addCleanup(browser.close)
        attack = "<script>window.hit=1</script><img src=x onerror=window.hit=1>"
        for text in (attack, attack[::-1], "\"><svg onload=window.hit=1>"):
            browser.open(f"http://127.0.0.1:{server.port}/?text={urllib.parse.quote_plus(text)}")
            self.assertEqual(len(PARTS) - 1, len(browser.find_all("tr")))
            self.assertIn(text[::-1], browser.texts("td"))
            self.assertEqual([], browser.find_all("script, img, svg"))
            self.assertIsNone(browser.run("return window.hit === undefined ? null : window.hit"))

    def test_the_state_of_one_survives_with_redis_too(self):
        redis = servers.Redis(self)
        store = (('"writ:sqlite"', '"writ:redis"'),
                 ('path: "plug-ins.sqlite3"', f'host: "127.0.0.1", port: "{redis.port}"'))
        server = self.up(store)
        self.results(server, "first")
        results = self.results(server, "second")
        self.assertEqual(("done", "first"), results["remember"][:2])
        self.assertIn("the bucket of another: refused", results["nosy"][1])

    def test_the_manifest_checks(self):
        self.assertIn("valid, 0 errors, 0 warnings", harness.run("manifest", "check", EXAMPLE / "app.yaml").stdout)


CALM = """\
    - name: calm
      type: component
      properties:
        image: file://./build/gallery.wasm
        config: [{name: calm-plug-ins, properties: {plug-ins: "reverse count"}}]
      traits:
        - {type: spreadscaler, properties: {instances: 20}}
        - type: link
          properties: {name: reverse, target: reverse, namespace: example, package: plug-ins, interfaces: [plugin]}
        - type: link
          properties: {name: count, target: count, namespace: example, package: plug-ins, interfaces: [plugin]}

    - name: store
"""


LOUD = """\
            source: {config: [{name: gallery-address, properties: {address: "127.0.0.1:8080"}}]}
"""
CALM_ROUTE = """\
        - type: link
          properties:
            name: calm
            target: calm
            namespace: wasi
            package: http
            interfaces: [incoming-handler]
            source: {config: [{name: calm-address, properties: {host: "calm.test"}}]}
"""
BY_HOST = """\
properties:
        image: "writ:http-server"
        config: [{name: by-host, properties: {routing_mode: host, default_address: "127.0.0.1:8080"}}]"""


class UnderLoad(PlugInsCase):
    def test_the_others_do_not_suffer(self):
        """A second gallery with two of the plug-ins, while four clients never let the hostile ones rest."""
        routes = "properties: {components: gallery, ", "properties: {components: gallery calm, "
        hosts = (LOUD, LOUD.replace('"}}]}', '", host: "loud.test"}}]}') + CALM_ROUTE)
        mode = ('properties: {image: "writ:http-server"}', BY_HOST)
        server = self.up([routes, hosts, mode, ("    - name: store\n", CALM)])
        ended, wrong, rounds, slowest = threading.Event(), [], [], 0

        def attack():
            while not ended.is_set():
                try:
                    kinds = [kind for kind, _, _ in self.results(server, host="loud.test").values()]
                    rounds.append(kinds)
                    if kinds.count("failed") != 2:
                        wrong.append(kinds)
                except Exception as error:  # whatever went wrong is the finding
                    wrong.append(error)
        threads = [threading.Thread(target=attack) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            while len(rounds) < 40 and not wrong:
                slowest = max(slowest, self.calm_seconds(server))
        finally:
            ended.set()
            for thread in threads:
                thread.join(60)
        self.assertEqual([], wrong[:3])
        self.assertLess(slowest, 5)

    def calm_seconds(self, server):
        before = time.monotonic()
        results = self.results(server, host="calm.test")
        self.assertEqual({"reverse": WELL["reverse"], "count": WELL["count"]},
                         {name: words for name, (kind, words, _) in results.items() if kind == "done"})
        return time.monotonic() - before


if __name__ == "__main__":
    sys.exit(harness.main())
