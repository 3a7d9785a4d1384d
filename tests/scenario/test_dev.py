#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# timeout: 1200
"""`writ dev`: what changes is built and takes over without a failed request, what is broken changes nothing."""
import json
import os
import re
import shutil
import signal
import sys
import threading

import harness
from projects import ProjectCase

CHANGE_SECONDS_MAX = 120


class DevCase(ProjectCase):
    seconds_max = 300

    def dev(self, project, *options, env=None, **keywords):
        home = {"WRIT_HOME": str(self.folder / "home")}
        server = harness.Server(project, *options, env={**(env or {}), **home}, command="dev", wait=False, **keywords)
        self.addCleanup(server.close)
        return server

    def counter(self):
        project = self.new("counter", "visits", "c")
        return project, self.tool_chain("c", project)

    @staticmethod
    def change(path, old, new):
        text = path.read_text()
        assert old in text, (path, old)
        path.write_text(text.replace(old, new))

    def wait_event(self, server, name, since=0):
        return json.loads(server.wait_line(f'^{{"event":"{name}"', CHANGE_SECONDS_MAX, since))

    def plain(self, build="cp in.wasm out.wasm", sources="", name="plain", guest="hello-c"):
        """A project that needs no tool chain: the component is there already."""
        folder = self.folder / name
        folder.mkdir()
        shutil.copyfile(harness.unsigned_guest(guest), folder / "in.wasm")
        (folder / "writ.yaml").write_text(f"name: {name}\ncomponents:\n  - name: app\n    build: {json.dumps(build)}\n"
                                          f"    output: out.wasm\n{sources}")
        text = (harness.ROOT / "templates" / "hello" / "all" / "app.yaml").read_text()
        (folder / "app.yaml").write_text(text.replace("@NAME@", name).replace("./build/app.wasm", "./out.wasm"))
        return folder


class Load:
    """Requests without a pause; what is no 200 is kept."""

    def __init__(self, server):
        self.server, self.count, self.bad, self.ended = server, 0, [], False
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self):
        while not self.ended:
            try:
                answer = self.server.get("/")
                if answer.status != 200 or not answer.complete:
                    self.bad.append(repr(answer))
            except Exception as error:  # whatever went wrong is the finding
                self.bad.append(repr(error))
            self.count += 1

    def end(self):
        self.ended = True
        self.thread.join(30)
        return self.bad


class Changes(DevCase):
    def test_a_change_a_mistake_and_its_repair_under_load(self):
        project, env = self.counter()
        server = self.dev(project, env=env).wait_ready()
        source = project / "app" / "app.c"
        self.assertIn("Hello, visitor number 1.", server.get("/").text)
        load = Load(server)
        try:
            mark = server.mark()
            self.change(source, "Hello, visitor", "Welcome, visitor")
            self.wait_event(server, "serving", mark)
            self.until(lambda: "Welcome" in server.get("/").text, 10, "the new version")

            mark = server.mark()
            self.change(source, "bool is_counted =", "bool is_counted = oops")
            self.assertIn("exit status 1", self.wait_event(server, "build-failed", mark)["message"])
            server.wait_line("error: ", since=mark)  # of the compiler
            self.assertIn("the last good version", self.wait_event(server, "waiting", mark)["message"])
            self.assertIn("Welcome", server.get("/").text)

            mark = server.mark()
            self.change(source, "bool is_counted = oops", "bool is_counted =")
            self.change(source, "Welcome, visitor", "Again, visitor")
            self.wait_event(server, "serving", mark)
            self.until(lambda: "Again" in server.get("/").text, 10, "the repaired version")
        finally:
            bad = load.end()
        self.assertEqual([], bad[:5], f"{len(bad)} of {load.count}")
        self.assertGreater(load.count, 50)

    def test_state_survives_a_restart(self):
        project, env = self.counter()
        first = self.dev(project, env=env).wait_ready()
        self.assertIn("number 1.", first.get("/").text)
        self.assertEqual(0, first.terminate(30))
        second = self.dev(project, env=env).wait_ready()
        self.assertIn("number 2.", second.get("/").text)
        self.assertTrue((project / ".writ" / "data").is_dir())

    def test_a_version_that_asks_for_more_is_not_taken_and_the_link_is_shown(self):
        project, env = self.counter()
        server = self.dev(project, env=env, json_log=False).wait_ready()
        server.wait_line("stdio: inherit in its policy shows it")  # what it printed would be lost: said once
        manifest = project / "app.yaml"
        link = re.search(r"        - type: link\n +properties: \{target: store.*\n", manifest.read_text())[0]
        mark = server.mark()
        self.change(manifest, link, "")
        server.wait_line("the change is not taken", CHANGE_SECONDS_MAX, mark)
        shown = "\n".join(server.lines[mark:])
        self.assertIn("wasi:keyvalue/store@0.2.0-draft: nothing is linked to it", shown)
        self.assertIn("        - type: link\n          properties: {target: store, namespace: wasi, package: keyvalue, "
                      "interfaces: [store, atomics]}", shown)
        self.assertIn("number 1.", server.get("/").text)
        self.assertIn("    - name: store\n      type: capability\n      properties: {image: \"writ:sqlite\"}", shown)
        # What it advised is right.
        mark = server.mark()
        advised = re.search(r"        - type: link\n +properties: .*", shown)[0]
        self.change(manifest, "\n    # The number lives", f"{advised}\n\n    # The number lives")
        server.wait_line("serving http", CHANGE_SECONDS_MAX, mark)
        self.assertIn("number 2.", server.get("/").text)

    def test_links_that_imports_have_names_for(self):
        server = self.dev(self.plain(guest="named-c"), json_log=False)
        server.wait_line("waiting for a change", CHANGE_SECONDS_MAX)
        for name in ("cache", "backup"):
            self.assertIn(f"properties: {{name: {name}, target: store, namespace: wasi, package: keyvalue, interfaces: "
                          "[store]}", server.log())
        self.assertEqual(1, server.log().count('image: "writ:sqlite"'))

    def test_a_first_version_that_is_wrong_is_waited_for(self):
        folder = self.plain()
        good = (folder / "in.wasm").read_bytes()
        (folder / "in.wasm").write_text("no component")
        server = self.dev(folder)
        self.wait_event(server, "build-failed")
        (folder / "in.wasm").write_bytes(good)
        server.wait_ready()
        self.assertEqual(200, server.get("/").status)


