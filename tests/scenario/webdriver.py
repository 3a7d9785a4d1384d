# SPDX-License-Identifier: Apache-2.0
"""A headless Chromium, driven over the W3C WebDriver protocol: as much of it as our tests need."""
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
import unittest
import urllib.error
import urllib.request

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the key of an element's number, by the standard
CALL_SECONDS_MAX = 180


class Error(Exception):
    """What the driver answered instead of a value; `name` is one of the standard's."""

    def __init__(self, name, message):
        super().__init__(f"{name}: {message}")
        self.name = name


class Browser:
    """One window. Skips the test when there is no browser here."""

    def __init__(self):
        for program in ("chromium", "chromedriver"):
            if not shutil.which(program):
                raise unittest.SkipTest(f"{program} is not installed: apt-get install chromium chromium-driver")
        self.profile = tempfile.TemporaryDirectory(prefix="writ-browser-", ignore_cleanup_errors=True)
        env = {**os.environ, "HOME": self.profile.name}
        self.process = subprocess.Popen(["chromedriver", "--port=0"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True, env=env)
        self.session = None
        try:
            self.port = self._read_port()
            self.session = self._start()
        except BaseException:
            self.close()
            raise

    def _read_port(self):
        for line in self.process.stdout:
            found = re.search(r"started successfully on port (\d+)", line)
            if found:
                return int(found[1])
        raise AssertionError("chromedriver ended before it said its port")

    def _start(self):
        words = ["--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                 f"--user-data-dir={self.profile.name}/profile"]
        if os.geteuid() == 0:
            words.append("--no-sandbox")  # its own sandbox does not work for root
        wanted = {"browserName": "chrome", "goog:chromeOptions": {"args": words, "binary": shutil.which("chromium")}}
        answer = self._call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        return answer["sessionId"]

    def _call(self, method, path, body=None):
        data = None if method == "GET" else json.dumps(body or {}).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data=data, method=method,
                                         headers={"content-type": "application/json"})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=CALL_SECONDS_MAX) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            value = json.load(error)["value"]
            raise Error(value["error"], value["message"]) from None

    def _do(self, method, path, **body):
        return self._call(method, f"/session/{self.session}{path}", body)

    def open(self, url):
        """Goes there, and waits until it is loaded."""
        self._do("POST", "/url", url=url)

    def find(self, css):
        """The number of the one element that matches."""
        return self._do("POST", "/element", using="css selector", value=css)[ELEMENT]

    def find_all(self, css):
        return [row[ELEMENT] for row in self._do("POST", "/elements", using="css selector", value=css)]

    def text(self, css):
        return self._do("GET", f"/element/{self.find(css)}/text")

    def texts(self, css):
        return [self._do("GET", f"/element/{number}/text") for number in self.find_all(css)]

    def value(self, css):
        """What stands in a field now."""
        return self._do("GET", f"/element/{self.find(css)}/property/value")

    def type(self, css, text):
        self._do("POST", f"/element/{self.find(css)}/value", text=text)

    def click(self, css):
        self._do("POST", f"/element/{self.find(css)}/click")

    def submit(self, css):
        """Clicks on what leads to another page, and waits until that is loaded."""
        self.run("window.isBefore = true")
        self.click(css)
        deadline = time.monotonic() + CALL_SECONDS_MAX
        while not self.run("return window.isBefore === undefined && document.readyState === 'complete'"):
            if time.monotonic() > deadline:
                raise AssertionError(f"no other page came after a click on {css}")
            time.sleep(0.01)

    def run(self, script):
        """The value of a script in the page: `return document.title`."""
        return self._do("POST", "/execute/sync", script=script, args=[])

    def url(self):
        return self._do("GET", "/url")

    def has_alert(self):
        try:
            self._do("GET", "/alert/text")
        except Error as error:
            if error.name == "no such alert":
                return False
            raise
        return True

    def close(self):
        if self.session is not None:
            self._do("DELETE", "")
            self.session = None
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(20)
        self.process.stdout.close()
        self.profile.cleanup()
