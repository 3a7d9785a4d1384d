#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""examples/bank: transfers are transactions, money stays money, and only the ledger writes, whatever stands in the
teller's place. In an SQLite file, and on a real PostgreSQL server."""

import os
import pathlib
import random
import signal
import sys
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
import postgres_server  # noqa: E402
from test_links import children  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
MANIFEST = ROOT / "examples" / "bank" / "app.yaml"
TRANSFERS = 300
PARALLEL = 12


class Bank:
    """The tests; where the books are is said by the classes below."""

    def up(self, teller="bank-teller", change=lambda text: text, workers=2):
        text = change(self.books(MANIFEST.read_text()))
        for name, guest in (("teller", teller), ("ledger", "bank-ledger")):
            self.assertIn(f"file://./build/{name}.wasm", text)
            text = text.replace(f"file://./build/{name}.wasm", harness.guest(guest))
        path = self.folder / "app.yaml"
        path.write_text(text)
        return self.serve(path, "--data", self.folder / "data", *self.options(), command="up", workers=workers)

    def options(self):
        return ()

    def ask(self, server, path, method="GET", expected=200):
        answer = harness.request(server.port, method, path)
        self.assertEqual(expected, answer.status, answer.body)
        return answer.body.decode()

    def accounts(self, server):
        return dict(map(int, line.split()) for line in self.ask(server, "/accounts").splitlines())

    def transfer(self, server, key, source, target, amount, expected=200):
        path = f"/transfer?key={key}&from={source}&to={target}&amount={amount}"
        return self.ask(server, path, "POST", expected)

    def open(self):
        server = self.up()
        self.assertEqual("open\n", self.ask(server, "/open", "POST"))
        return server

    def test_transfers(self):
        server = self.open()
        self.assertEqual({n: 1000 for n in range(1, 11)}, self.accounts(server))
        self.assertEqual("done\n", self.transfer(server, 1, 1, 2, 300))
        self.assertEqual("known\n", self.transfer(server, 1, 1, 2, 300))
        self.assertEqual("done\n", self.transfer(server, 2, 2, 1, 100))
        self.assertEqual("there is not enough on the account\n", self.transfer(server, 3, 1, 2, 801, 409))
        self.assertEqual("there is no such account\n", self.transfer(server, 4, 1, 77, 1, 404))
        self.assertEqual("there is no such account\n", self.transfer(server, 5, 77, 1, 1, 404))
        self.assertIn("nothing would be moved", self.transfer(server, 6, 1, 1, 5, 400))
        self.assertIn("nothing would be moved", self.transfer(server, 6, 1, 2, 0, 400))
        self.transfer(server, 7, 1, 2, "-5", 400)
        self.transfer(server, 7, 1, "2; DROP TABLE accounts", 5, 400)
        self.assertEqual("open\n", self.ask(server, "/open", "POST"))  # changes nothing
        self.assertEqual({1: 800, 2: 1200}, {n: b for n, b in self.accounts(server).items() if b != 1000})

    def test_what_customers_send_is_never_a_part_of_a_statement(self):
        server = self.open()
        self.assertEqual("1000\n", self.ask(server, "/balance?account=3"))
        for text in ("' OR '1'='1", "3 OR 1=1", "3; DELETE FROM accounts; --", "$1", "3' UNION SELECT 1 --", "\\"):
            with self.subTest(text):
                self.ask(server, "/balance?account=" + urllib.parse.quote(text), expected=404)
        self.assertEqual(10000, sum(self.accounts(server).values()))

    def test_money_is_conserved_under_many_transfers_at_once(self):
        server = self.open()
        dice = random.Random(7)
        work = []
        for key in range(1, TRANSFERS + 1):
            source, target = dice.sample(range(1, 11), 2)
            work += [(key, source, target, dice.randint(1, 400))] * dice.choice((1, 1, 2))  # some are asked for twice
        dice.shuffle(work)
        done = {}
        position = iter(range(len(work)))

        def some():
            for at in position:
                key, source, target, amount = work[at]
                path = f"/transfer?key={key}&from={source}&to={target}&amount={amount}"
                answer = harness.request(server.port, "POST", path)
                self.assertIn(answer.status, (200, 409), answer.body)
                if answer.body == b"done\n":
                    self.assertNotIn(key, done)
                    done[key] = (source, target, amount)

        def watcher():
            for _ in range(40):
                balances = self.accounts(server)
                self.assertEqual(10000, sum(balances.values()))
                self.assertGreaterEqual(min(balances.values()), 0)

        ends = harness.in_parallel(PARALLEL, lambda n: watcher() if n == 0 else some())
        self.assertEqual([None] * PARALLEL, ends)
        expected = {n: 1000 for n in range(1, 11)}
        for source, target, amount in done.values():
            expected[source] -= amount
            expected[target] += amount
        self.assertGreater(len(done), TRANSFERS // 3)
        self.assertEqual(expected, self.accounts(server))

    def test_transfers_that_are_asked_for_again_while_drivers_die(self):
        """Whoever is told that a transfer may have been done asks again with its key: each happens once."""
        server = self.open()
        keys = iter(range(1, 121))
        done = {}

        def some():
            for key in keys:
                source, target = key % 10 + 1, (key + 3) % 10 + 1
                path = f"/transfer?key={key}&from={source}&to={target}&amount=5"

                def answers():
                    return harness.request(server.port, "POST", path).status == 200
                self.until(answers, 60, f"transfer {key}")
                done[key] = (source, target)

        def killer():
            for count in (20, 60):
                self.until(lambda: len(done) >= count, 60, "transfers are done")
                os.kill(self.drivers_of(server), signal.SIGKILL)

        self.assertEqual([None] * 7, harness.in_parallel(7, lambda n: killer() if n == 0 else some(), timeout=110))
        expected = {n: 1000 for n in range(1, 11)}
        for source, target in done.values():
            expected[source] -= 5
            expected[target] += 5
        self.until(lambda: harness.request(server.port, "GET", "/accounts").status == 200, 20, "the books can be read")
        self.assertEqual(120, len(done))
        self.assertEqual(expected, self.accounts(server))

    def drivers_of(self, server):
        for generation in [server.process.pid, *children(server.process.pid).values()]:
            if "writ-drivers" in children(generation):
                return children(generation)["writ-drivers"]
        self.fail("there is no process with the drivers")

    # --- a teller that was taken over ------------------------------------------------------------------------------

    def hostile(self, change=lambda text: text):
        """tests/guests/sql-c in the teller's place: it sends to its links whatever it is asked for."""
        first = self.open()
        self.transfer(first, 1, 1, 2, 300)
        first.close()

        def replaced(text):
            # What it imports and the teller does not; not a right more.
            return change(text).replace("""            package: postgres
            interfaces: [query]
            target:
              name: books
              config: [{name: books-to-read""", """            package: postgres
            interfaces: [query, prepared]
            target:
              name: books
              config: [{name: books-to-read""")
        return self.up("sql-c", replaced)

    def send(self, server, what, sql, link=None):
        fields = [("sql", sql)] + ([("link", link)] if link else [])
        return server.get(f"/{what}?" + urllib.parse.urlencode(fields, quote_via=urllib.parse.quote))

    def tries(self):
        return ("DELETE FROM transfers",
                "UPDATE accounts SET balance = balance + 1000000 WHERE id = 1",
                "INSERT INTO accounts (id, balance) VALUES (11, 5)",
                "DROP TABLE transfers",
                "BEGIN; UPDATE accounts SET balance = 5; COMMIT",
                "SET TRANSACTION READ WRITE; UPDATE accounts SET balance = 5",
                "COMMIT; BEGIN READ WRITE; UPDATE accounts SET balance = 5; COMMIT",
                "SELECT 1; UPDATE accounts SET balance = 5",
                "SET default_transaction_read_only = off",
                "SET SESSION AUTHORIZATION writ",
                "SELECT set_config('default_transaction_read_only', 'off', false)",
                "WITH x AS (UPDATE accounts SET balance = 5 RETURNING id) SELECT id FROM x",
                "CREATE TRIGGER t AFTER INSERT ON transfers BEGIN UPDATE accounts SET balance = 5; END",
                "PRAGMA query_only = OFF",
                "ATTACH DATABASE 'bank.sqlite3' AS other")

    def check_nothing_changes(self, server):
        for sql in self.tries():
            for what in ("query", "batch", "prepare-exec"):
                for link in (None, "default", "ledger", "books-to-write"):
                    self.send(server, what, sql, link)
        found = self.send(server, "query", "SELECT sum(balance) = 10000 AS sum, count(*) AS n FROM accounts "
                                           "WHERE NOT (id = 1 AND balance <> 700) AND NOT (id = 2 AND balance <> 1300)")
        self.assertIn(found.body.decode(), ("sum=bool:true n=int8:10\n", "sum=int8:1 n=int8:10\n"))
        self.assertEqual("n=int8:1\n", self.send(server, "query", "SELECT count(*) AS n FROM transfers").body.decode())

    def test_who_takes_the_tellers_place_writes_nothing(self):
        server = self.hostile()
        self.check_nothing_changes(server)
        denied = self.send(server, "batch", "UPDATE accounts SET balance = 5")
        self.assertEqual(502, denied.status)
        self.assertIn(b"only the ledger writes", denied.body)
        self.assertIn("no link named", self.send(server, "query", "SELECT 1", "ledger").body.decode())

    def test_not_without_the_policy_either(self):
        """The link alone keeps it from writing."""
        server = self.hostile(lambda text: text[:text.index("    - name: who-may-do-what")])
        self.check_nothing_changes(server)
        denied = self.send(server, "query", "UPDATE accounts SET balance = 5")
        self.assertIn("unexpected:25006: ", denied.body.decode())

    def test_and_it_cannot_play_the_ledger(self):
        """Nor does the policy alone let it write, through a link that could."""
        server = self.hostile(lambda text: text.replace(', read-only: "true"', ""))
        for sql in ("UPDATE accounts SET balance = 5", "BEGIN; UPDATE accounts SET balance = 5; COMMIT"):
            self.assertIn(b"only the ledger writes", self.send(server, "batch", sql).body)
            self.assertEqual(502, self.send(server, "prepare-exec", sql).status)


class Embedded(Bank, harness.Case):
    def books(self, text):
        return text


class Postgres(Bank, harness.Case):
    """The teller's user may only read; the ledger's is the owner. Their password is a secret of the links."""

    @classmethod
    def setUpClass(cls):
        cls.server = postgres_server.PostgresServer()
        cls.addClassCleanup(cls.server.close)

    def setUp(self):
        super().setUp()
        self.server.fresh("bank")
        done = harness.run("secrets", "set", "bank", "--field", "password", "--secrets", self.folder / "secrets",
                           stdin=postgres_server.PASSWORD.encode())
        self.assertEqual(0, done.returncode, done.stderr)

    def options(self):
        return "--secrets", self.folder / "secrets"

    def books(self, text):
        place = f'host: 127.0.0.1, port: "{self.server.port}", database: bank'
        secret = "secrets: [{name: password, properties: {policy: safe, key: bank, field: password}}]"
        text = text.replace('image: "writ:sqlite"', 'image: "writ:postgres"')
        text = text.replace('path: bank.sqlite3, read-only: "true"}}]',
                            f'{place}, user: reader, read-only: "true"}}}}]\n              {secret}')
        text = text.replace("path: bank.sqlite3}}]", f"{place}, user: writ}}}}]\n              {secret}")
        return text.replace("    - name: who-may", """    - name: safe
      type: policy.secret.wasmcloud.dev/v1alpha1
      properties: {backend: store}
    - name: who-may""")


if __name__ == "__main__":
    sys.exit(harness.main())
