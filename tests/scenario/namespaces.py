# SPDX-License-Identifier: Apache-2.0
"""Machines in miniature: network namespaces on a bridge, which only they can reach, and programs in them. All of it is
made for one test and goes with it; no traffic leaves the machine."""
import os
import shutil
import subprocess
import unittest

SUBNET = "10.213.77"  # of namespaces that nothing else sees: the bridge is in one of its own


class Network:
    """`count` machines named 1, 2, 3 ... with the addresses SUBNET.1 and so on, around a switch. Skips the test where
    namespaces cannot be made."""

    def __init__(self, case, count):
        if os.geteuid() != 0 or not shutil.which("ip"):
            raise unittest.SkipTest("network namespaces need root and the program ip")
        self.case = case
        self.tag = f"w{os.getpid() % 100000}"
        self.names = []
        case.addCleanup(self.close)
        self.switch = self._add("s")
        self._run("ip", "link", "add", "br0", "type", "bridge", name=self.switch)
        self._run("ip", "link", "set", "br0", "up", name=self.switch)
        self.machines = [Machine(self, number) for number in range(1, count + 1)]

    def _add(self, suffix):
        name = f"{self.tag}{suffix}"
        made = subprocess.run(["ip", "netns", "add", name], stderr=subprocess.PIPE, text=True)
        if made.returncode != 0:
            raise unittest.SkipTest(f"network namespaces cannot be made here: {made.stderr.strip()}")
        self.names.append(name)
        return name

    def _run(self, *command, name=None):
        prefix = ["ip", "netns", "exec", name] if name else []
        subprocess.run([*prefix, *command], check=True, stdout=subprocess.DEVNULL)

    def close(self):
        for machine in getattr(self, "machines", []):
            machine.kill_all()
        for name in self.names:
            subprocess.run(["ip", "netns", "del", name], stderr=subprocess.DEVNULL)
        self.names = []


class Machine:
    def __init__(self, network, number):
        self.network = network
        self.number = number
        self.address = f"{SUBNET}.{number}"
        self.name = network._add(str(number))
        self.port = f"p{number}"
        self.programs = []
        wire = f"{network.tag}v{number}"
        run = network._run
        run("ip", "link", "add", wire, "type", "veth", "peer", "name", self.port)
        run("ip", "link", "set", wire, "netns", self.name)
        run("ip", "link", "set", self.port, "netns", network.switch)
        run("ip", "link", "set", wire, "name", "eth0", name=self.name)
        run("ip", "addr", "add", f"{self.address}/24", "dev", "eth0", name=self.name)
        run("ip", "link", "set", "eth0", "up", name=self.name)
        run("ip", "link", "set", "lo", "up", name=self.name)
        run("ip", "link", "set", self.port, "master", "br0", name=network.switch)
        run("ip", "link", "set", self.port, "up", name=network.switch)

    def cut(self):
        """Nobody reaches it, and it reaches nobody; connections are not told."""
        self.network._run("ip", "link", "set", self.port, "down", name=self.network.switch)

    def heal(self):
        self.network._run("ip", "link", "set", self.port, "up", name=self.network.switch)

    def command(self, *command):
        return ["ip", "netns", "exec", self.name, *map(str, command)]

    def start(self, *command, **options):
        """A program on this machine; `ip netns exec` becomes it, so its process is the program's."""
        program = subprocess.Popen(self.command(*command), **options)
        self.programs.append(program)
        return program

    def run(self, *command, timeout=30, **options):
        return subprocess.run(self.command(*command), timeout=timeout, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              **options)

    def kill_all(self):
        for program in self.programs:
            if program.poll() is None:
                program.kill()
            program.wait()
        self.programs = []


class NatsCluster:
    """One server of a cluster with JetStream on each of the machines given; a client connects to its own."""

    def __init__(self, case, machines):
        if not shutil.which("nats-server"):
            raise unittest.SkipTest("nats-server is not installed: apt-get install nats-server")
        self.case = case
        self.machines = machines
        self.programs = {}
        for machine in machines:
            self.start(machine)

    def start(self, machine):
        folder = self.case.folder / f"nats{machine.number}"
        folder.mkdir(exist_ok=True)
        routes = ", ".join(f'"nats://{m.address}:6222"' for m in self.machines if m is not machine)
        (folder / "nats.conf").write_text(
            f'server_name: "n{machine.number}"\nlisten: "{machine.address}:4222"\nping_interval: "2s"\n'
            f'jetstream {{ store_dir: "{folder}/data" }}\n'
            f'cluster {{ name: "c", listen: "{machine.address}:6222", routes: [{routes}] }}\n')
        log = open(folder / "log", "ab")
        self.case.addCleanup(log.close)
        self.programs[machine.number] = machine.start("nats-server", "-c", folder / "nats.conf", stdout=log, stderr=log)

    def program(self, machine):
        return self.programs[machine.number]

    def url(self, machine):
        return f"nats://{machine.address}:4222"
