#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Messages between components, and from a driver to a handler: within the process of the drivers, with one worker and
with several, and what happens when a handler fails or its worker dies. The guest is tests/guests/messages-c."""

import os
import signal
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402

GUEST = "messages-c"


class MessagingCase(harness.Case):
    def start(self, settings, *options, workers=1):
        return self.serve(harness.guest(GUEST), "--link", "wasi:keyvalue=sqlite,path=got.db", "--link",
                          f"wasmcloud:messaging=local,{settings}", *options, "--data", self.folder / "data",
                          workers=workers)

    def ask(self, server, path, expected=200):
        answer = server.get(path)
        self.assertEqual(expected, answer.status, answer.body)
        return answer.body.decode()

    def publish(self, server, subject, body, more=""):
        self.ask(server, f"/publish?subject={subject}&body={body}{more}")

    def got(self, server, key):
        answer = server.get(f"/got?key={key}")
        return answer.body.decode() if answer.status == 200 else None

    def wait_for(self, server, key, value):
        self.until(lambda: self.got(server, key) == value, 20, f"{key} is {value}")


class Local(MessagingCase):
    def check_messages(self, server):
        self.publish(server, "t.one", "first")
        self.wait_for(server, "first", "t.one")
        self.publish(server, "t.nobody", "lost")
        self.publish(server, "t.two", "n", "&times=50")
        self.wait_for(server, "count", "51")
        self.assertEqual(sorted(["first", "count"] + [f"n{i}" for i in range(50)]),
                         sorted(self.ask(server, "/got").split()))
        self.assertEqual("hi", self.ask(server, "/request?subject=t.one&body=echo:hi"))
        self.assertEqual("error: nobody is subscribed to t.nobody\n",
                         self.ask(server, "/request?subject=t.nobody&body=echo:hi", 502))
        self.assertEqual("error: no answer came within 100 ms\n",
                         self.ask(server, "/request?subject=t.one&body=slow&timeout=100", 502))

    def test_one_worker(self):
        self.check_messages(self.start("subscriptions=t.one;t.two,subjects=t.*"))

    def test_three_workers(self):
        self.check_messages(self.start("subscriptions=t.one;t.two,subjects=t.*", workers=3))

    def test_one_process(self):
        self.check_messages(self.start("subscriptions=t.one;t.two,subjects=t.*", workers=0))

    def test_what_the_link_may_not(self):
        server = self.start("subscriptions=t.one,subjects=t.one")
        said = self.ask(server, "/publish?subject=t.two&body=x", 502)
        self.assertIn("may not publish to t.two: its setting subjects does not allow it", said)
        self.assertIn("may not publish", self.ask(server, "/request?subject=t.two&body=x", 502))
        self.assertIn("no subject", self.ask(server, "/publish?subject=t.*&body=x", 502))
        self.assertIn("may not have answers", self.ask(server, "/publish?subject=t.one&body=x&reply=t.two", 502))
        self.publish(server, "t.one", "steal:t.two")  # in the handler
        self.assertIn("may not publish to t.two", server.wait_line("delivery-error"))

    def test_bodies_have_a_limit(self):
        server = self.start("subjects=t.*,body-bytes-max=4")
        self.publish(server, "t.x", "four")
        self.assertIn("longer than the 4", self.ask(server, "/publish?subject=t.x&body=fives", 502))


class Handlers(MessagingCase):
    SETTINGS = "subscriptions=t.*,subjects=t.*,concurrency=1"

    def goes_on(self, server, key="after"):
        self.publish(server, "t.x", key)
        self.wait_for(server, key, "t.x")

    def test_one_that_traps(self):
        server = self.start(self.SETTINGS)
        self.publish(server, "t.x", "trap")
        line = server.wait_line('"event":"trap"')
        for words in ("handle-message trapped", "unreachable", "wasmcloud:messaging/handler"):
            self.assertIn(words, line)
        self.goes_on(server)
        self.assertIsNone(self.got(server, "trap"))

    def test_one_that_fails(self):
        server = self.start(self.SETTINGS)
        self.publish(server, "t.x", "fail")
        self.assertIn("handle-message answers with an error: asked to fail", server.wait_line("delivery-error"))
        self.goes_on(server)

    def test_one_that_never_ends(self):
        server = self.start(self.SETTINGS, "--cpu-time", "200ms")
        self.publish(server, "t.x", "spin")
        self.assertIn("handle-message was stopped: over its CPU time limit", server.wait_line('"event":"timeout"'))
        self.goes_on(server)

    def test_one_that_waits_too_long(self):
        server = self.start(self.SETTINGS, "--timeout", "100ms")
        self.publish(server, "t.x", "slow")
        self.assertIn("handle-message was stopped: past its deadline", server.wait_line('"event":"timeout"'))
        self.goes_on(server)

    def test_failed_ones_are_tried_again_when_asked_for(self):
        server = self.start(self.SETTINGS + ",redeliver=2")
        self.publish(server, "t.x", "fail")
        self.goes_on(server)
        self.assertIn("a message for t.x, at attempt 3: its handler answers with an error",
                      server.wait_line("delivery-lost"))
        self.assertEqual(3, sum("asked to fail" in event.get("message", "") for event in server.events()))

    def test_a_denied_call_of_the_driver(self):
        for call in ("wasmcloud:messaging/handler.handle-message", "wasmcloud:messaging/handler"):
            with self.subTest(call):
                server = self.start(self.SETTINGS, "--deny-call", call)
                self.publish(server, "t.x", "refused")
                line = server.wait_line("call-denied")
                self.assertIn("local may not call handle-message of wasmcloud:messaging/handler at messages-c", line)
                self.assertIsNone(self.got(server, "refused"))
                server.close()

    def test_a_denied_call_to_the_driver(self):
        server = self.start(self.SETTINGS, "--deny-call", "wasmcloud:messaging/consumer.publish")
        self.assertIn("may not call publish", self.ask(server, "/publish?subject=t.x&body=x", 502))

    def test_more_than_there_are_instances(self):
        server = self.start("subscriptions=t.*,subjects=t.*,concurrency=32", "--max-instances", "3", "--queue", "2")
        self.publish(server, "t.x", "n", "&times=60")
        self.until(lambda: server.get("/got?key=count").body == b"60", 30, "all are handled")

    def test_a_worker_that_dies(self):
        server = self.start(self.SETTINGS + ",redeliver=3")
        self.publish(server, "t.x", "slow")
        self.until(lambda: len(server.workers()) == 1, 10, "there is a worker")
        os.kill(server.workers()[0], signal.SIGKILL)
        server.wait_line("worker-replaced")
        self.wait_for(server, "slow", "t.x")
        self.assertEqual("1", self.got(server, "count"))
        self.goes_on(server)

    def test_a_worker_that_dies_with_a_message_that_is_not_tried_again(self):
        server = self.start(self.SETTINGS)
        self.publish(server, "t.x", "slow")
        os.kill(server.workers()[0], signal.SIGKILL)
        server.wait_line("worker-replaced")
        self.assertIn("given up by local: a message for t.x, at attempt 1: closed", server.wait_line("delivery-lost"))
        self.goes_on(server)
        self.assertIsNone(self.got(server, "slow"))

    def test_the_host_ends_when_they_have(self):
        server = self.start(self.SETTINGS, workers=2)
        self.publish(server, "t.x", "slow")
        server.terminate()
        again = self.start(self.SETTINGS)
        self.assertEqual("t.x", self.got(again, "slow"))


MANIFEST = """\
apiVersion: core.oam.dev/v1beta1
kind: Application
metadata:
  name: post
  annotations: {{version: v1}}
