#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""wasmcloud:postgres through components: over a SQLite file, and on a real PostgreSQL server. The guest is
tests/guests/sql-c."""

import os
import signal
import sys
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
import postgres_server  # noqa: E402
from test_links import children, memory_files_with  # noqa: E402

GUEST = "sql-c"

# As manifests of 1.x have it.
MANIFEST = """\
apiVersion: core.oam.dev/v1beta1
kind: Application
metadata:
  name: tasks
  annotations: {{version: v0.0.1}}
spec:
  components:
    - name: app
      type: component
      properties: {{image: "{image}"}}
      traits:
        - type: spreadscaler
          properties: {{instances: 10}}
        - type: link
          properties:
            namespace: wasmcloud
            package: postgres
            interfaces: [query, prepared]
            target:
              name: sqldb-postgres
              config:
                - name: pg
                  properties: {{POSTGRES_HOST: 127.0.0.1, POSTGRES_PORT: "{port}", POSTGRES_USERNAME: writ,
                                POSTGRES_DATABASE: app, POSTGRES_TLS_REQUIRED: "false", POSTGRES_POOL_SIZE: "3"}}
              secrets:
                - name: POSTGRES_PASSWORD
                  properties: {{policy: safe, key: db, field: password}}
    - name: sqldb-postgres
      type: capability
      properties: {{image: "ghcr.io/wasmcloud/sqldb-postgres:0.10.0"}}
  policies:
    - name: safe
      type: policy.secret.wasmcloud.dev/v1alpha1
      properties: {{backend: store}}
    - name: routes
      type: workload.writ/v1
      properties: {{components: app, routes: /}}
"""


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


class Postgres(SqlCase):
    @classmethod
    def setUpClass(cls):
        cls.server = postgres_server.PostgresServer()
        cls.addClassCleanup(cls.server.close)

    def setUp(self):
        super().setUp()
        self.server.fresh("app")
        self.secrets = self.folder / "secrets"
        done = harness.run("secrets", "set", "db", "--field", "password", "--secrets", self.secrets,
                           stdin=postgres_server.PASSWORD.encode())
        self.assertEqual(0, done.returncode, done.stderr)

    def link(self, more="", name=""):
        return (f"wasmcloud:postgres{name}=postgres,port={self.server.port},user=writ,database=app,"
                f"password=@db:password{more}")

    def start_linked(self, *links, options=(), workers=1):
        return self.start(*links, options=("--secrets", self.secrets, *options), workers=workers)

    def test_functions(self):
        self.check_functions(self.start_linked(self.link(), workers=2))

    def test_in_one_process(self):
        self.check_functions(self.start_linked(self.link(), workers=0))

    def test_under_tls(self):
        authority = self.folder / "ca.pem"
        authority.write_text(self.server.authority())
        server = self.start_linked(self.link(",tls=require"), options=("--ca-file", authority))
        self.assertEqual("v=bool:true\n", self.ask(server, "query", "SELECT ssl AS v FROM pg_stat_ssl WHERE pid = "
                                                                    "pg_backend_pid()"))

    def test_a_server_that_nobody_vouches_for(self):
        server = self.start_linked(self.link(",tls=require"))
        self.assertIn("certificate", self.ask(server, "query", "SELECT 1", expected=502))

    def test_a_second_link_only_reads(self):
        server = self.start_linked(self.link(), self.link(",read-only=true", "@reader"))
        self.ask(server, "batch", "CREATE TABLE t (id bigint); INSERT INTO t VALUES (1)")
        self.assertEqual("id=int8:1\n", self.ask(server, "query", "SELECT id FROM t", link="reader"))
        self.assertIn("unexpected:25006: ", self.ask(server, "query", "DELETE FROM t", link="reader", expected=502))
        self.assertIn("unexpected:25006: ", self.ask(server, "batch", "SET TRANSACTION READ WRITE; DELETE FROM t",
                                                     link="reader", expected=502))

    def test_a_lost_server_is_an_error_and_comes_back(self):
        server = self.start_linked(self.link())
        self.ask(server, "batch", "CREATE TABLE t (id bigint)")
        self.server.stop(signal.SIGQUIT)
        self.addCleanup(self.server.start_again)
        self.assertIn("unexpected:", self.ask(server, "query", "SELECT 1", expected=502))
        server.wait_line("link-health")
        self.server.start_again()

        def answers():
            return server.get("/query?sql=SELECT%20count(*)%20AS%20n%20FROM%20t").status == 200
        self.until(answers, 30, "the server is back")

    def test_the_password_is_nowhere_to_be_seen(self):
        server = self.start_linked(self.link())
        self.ask(server, "query", "SELECT 1")
        self.ask(server, "query", "SELEC", expected=502)
        for pid in children(server.process.pid).values():
            self.assertEqual([], memory_files_with(pid, postgres_server.PASSWORD.encode()))
        self.assertNotIn(postgres_server.PASSWORD, server.log())

    def test_names_of_settings_from_manifests_of_1_x(self):
        link = (f"wasmcloud:postgres=postgres,postgres_host=127.0.0.1,postgres_port={self.server.port},"
                "postgres_username=writ,postgres_database=app,postgres_password=@db:password,postgres_pool_size=2,"
                "postgres_tls_required=false")
        self.check_functions(self.start_linked(link))

    def test_a_manifest_of_1_x(self):
        path = self.folder / "app.yaml"
        path.write_text(MANIFEST.format(image=harness.guest(GUEST), port=self.server.port))
        server = self.serve(path, "--secrets", self.secrets, "--data", self.folder / "data", command="up", workers=2)
        self.ask(server, "query", "CREATE TABLE IF NOT EXISTS example (id bigint GENERATED BY DEFAULT AS IDENTITY "
                                  "PRIMARY KEY, description text NOT NULL, "
                                  "created_at timestamptz NOT NULL DEFAULT NOW());\n")
        row = self.ask(server, "query", "\nINSERT INTO example (description) VALUES ($1) RETURNING *;\n", "text:a row")
        self.assertRegex(row, r"^id=int8:1 description=text:a row created_at=timestamp-tz:20\d\d\n$")
        self.assertEqual("description=text:a row\n",
                         self.ask(server, "query", "SELECT description FROM example WHERE id = $1;", "int8:1"))


if __name__ == "__main__":
    sys.exit(harness.main())
