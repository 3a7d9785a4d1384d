#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# timeout: 1500
"""The examples in a lattice, as their manifests say: on one host without NATS, through its socket, and spread over
three hosts, so that whoever is linked is on another host. Each does its work there."""
import json
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
import servers  # noqa: E402
import test_bank  # noqa: E402
import test_guestbook  # noqa: E402
import test_plug_ins  # noqa: E402
import test_thumbnails  # noqa: E402

EXAMPLES = harness.ROOT / "examples"
COMPILE_SECONDS_MAX = 600
PICTURES = 100
ADDRESS = "127.0.0.1:8080"  # of the web servers in the manifests


class Site:
    """Where an example answers; what the checks of the examples want of a server."""

    def __init__(self, port):
        self.port = port

    def get(self, path="/", **keywords):
        return harness.request(self.port, "GET", path, **keywords)

    def post(self, path, body, **keywords):
        return harness.request(self.port, "POST", path, body=body, **keywords)


class Lattice:
    """What both kinds have; where hosts are and how commands reach them is said by the classes below."""

    seconds_max = 900
    workers = 1

    def setUp(self):
        super().setUp()
        harness.account()
        self.env = harness.environment({"XDG_RUNTIME_DIR": str(self.run_folder())})
        self.key = f"examples-{os.getpid()}-{id(self)}"
        harness.writ("keys", "gen", "cluster", self.key)
        self.start_hosts()

    def run_folder(self):
        folder = self.folder / "run"
        folder.mkdir(mode=0o700)
        return folder

    def host(self, name, *options):
        log = open(self.folder / f"{name}.log", "wb")
        command = [harness.BINARY, "host", *options, "--name", name, "--allow-file-load", "--workers",
                   self.workers, "--cluster-key", self.key, "--data", self.folder / "data" / name, "--cache",
                   harness.CACHE, "-o", "json"]
        process = subprocess.Popen([str(word) for word in command], env=self.env, stdin=subprocess.DEVNULL, stdout=log,
                                   stderr=log)
        self.addCleanup(self.end, name, process, log)

    def end(self, name, process, log):
        process.terminate()
        try:
            status = process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            status = process.wait()
        log.close()
        text = self.log(name)
        self.assertFalse(harness.ALARMS.search(text), text)
        self.assertEqual(0, status, text[-5000:])

    def log(self, name):
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def writ(self, *arguments):
        command = [str(harness.BINARY), *map(str, arguments), *map(str, self.to_lattice), "-o", "json"]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=self.env,
                              timeout=COMPILE_SECONDS_MAX)
        logs = "\n".join(self.log(name)[-3000:] for name in self.names_of_hosts) if done.returncode != 0 else ""
        self.assertEqual(0, done.returncode, f"{command}: {done.stdout}{done.stderr}\n{logs}")
        return json.loads(done.stdout) if done.stdout.strip() else {}

    def wait_hosts(self):
        def are_there():
            done = subprocess.run([str(harness.BINARY), "get", "hosts", *map(str, self.to_lattice), "-o", "json"],
                                  stdin=subprocess.DEVNULL, capture_output=True, text=True, env=self.env, timeout=60)
            return done.returncode == 0 and len(json.loads(done.stdout)["hosts"]) == len(self.names_of_hosts)
        self.until(are_there, 60, "the hosts see each other")

    # --- from a manifest --------------------------------------------------------------------------------------------

    def deploy(self, manifest, guests, path="/"):
        """Starts what the manifest of an example names, with configurations and links; `guests` are its images."""
        spec = json.loads(harness.writ("manifest", "show", "-o", "json", manifest))["spec"]
        parts = spec["components"]
        port = servers.free_port()
        places = self.places(parts)
        for part in parts:
            self.start(part, places[part["name"]], guests, port, bounds(spec, part["name"]))
        for source, link in links(parts):
            ends = [word for end in ("source", "target")
                    for word in self.configured(link.get(end, {}), f"--{end}-config", port)]
            interfaces = f"{link['namespace']}:{link['package']}/{','.join(link['interfaces'])}"
            name = link.get("name", "default")
            self.writ("link", "put", source, link["target"]["name"], interfaces, "--name", name, *ends)
        site = Site(port)
        self.until(lambda: answers(site, path), 30, "it answers")
        return site

    def start(self, part, host, guests, port, limits):
        properties = part["properties"]
        options = ["--on", host, "--wait", f"{COMPILE_SECONDS_MAX}s", *self.configured(properties, "--config", port)]
        if part["type"] == "capability":
            self.writ("start", "provider", properties["image"], part["name"], *options)
            return
        scale = [t["properties"]["instances"] for t in part.get("traits", []) if t["type"] == "spreadscaler"]
        image = f"file://{guests(part['name'])}"
        self.writ("start", "component", image, part["name"], "--max", *scale, *limits, *options)

    def configured(self, at, option, port):
        """Puts the configurations that are named there, and says so in words of a command."""
        words = []
        for config in at.get("config", []):
            values = [f"{k}={str(v).replace(ADDRESS, f'127.0.0.1:{port}')}" for k, v in config["properties"].items()]
            self.writ("config", "put", config["name"], *values)
            words += [option, config["name"]]
        return words

    def places(self, parts):
        """A host for each, another one than those of all that it is linked with where there are several hosts."""
        pairs = {frozenset((source, link["target"]["name"])) for source, link in links(parts)}
        places = {}
        for name in (part["name"] for part in parts):
            taken = [places[other] for pair in pairs if name in pair for other in pair - {name} if other in places]
            free = [host for host in self.names_of_hosts if host not in taken] or self.names_of_hosts
            places[name] = min(free, key=lambda host: list(places.values()).count(host))
        if len(self.names_of_hosts) > 1:
            for one, other in map(tuple, pairs):
                self.assertNotEqual(places[one], places[other], (one, other))
        return places


