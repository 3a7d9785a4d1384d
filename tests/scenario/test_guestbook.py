#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# timeout: 1500
"""examples/guestbook, as its readers see it: in a browser, with a file and with a Redis server behind it."""
import html
import re
import shutil
import sys
import threading
import urllib.parse

import harness
import servers
from harness import Case
from webdriver import Browser

EXAMPLE = harness.ROOT / "examples" / "guestbook"
COMPILE_SECONDS_MAX = 400
ATTACKS = (
    "<script>window.hit = 1; alert(1)</script>",
    "\"><img src=x onerror=\"window.hit = 1\">",
    "</textarea><svg onload=\"window.hit = 1\"></svg>",
    "' onfocus='window.hit = 1' autofocus='",
    "</ol><iframe srcdoc=\"<script>parent.hit = 1</script>\"></iframe>",
    "&lt;b&gt; &amp; &#60;script&#62;",
    "javascript:window.hit=1 <a href=javascript:alert(1)>x</a>",
)


class GuestbookCase(Case):
    seconds_max = 700

    def application(self, manifest="app.yaml", changes=()):
        """A copy of the example with what was built, signed by the tests."""
        folder = self.folder / "guestbook"
        (folder / "build").mkdir(parents=True, exist_ok=True)
        text = (EXAMPLE / manifest).read_text()
        for old, new in changes:
            self.assertIn(old, text)
            text = text.replace(old, new)
        (folder / manifest).write_text(text)
        for part in ("page", "moderation"):
            shutil.copyfile(harness.guest(f"guestbook/{part}"), folder / "build" / f"{part}.wasm")
        return folder / manifest

    def up(self, path):
        server = harness.Server(path, "--data", self.folder / "data", command="up", workers=2, wait=False)
        self.addCleanup(server.close)
        return server.wait_ready(COMPILE_SECONDS_MAX)

    def browse(self, server):
        browser = Browser()
        self.addCleanup(browser.close)
        browser.open(f"http://127.0.0.1:{server.port}/")
        return browser

    def sign(self, browser, name, message):
        for field, text in (("name", name), ("message", message)):
            browser.type(f"#{field}", text)
        browser.submit("button")

    def post(self, server, name="Ada", message="hello"):
        return server.post("/", urllib.parse.urlencode({"name": name, "message": message}).encode())

    def entries(self, server):
        names = re.findall(r'<strong class="name">(.*?)</strong>', server.get("/").text)
        return [html.unescape(name) for name in names]


class Modes:
    """What is the same with every store; `start` gives an application that runs."""

    def test_people_sign_it(self):
        server = self.up(self.start())
        browser = self.browse(server)
        self.assertEqual("Guestbook", browser.run("return document.title"))
        self.assertEqual("1", browser.text("#visits"))
        self.sign(browser, "Ada", "Hello,\nworld")
        self.assertEqual(f"http://127.0.0.1:{server.port}/", browser.url())
        self.sign(browser, "Grace", "Me, too")
        self.assertEqual(["Grace", "Ada"], browser.texts("#entries .name"))
        self.assertEqual(["Me, too", "Hello,\nworld"], browser.texts("#entries .message"))
        self.assertEqual("3", browser.text("#visits"))

    def test_nothing_that_people_write_runs(self):
        server = self.up(self.start())
        browser = self.browse(server)
        for attack in ATTACKS:
            self.sign(browser, attack[:50], attack)
            self.assertFalse(browser.has_alert())
        self.assertEqual(list(reversed(ATTACKS)), browser.texts("#entries .message"))
        self.unharmed(browser)
        # What is refused comes back in the fields of the form.
        for attack in ATTACKS:
            browser.open(f"http://127.0.0.1:{server.port}/")
            self.sign(browser, attack[:50], f"casino {attack}")
            self.assertEqual("Please find other words.", browser.text("[role=alert]"))
            self.assertEqual((attack[:50], f"casino {attack}"), (browser.value("#name"), browser.value("#message")))
            self.unharmed(browser)

    def unharmed(self, browser):
        self.assertFalse(browser.has_alert())
        self.assertIsNone(browser.run("return window.hit === undefined ? null : window.hit"))
        self.assertEqual([], browser.find_all("script, img, svg, iframe, a, b, [onfocus], [autofocus]"))
        self.assertEqual(1, len(browser.find_all("form")))

    def test_what_was_written_survives_a_restart(self):
        path = self.start()
        server = self.up(path)
        self.assertEqual(303, self.post(server).status)
        self.assertEqual(0, server.terminate(30))
        again = self.up(path)
        self.assertEqual(["Ada"], self.entries(again))

    def test_no_entry_is_lost_or_doubled(self):
        server = self.up(self.start())

        def write(number):
            for turn in range(5):
                self.assertEqual(303, self.post(server, f"{number}-{turn}").status)
        threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        self.assertEqual(sorted(f"{n}-{t}" for n in range(8) for t in range(5)), sorted(self.entries(server)))


class Embedded(Modes, GuestbookCase):
    def start(self):
        return self.application()


class WithRedis(Modes, GuestbookCase):
    def start(self):
        redis = servers.Redis(self)
        return self.application("app.redis.yaml", [('"6379"', f'"{redis.port}"')])


class Answers(GuestbookCase):
    def test_moderation(self):
        server = self.up(self.application())
        for name, message, reason in (("", "x", "a name and a message"), ("x", " \n ", "a name and a message"),
                                      ("x" * 61, "x", "be brief"), ("x", "y" * 1001, "be brief"),
                                      ("x", "LoTTery!", "other words"), ("Casino", "x", "other words"),
                                      ("x", "a://b c://d e://f", "leave the links out")):
            with self.subTest(f"{name[:10]}: {message[:20]}"):
                answer = self.post(server, name, message)
                self.assertEqual(422, answer.status)
                self.assertIn(reason, answer.text)
        self.assertEqual([], self.entries(server))
        self.assertEqual(303, self.post(server, "  A\x07da\r\n", " a://b c://d ").status)
        self.assertEqual(["Ada"], self.entries(server))

    def test_the_edges_of_the_page(self):
        server = self.up(self.application())
        self.assertEqual(404, server.get("/nowhere").status)
        self.assertEqual(413, server.post("/", b"name=x&message=" + b"y" * 20000).status)
        self.assertEqual(422, server.post("/", b"").status)
        self.assertEqual(422, server.post("/", bytes(range(128, 256))).status)
        answer = harness.request(server.port, "DELETE", "/")
        self.assertEqual((405, "GET, POST"), (answer.status, answer.header("allow")))
        self.assertIn("default-src 'none'", server.get("/").header("content-security-policy"))

    def test_without_its_moderation_it_is_closed_for_writers_alone(self):
        deny = ("deny: \"page -> store wasi:keyvalue/store.delete\"",
                "deny: \"page -> moderation example:guestbook/moderation\"")
        server = self.up(self.application(changes=[deny]))
        answer = self.post(server)
        self.assertEqual(503, answer.status)
        self.assertIn("closed for the moment", answer.text)
        self.assertEqual(200, server.get("/").status)
        self.assertEqual([], self.entries(server))

    def test_the_manifests_check(self):
        for manifest in ("app.yaml", "app.redis.yaml"):
            done = harness.run("manifest", "check", EXAMPLE / manifest)
            self.assertIn("valid, 0 errors, 0 warnings", done.stdout)


if __name__ == "__main__":
    sys.exit(harness.main())
