#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# timeout: 900
"""Three machines (network namespaces), a server of NATS and a host on each: what callers see when a host is killed,
stands still, is cut off, or starts anew, and when a server of NATS is. A caller on the first machine asks a component
of which the other two have replicas, all the time; what failed is counted, and after each trouble everything answers
again within seconds."""
import json
import signal
import subprocess
import threading
import time

import harness
import namespaces
from harness import BINARY, CACHE, environment, writ

RECOVERY_S = 5.0
LOAD_PAUSE_S = 0.002


class Host:
    def __init__(self, case, machine, cluster, key):
        self.case = case
        self.machine = machine
        self.cluster = cluster
        self.key = key
        self.name = f"h{machine.number}"
        self.start()

    def start(self):
        case = self.case
        servers = ",".join(self.cluster.url(m) for m in [self.machine, *case.network.machines] if m.number <= 3)
        data = case.folder / f"data{self.machine.number}"
        data.mkdir(exist_ok=True)
        (case.folder / f"run{self.machine.number}").mkdir(mode=0o700, exist_ok=True)
        self.log = open(case.folder / f"{self.name}.log", "ab")
        case.addCleanup(self.log.close)
        self.process = self.machine.start(
            BINARY, "host", "--nats", servers, "--name", self.name, "--allow-file-load", "--workers", "1",
            "--allow-unsigned-control", "admin", "--cluster-key", self.key, "--data", data, "--cache", CACHE,
            "--kv-replicas", "3", "-o", "json", stdout=self.log, stderr=self.log,
            env=environment({"XDG_RUNTIME_DIR": str(case.folder / f"run{self.machine.number}")}))

    def kill(self):
        """As a crash: nobody is told. Its children see that it is gone."""
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


class Load:
    """Asks one after the other and counts."""

    def __init__(self, url, machine):
        self.good = self.failed = 0
        self.slowest_s = 0.0
        self.last_failure_at = 0.0
        self.reasons = {}
        self.lines = []
        script = (
            "import sys,time,http.client\n"
            "host=sys.argv[1]\n"
            "c=None\n"
            "while True:\n"
            "  t=time.monotonic(); s='?'\n"
            "  try:\n"
            "    if c is None: c=http.client.HTTPConnection(host,timeout=15)\n"
            "    c.request('GET','/once/100'); r=c.getresponse(); b=r.read(); s=str(r.status)\n"
            "    if b!=b'100\\n': s+=' '+repr(b[:80])\n"
            "  except Exception as e:\n"
            "    s=repr(e); c=None\n"
            "  print(f'{time.monotonic()-t:.4f} {s}',flush=True)\n"
            f"  time.sleep({LOAD_PAUSE_S})\n")
        self.process = machine.start("python3", "-c", script, url, stdout=subprocess.PIPE, text=True)
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        for line in self.process.stdout:
            seconds, what = line.rstrip("\n").split(" ", 1)
            self.slowest_s = max(self.slowest_s, float(seconds))
            if what == "200":
                self.good += 1
            else:
                self.failed += 1
                self.last_failure_at = time.monotonic()
                self.reasons[what] = self.reasons.get(what, 0) + 1

    def counts(self):
        return self.good, self.failed

    def close(self):
        self.process.kill()
        self.thread.join(5)
        self.process.stdout.close()