class Builds(DevCase):
    def test_what_does_not_change_is_not_built(self):
        folder = self.plain("echo x >> built; cp in.wasm out.wasm", "    sources: [in.wasm, part]\n")
        server = self.dev(folder).wait_ready()
        (folder / "other").write_text("no source")
        (folder / "in.wasm").write_bytes((folder / "in.wasm").read_bytes())  # the same again
        mark = server.mark()
        (folder / "part").write_text("a new source")
        self.wait_event(server, "serving", mark)
        self.assertEqual("x\nx\n", (folder / "built").read_text())

    def test_new_folders_and_replaced_files_are_seen(self):
        folder = self.plain(sources="    sources: [in.wasm, src]\n")
        (folder / "src").mkdir()
        server = self.dev(folder).wait_ready()
        for step in ("src/deep", "src/deep/er"):
            (folder / step).mkdir()
        for name in ("src/deep/er/file", "src/deep/er/file", "in.wasm"):
            mark = server.mark()
            fresh = folder / "fresh~"
            fresh.write_bytes((folder / "in.wasm").read_bytes() if name == "in.wasm" else os.urandom(8))
            if name == "in.wasm":
                shutil.copyfile(harness.unsigned_guest("counter"), fresh)
            fresh.rename(folder / name)
            self.wait_event(server, "building", mark)
            self.until(lambda: any(re.search('"(built|kept|serving)"', line) for line in server.lines[mark:]), 60, name)

    def test_a_build_that_changes_its_sources_ends(self):
        folder = self.plain("date +%s%N > stamp; cp in.wasm out.wasm")
        server = self.dev(folder).wait_ready()
        self.assertIn("name in its `sources`", self.wait_event(server, "loop")["message"])
        built = len([e for e in server.events() if e.get("event") == "building"])
        self.assertLessEqual(built, 4)

    def test_missing_programs(self):
        folder = self.plain()
        with open(folder / "writ.yaml", "a") as file:
            file.write("tools:\n  - {run: no-such-compiler, get: buy one}\n")
        server = self.dev(folder)
        server.may_fail = True
        self.assertEqual(5, server.process.wait(20))
        self.assertIn("no-such-compiler: buy one", server.log())

    def test_the_project_file_may_change(self):
        folder = self.plain()
        server = self.dev(folder).wait_ready()
        mark = server.mark()
        self.change(folder / "writ.yaml", "name: app", "name: App")
        server.wait_line("is no name", CHANGE_SECONDS_MAX, mark)
        self.assertEqual(200, server.get("/").status)
        mark = server.mark()
        self.change(folder / "writ.yaml", "name: App", "name: front")
        self.wait_event(server, "serving", mark)


class Options(DevCase):
    def test_what_follows_is_for_the_host(self):
        audit = self.folder / "audit.log"
        server = self.dev(audit, self.plain(), "--", "--audit").wait_ready()
        self.assertEqual(0, server.terminate(30))
        self.assertTrue(audit.exists())


class Ends(DevCase):
    def test_the_host_ends_with_it(self):
        folder = self.plain()
        server = self.dev(folder).wait_ready()
        server.may_fail = True
        server.process.send_signal(signal.SIGKILL)
        server.process.wait(10)

        def is_gone():
            try:
                server.get("/")
            except (OSError, EOFError):
                return True
            return False
        self.until(is_gone, 30, "the end of the host")

    def test_a_host_that_crashes_is_started_again(self):
        server = self.dev(self.plain()).wait_ready()
        mark = server.mark()
        (host,) = [pid for pid in server.children() if b"__dev_host" in harness.command_line(pid)]
        os.kill(host, signal.SIGKILL)
        self.assertIn("signal 9", self.wait_event(server, "host-ended", mark)["message"])
        self.wait_event(server, "serving", mark)
        server.wait_ready()

    def test_a_build_that_runs_is_ended(self):
        folder = self.plain("echo $$ > pid; sleep 100")
        server = self.dev(folder)
        self.until(lambda: (folder / "pid").exists() and (folder / "pid").read_text(), 30, "the build")
        pid = int((folder / "pid").read_text())
        self.assertEqual(0, server.terminate(20))
        self.assertFalse(os.path.exists(f"/proc/{pid}"))

    def test_the_key_is_believed_by_this_host_alone(self):
        folder = self.plain()
        server = self.dev(folder).wait_ready()
        self.assertEqual(0, server.terminate(30))
        home = {"WRIT_HOME": str(self.folder / "home")}
        done = harness.run("up", "--dry-run", folder / "app.yaml", env=home)
        self.assertEqual(3, done.returncode)
        done = harness.run("up", "--dry-run", "--trust", folder / ".writ" / "trust.json", folder / "app.yaml", env=home)
        self.assertEqual(0, done.returncode, done.stderr)


if __name__ == "__main__":
    sys.exit(harness.main())