def bounds(spec, name):
    """What its policy says of a component, in words of a command. `cpu-time` has none: see docs/operate.md."""
    words = []
    for policy in spec.get("policies", []):
        properties = policy["properties"]
        if policy["type"] == "workload.writ/v1" and name in properties["components"].split():
            for property, option in (("max-memory", "--max-memory"), ("timeout", "--max-execution-time")):
                words += [option, properties[property]] if property in properties else []
    return words


def links(parts):
    return [(part["name"], trait["properties"]) for part in parts for trait in part.get("traits", [])
            if trait["type"] == "link"]


def answers(site, path):
    try:
        return site.get(path).status < 500
    except (OSError, EOFError, AssertionError):
        return False


class OnOne(Lattice):
    """No NATS, no port; commands go through the socket of the host."""

    names_of_hosts = ("only",)
    to_lattice = ("--host", "default")

    def start_hosts(self):
        self.host("only")
        self.wait_hosts()


class OnThree(Lattice):
    names_of_hosts = ("first", "second", "third")

    def start_hosts(self):
        nats = ("--nats", f"nats://127.0.0.1:{servers.Nats(self).port}")
        self.to_lattice = nats
        for name in self.names_of_hosts:
            self.host(name, *nats, "--allow-unsigned-control", "admin", "--host", name)
        self.wait_hosts()


class Counter:
    def test_visitors_are_counted(self):
        site = self.deploy(EXAMPLES / "counter" / "app.yaml", harness.guest)
        first = int(re.fullmatch(r"Hello, visitor number (\d+)\.\n", site.get().text)[1])
        for number in range(first + 1, first + 6):
            self.assertEqual(f"Hello, visitor number {number}.\n", site.get().text)


class Bank:
    """The checks of the example itself; what its own policies say is not a part of a lattice."""

    open = test_bank.Bank.open
    ask = test_bank.Bank.ask
    accounts = test_bank.Bank.accounts
    transfer = test_bank.Bank.transfer
    test_transfers = test_bank.Bank.test_transfers
    test_what_customers_send_is_never_a_part_of_a_statement = (
        test_bank.Bank.test_what_customers_send_is_never_a_part_of_a_statement)
    test_money_is_conserved_under_many_transfers_at_once = (
        test_bank.Bank.test_money_is_conserved_under_many_transfers_at_once)

    def up(self):
        return self.deploy(EXAMPLES / "bank" / "app.yaml", lambda name: harness.guest(f"bank-{name}"))