class Machines(harness.Case):
    seconds_max = 240

    def setUp(self):
        super().setUp()
        self.network = namespaces.Network(self, 3)
        self.cluster = namespaces.NatsCluster(self, self.network.machines)
        self.first, self.second, self.third = self.network.machines
        key = f"machines-{id(self)}"
        writ("keys", "gen", "cluster", key)
        self.hosts = [Host(self, machine, self.cluster, key) for machine in self.network.machines]
        self.until(lambda: len(self.hosts_seen()) == 3, 60, "three hosts see each other")

    def tearDown(self):
        if self._outcome.result.failures or self._outcome.result.errors:
            for host in getattr(self, "hosts", []):
                lines = (self.folder / f"{host.name}.log").read_text(errors="replace").splitlines()
                print(f"--- the last lines of {host.name}:", *lines[-12:], sep="\n")
        super().tearDown()

    def lattice(self, *arguments, timeout=70):
        done = self.first.run(BINARY, *arguments, "--nats", self.cluster.url(self.first), "-o", "json", timeout=timeout,
                              env=environment())
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def must(self, *arguments):
        code, out, error = self.lattice(*arguments)
        self.assertEqual(code, 0, f"{arguments}: {out} {error}")
        return out

    def hosts_seen(self):
        code, out, _ = self.lattice("get", "hosts")
        return json.loads(out)["hosts"] if code == 0 and out else []

    def deploy(self):
        image = f"file://{harness.guest('echo-c')}"
        self.must("start", "component", image, "front", "--max", "20", "--on", "h1")
        for name in ("h2", "h3"):
            self.must("start", "component", image, "back", "--max", "50", "--on", name)
        self.must("config", "put", "http", f"address={self.first.address}:8000")
        self.must("start", "provider", "wasmcloud+builtin://http-server", "http", "--on", "h1", "--config", "http")
        self.must("link", "put", "http", "front", "wasi:http/incoming-handler", "--source-config", "http")
        self.must("link", "put", "front", "back", "test:echo/echo")
        self.load = Load(f"{self.first.address}:8000", self.first)
        self.addCleanup(self.load.close)
        self.until(lambda: self.load.good > 100, 30, "calls are answered")
        self.until(lambda: time.monotonic() - self.load.last_failure_at > 1, 20, "calls are answered without failures")

    def report(self, what, before, healed_at):
        """Everything answers again at the latest RECOVERY_S after `healed_at`."""
        def quiet():
            now = time.monotonic()
            return now - max(self.load.last_failure_at, healed_at) > 1.5 and self.load.good > answered
        answered = self.load.good
        self.until(quiet, RECOVERY_S + 10, f"{what}: answers again")
        good, failed = (now - then for now, then in zip(self.load.counts(), before))
        recovered = max(0.0, self.load.last_failure_at - healed_at)
        print(f"{what}: {good} answered, {failed} failed, the last failure {recovered:.1f} s after, "
              f"{json.dumps(self.load.reasons)}")
        self.load.reasons.clear()
        self.assertLessEqual(recovered, RECOVERY_S, what)
        return good, failed

    def test_hosts_in_trouble(self):
        self.deploy()
        second, third = self.hosts[1], self.hosts[2]

        before = self.load.counts()
        second.kill()
        self.report("a host is killed", before, time.monotonic())
        second.start()
        self.until(lambda: len(self.hosts_seen()) == 3, 30, "the killed host is back")
        self.must("start", "component", f"file://{harness.guest('echo-c')}", "back", "--max", "50", "--on", "h2")

        before = self.load.counts()
        third.process.send_signal(signal.SIGSTOP)
        time.sleep(6)
        third.process.send_signal(signal.SIGCONT)
        self.report("a host stands still for 6 s", before, time.monotonic())

        before = self.load.counts()
        self.third.cut()
        time.sleep(6)
        self.third.heal()
        self.report("a machine is cut off for 6 s", before, time.monotonic())

        before = self.load.counts()
        self.assertEqual(second.stop(), 0)
        second.start()
        self.until(lambda: len(self.hosts_seen()) == 3, 30, "the restarted host is back")
        _, failed = self.report("a host is restarted", before, time.monotonic())
        self.assertEqual(failed, 0, "a host that is told to end loses no call")

    def test_servers_in_trouble(self):
        self.deploy()
        server = self.cluster.program(self.second)

        before = self.load.counts()
        server.kill()
        server.wait()
        self.report("a server of NATS is killed", before, time.monotonic())
        self.cluster.start(self.second)
        time.sleep(2)

        before = self.load.counts()
        server = self.cluster.program(self.third)
        server.send_signal(signal.SIGSTOP)
        time.sleep(6)
        server.send_signal(signal.SIGCONT)
        self.report("a server of NATS stands still for 6 s", before, time.monotonic())

        before = self.load.counts()
        for machine in self.network.machines:  # one after the other
            program = self.cluster.program(machine)
            program.send_signal(signal.SIGTERM)
            program.wait(20)
            self.cluster.start(machine)
            time.sleep(3)
        self.report("all servers of NATS are restarted in turn", before, time.monotonic())
        # What was said before is known still, and can be changed.
        self.until(lambda: self.lattice("link", "put", "front", "back", "test:echo/echo")[0] == 0, 20, "a link is put")

    def test_a_deleted_link_is_deleted_for_who_was_cut_off(self):
        self.deploy()
        self.first.cut()
        time.sleep(1)

        def delete():  # servers may have the request go to whom they do not know yet to be gone
            return self.second.run(BINARY, "link", "del", "front", "test:echo", "--nats", self.cluster.url(self.second),
                                   timeout=60, env=environment()).returncode == 0
        self.until(delete, 30, "the link is deleted")
        self.first.heal()
        healed = time.monotonic()
        self.until(lambda: self.load.failed > 0 and self.load.last_failure_at > healed, RECOVERY_S + 15,
                   "calls through the deleted link are refused")
        good = self.load.good
        time.sleep(1)
        self.assertEqual(self.load.good, good, "no call went through after that")


if __name__ == "__main__":
    raise SystemExit(harness.main())