spec:
  components:
    - name: front
      type: component
      properties: {{image: "{image}"}}
      traits:
        - {{type: spreadscaler, properties: {{instances: 20}}}}
        - type: link
          properties: {{target: store, namespace: wasi, package: keyvalue, interfaces: [store, atomics]}}
        - type: link
          properties:
            namespace: wasmcloud
            package: messaging
            interfaces: [consumer]
            target: {{name: broker, config: [{{name: front-subjects, properties: {{subjects: "work.>"}}}}]}}
    - name: worker
      type: component
      properties: {{image: "{image}"}}
      traits:
        - {{type: spreadscaler, properties: {{instances: 20}}}}
        - type: link
          properties: {{target: store, namespace: wasi, package: keyvalue, interfaces: [store, atomics]}}
        - type: link
          properties: {{target: broker, namespace: wasmcloud, package: messaging, interfaces: [consumer]}}
    - name: store
      type: capability
      properties: {{image: "writ:sqlite"}}
    - name: broker
      type: capability
      properties: {{image: "writ:local"}}
      traits:
        - type: link
          properties:
            target: worker
            namespace: wasmcloud
            package: messaging
            interfaces: [handler]
            source: {{config: [{{name: worker-subscriptions, properties: {{subscriptions: "work.*|w"{more}}}}}]}}
  policies:
    - {{name: bounds, type: workload.writ/v1, properties: {{components: front, routes: /}}}}
{policies}"""


class Applications(MessagingCase):
    def up(self, more="", policies="", name="app.yaml", wait=True):
        path = self.folder / name
        path.write_text(MANIFEST.format(image=harness.guest(GUEST), more=more, policies=policies))
        return self.serve(path, "--data", self.folder / "data", command="up", workers=2) if wait else path

    def test_one_component_publishes_and_another_handles(self):
        server = self.up()
        self.publish(server, "work.one", "n", "&times=30")
        self.wait_for(server, "count", "30")
        self.assertEqual("work.one", self.got(server, "n29"))
        self.assertEqual("hi", self.ask(server, "/request?subject=work.two&body=echo:hi"))
        self.assertIn("may not publish", self.ask(server, "/publish?subject=other&body=x", 502))
        self.publish(server, "work.one", "steal:work.two")  # its link has no subjects
        line = server.wait_line("delivery-error")
        self.assertIn("may not publish to work.two", line)
        self.assertIn("post-worker", line)

    def check_changes(self, change, more=""):
        """Messages come while the application is changed four times: each is handled once."""
        server = self.up(more=more)
        path = self.folder / "app.yaml"
        sent = 0
        for number in range(4):
            for batch in range(10):
                self.publish(server, "work.one", f"r{number}b{batch}n", "&times=20")
            self.publish(server, "work.one", f"slow{number}n", "&times=10")
            sent += 210
            text = path.read_text()
            self.assertNotEqual(text, change(text, number))
            path.write_text(change(text, number))
            mark = server.mark()
            server.process.send_signal(signal.SIGHUP)
            self.publish(server, "work.one", f"meanwhile{number}n", "&times=20")
            sent += 20
            server.wait_line('"serving"', 60, since=mark)
        self.wait_for(server, "count", str(sent))
        self.assertEqual(sent + 1, len(self.ask(server, "/got").split()))

    def test_a_change_loses_no_message_and_repeats_none(self):
        self.check_changes(lambda text, n: text.replace(f"version: v{n + 1}", f"version: v{n + 2}"))

    def test_nor_does_a_change_of_the_subscription(self):
        self.check_changes(lambda text, n: text.replace(f'concurrency: "{n + 1}"', f'concurrency: "{n + 2}"'),
                           ', concurrency: "1"')

    def test_rules_for_a_capability(self):
        policy = """\
    - name: calls
      type: calls.writ/v1
      properties: {deny: "broker -> worker wasmcloud:messaging/handler", reason: closed today}
