# SPDX-License-Identifier: Apache-2.0
"""Projects as `writ new` makes them, for the tests that build and run them."""
import functools
import sys
import unittest

import harness
from harness import Case

sys.path.insert(0, str(harness.ROOT / "tests" / "guests"))
import toolchains  # noqa: E402  (stands with the guests)

COMPILE_SECONDS_MAX = 400  # of an interpreter, on a busy machine, under sanitizers
LANGUAGES = {"c": "C", "js": "JavaScript", "python": "Python", "go": "Go"}


@functools.lru_cache(maxsize=None)
def tools():
    return toolchains.Tools()


class ProjectCase(Case):
    seconds_max = 600

    def new(self, template, name, language):
        done = harness.run("new", template, name, "--lang", language, cwd=self.folder)
        self.assertEqual(0, done.returncode, done.stderr)
        return self.folder / name

    def tool_chain(self, language, project):
        try:
            return toolchains.project_environment(tools(), language, project, self.folder)
        except toolchains.BuildError as error:
            raise unittest.SkipTest(f"{language}: {error}") from None

    def build(self, project, env, *options, status=0):
        harness.account()
        done = harness.run("build", "--issuer", "tests", *options, project, env=env, timeout=500)
        self.assertEqual(status, done.returncode, done.stderr)
        return done

    def made(self, template, language):
        """A project that is built and signed."""
        project = self.new(template, f"my-{template}", language)
        self.build(project, self.tool_chain(language, project))
        return project

    def up(self, project):
        server = harness.Server(project / "app.yaml", "--data", str(self.folder / "data"), "--workers", "1",
                                command="up", wait=False)
        self.addCleanup(server.close)
        return server.wait_ready(COMPILE_SECONDS_MAX)
