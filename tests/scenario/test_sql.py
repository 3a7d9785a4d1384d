#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""wasmcloud:postgres through components: over a SQLite file, and on a real PostgreSQL server. The guest is
tests/guests/sql-c."""

import os
import sys
import unittest
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402

GUEST = "sql-c"


class SqlCase(harness.Case):
    def start(self, *links, options=(), workers=1):
        arguments = [argument for link in links for argument in ("--link", link)]
        return self.serve(harness.guest(GUEST), *arguments, *options, "--data", self.folder / "data",
                          workers=workers)

    def ask(self, server, what, sql, *params, expected=200, link=None):
        fields = [("sql", sql)] + [("p", p) for p in params] + ([("link", link)] if link else [])
        answer = server.get(f"/{what}?" + urllib.parse.urlencode(fields, quote_via=urllib.parse.quote))
        self.assertEqual(expected, answer.status, answer.body)
        return answer.body.decode()

    def check_functions(self, server):
        self.assertEqual("done\n", self.ask(server, "batch", "CREATE TABLE t (id bigint PRIMARY KEY, name text, ok "
                                                             "boolean, n numeric); INSERT INTO t (id) VALUES (1)"))
        self.assertEqual("id=int8:2\n", self.ask(server, "query", "INSERT INTO t VALUES ($1, $2, $3, $4) RETURNING id",
                                                 "int8:2", "text:it's ä", "bool:true", "numeric:12.5"))
        self.assertEqual("id=int8:1 name=null ok=null n=null\nid=int8:2 name=text:it's ä ok=bool:true n=numeric:12.5\n",
                         self.ask(server, "query", "SELECT * FROM t ORDER BY id"))
        self.assertEqual("", self.ask(server, "query", "SELECT id FROM t WHERE name = $1", "text:' OR 1=1 --"))
        self.assertEqual("2\n", self.ask(server, "prepare-exec", "UPDATE t SET ok = $1", "bool:false"))
        token = self.ask(server, "prepare", "DELETE FROM t WHERE id = $1")
        self.assertEqual("1\n", self.ask(server, "exec", token, "int8:1"))
        self.assertEqual("0\n", self.ask(server, "exec", token, "int8:1"))
        self.assertEqual("unknown\n", self.ask(server, "exec", token[:-1], "int8:1", expected=502))
        self.assertTrue(self.ask(server, "query", "SELEC", expected=502).startswith("invalid-query:42601: "))
        self.assertTrue(self.ask(server, "query", "INSERT INTO t (id) VALUES (2)",
                                 expected=502).startswith("unexpected:23505: "))
        self.assertTrue(self.ask(server, "query", "SELECT $1", expected=502).startswith("invalid-params:08P01: "))


class Embedded(SqlCase):
    def test_file(self):
        self.check_functions(self.start("wasmcloud:postgres=sqlite"))

    def test_several_workers(self):
        self.check_functions(self.start("wasmcloud:postgres=sqlite,path=other.db", workers=2))

    def test_in_one_process(self):
        self.check_functions(self.start("wasmcloud:postgres=sqlite", workers=0))

    def test_a_second_link_only_reads(self):
        server = self.start("wasmcloud:postgres=sqlite", "wasmcloud:postgres@reader=sqlite,read-only=true")
        self.ask(server, "batch", "CREATE TABLE t (id bigint); INSERT INTO t VALUES (1)")
        self.assertEqual("id=int8:1\n", self.ask(server, "query", "SELECT id FROM t", link="reader"))
        self.assertIn("unexpected:25006: ", self.ask(server, "query", "DELETE FROM t", link="reader", expected=502))
        self.assertIn('no link named "writer"', self.ask(server, "query", "DELETE FROM t", link="writer", expected=502))

    def test_without_a_link_nothing_starts(self):
        refused = harness.run("run", harness.guest(GUEST))
        self.assertEqual(3, refused.returncode, refused.stderr)
        self.assertIn("wasmcloud:postgres/query", refused.stdout + refused.stderr)

    def test_refused_calls_are_the_contracts_error(self):
        rule = ("--deny-call", "wasmcloud:postgres/query.query-batch")
        server = self.start("wasmcloud:postgres=sqlite", options=rule)
        self.assertEqual("a=int8:1\n", self.ask(server, "query", "SELECT 1 AS a"))
        self.assertIn("unexpected:", self.ask(server, "batch", "SELECT 1", expected=502))


if __name__ == "__main__":
    sys.exit(harness.main())