"""
        server = self.up(policies=policy)
        self.publish(server, "work.one", "x")
        line = server.wait_line("call-denied")
        self.assertIn("post-broker may not call handle-message of wasmcloud:messaging/handler at post-worker", line)
        self.assertIn("closed today", line)
        self.assertIsNone(self.got(server, "x"))

    def test_settings_that_mean_nothing(self):
        path = self.up(more=', subscribers: "3"', wait=False)
        done = harness.run("up", "--dry-run", path)
        self.assertEqual(4, done.returncode, done.stderr)
        self.assertIn("the driver local has no setting `subscribers`", done.stdout + done.stderr)


class Schedules(MessagingCase):
    def start_cron(self, settings, *options):
        return self.serve(harness.guest(GUEST), "--link", "wasi:keyvalue=sqlite,path=got.db", "--link",
                          "wasmcloud:messaging/consumer=local", "--link", settings, *options, "--data",
                          self.folder / "data", workers=2)

    def test_a_schedule_of_seconds(self):
        server = self.start_cron("wasmcloud:cron=cron,schedule=* * * * * *,payload=tick")
        self.wait_for(server, "tick", "schedule")
        first = int(self.got(server, "count"))
        self.until(lambda: int(self.got(server, "count")) > first, 20, "it is called again")

    def test_messages_on_a_schedule(self):
        server = self.start_cron("wasmcloud:messaging/handler@ticks=cron,schedule=@every 1s,payload=tick,subject=t.x")
        self.wait_for(server, "tick", "t.x")

    def test_calls_that_fail(self):
        server = self.start_cron("wasmcloud:cron=cron,cronjobs=a=@every 1s:fail")
        line = server.wait_line("delivery-error")
        self.assertIn("invoke answers with an error: asked to fail", line)

    def test_a_rule(self):
        server = self.start_cron("wasmcloud:cron=cron,schedule=@every 1s", "--deny-call", "wasmcloud:cron/*")
        self.assertIn("cron may not call invoke of wasmcloud:cron/scheduler", server.wait_line("call-denied"))

    def test_a_link_that_is_of_no_use(self):
        server = self.start_cron("wasmcloud:cron=cron,schedule=@hourly", "--link", "wasmcloud:postgres=sqlite")
        self.assertIn("neither imports nor exports wasmcloud:postgres/query and the others",
                      server.wait_line("link-unused"))
        self.assertNotIn("scheduler", "".join(line for line in server.lines if "link-unused" in line))

    def test_a_schedule_that_means_nothing(self):
        done = harness.run("run", "--listen", "127.0.0.1:0", "--data", self.folder / "data", "--link",
                           "wasi:keyvalue=memory", "--link", "wasmcloud:messaging/consumer=local", "--link",
                           "wasmcloud:cron=cron,schedule=0 0 31 2 *", harness.guest(GUEST))
        self.assertEqual(4, done.returncode, done.stderr)
        self.assertIn('"0 0 31 2 *" never comes', done.stderr)


class Refusals(MessagingCase):
    def refused(self, expected, component, *options):
        done = harness.run("run", "--listen", "127.0.0.1:0", "--data", self.folder / "data", "--link",
                           "wasi:keyvalue=memory", *options, component)
        self.assertEqual(expected, done.returncode, done.stderr)
        self.assertNotIn("serving", done.stderr)
        return done.stderr

    def test_settings_that_mean_nothing(self):
        for expected, settings, words in ((3, "subscriptions=a..b", '"a..b" is not a subject'),
                                          (3, "concurrency=0", "concurrency is a number from 1 to 512"),
                                          (4, "bus=", "the setting bus is a name")):
            with self.subTest(settings):
                self.assertIn(words, self.refused(expected, harness.guest(GUEST), "--link",
                                                  f"wasmcloud:messaging=local,{settings}"))

    def test_subjects_that_the_writ_does_not_allow(self):
        packages = ("http", "io", "keyvalue", "clocks", "cli", "filesystem", "random")
        allowed = [f"wasi:{package}" for package in packages] + ["wasmcloud:messaging;subjects=orders.*"]
        caps = [option for cap in allowed for option in ("--cap", cap)]
        narrow = self.folder / "narrow.wasm"
        harness.sign(harness.unsigned_guest(GUEST), narrow, *caps)
        for settings, words in (("subjects=other.x", "has other.x among its subjects, which its writ does not allow"),
                                ("subjects=orders.>", "has orders.> among its subjects"),
                                ("subscriptions=>", "has > among its subscriptions")):
            with self.subTest(settings):
                self.assertIn(words, self.refused(3, narrow, "--link", f"wasmcloud:messaging=local,{settings}"))
        server = self.serve(narrow, "--link", "wasi:keyvalue=memory", "--link",
                            "wasmcloud:messaging=local,subjects=orders.new,subscriptions=orders.*|q", "--data",
                            self.folder / "data")
        self.publish(server, "orders.new", "x")
        self.wait_for(server, "x", "orders.new")


if __name__ == "__main__":
    sys.exit(harness.main())