class Thumbnails:
    """Pictures over HTTP, messages by a provider to a component of another host, objects in a third."""

    upload = test_thumbnails.ThumbnailsCase.upload
    upload_all = test_thumbnails.ThumbnailsCase.upload_all
    names = test_thumbnails.ThumbnailsCase.names
    check_all = test_thumbnails.ThumbnailsCase.check_all

    def test_each_picture_has_its_thumbnail(self):
        site = self.deploy(EXAMPLES / "thumbnails" / "app.yaml", lambda name: harness.guest(f"thumbnails-{name}"),
                           "/thumbnails")
        names = [f"p{number}" for number in range(PICTURES)]
        self.upload_all(site, names)
        self.check_all(site, names)
        for name in names[:5]:
            self.assertEqual(test_thumbnails.as_file(*test_thumbnails.picture(name)),
                             site.get(f"/pictures/{name}").body)


class PlugIns:
    results = test_plug_ins.PlugInsCase.results
    check_well = test_plug_ins.PlugInsCase.check_well

    def test_each_has_its_result_or_its_failure(self):
        site = self.deploy(EXAMPLES / "plug-ins" / "app.yaml", lambda name: harness.guest(f"plug-ins/{name}"),
                           "/nowhere")
        results = self.results(site)
        self.assertEqual(set(test_plug_ins.PARTS) - {"gallery"}, set(results))
        self.check_well(results)
        self.assertEqual(("done", "nothing yet"), results["remember"][:2])
        self.assertEqual(["failed", "failed"], [results[name][0] for name in ("endless", "greedy")])
        self.assertEqual(("done", "network: refused; folders: 0; the bucket of another: refused"), results["nosy"][:2])
        again = self.results(site, "another text")
        self.assertEqual(("done", test_plug_ins.TEXT), again["remember"][:2])
        self.assertEqual("another text"[::-1], again["reverse"][1])


class Guestbook:
    post = test_guestbook.GuestbookCase.post
    entries = test_guestbook.GuestbookCase.entries

    def test_people_sign_it(self):
        site = self.deploy(EXAMPLES / "guestbook" / "app.yaml", lambda name: harness.guest(f"guestbook/{name}"))
        self.assertEqual([], self.entries(site))
        for name, message in (("Ada", "Hello,\nworld"), ("Grace <b>", "Me, too")):
            self.assertEqual(303, self.post(site, name, message).status)
        self.assertEqual(["Grace <b>", "Ada"], self.entries(site))
        self.assertIn("Hello,\nworld", site.get().text)
        refused = self.post(site, "Eve", "the casino")
        self.assertEqual(422, refused.status)
        self.assertIn("other words", refused.text)
        self.assertEqual(["Grace <b>", "Ada"], self.entries(site))


class CounterOnOne(Counter, OnOne, harness.Case):
    pass


class CounterOnThree(Counter, OnThree, harness.Case):
    pass


class BankOnOne(Bank, OnOne, harness.Case):
    pass


class BankOnThree(Bank, OnThree, harness.Case):
    pass


class ThumbnailsOnOne(Thumbnails, OnOne, harness.Case):
    pass


class ThumbnailsOnThree(Thumbnails, OnThree, harness.Case):
    pass


class PlugInsOnOne(PlugIns, OnOne, harness.Case):
    pass


class PlugInsOnThree(PlugIns, OnThree, harness.Case):
    pass


class GuestbookOnOne(Guestbook, OnOne, harness.Case):
    pass


class GuestbookOnThree(Guestbook, OnThree, harness.Case):
    pass


class PlugInsNearAndFar(PlugIns, OnThree, harness.Case):
    """Of one interface some links lead to components of the same host, and the others away from it."""

    def places(self, parts):
        return {part["name"]: self.names_of_hosts[at % 3] for at, part in enumerate(parts)}


if __name__ == "__main__":
    sys.exit(harness.main())
