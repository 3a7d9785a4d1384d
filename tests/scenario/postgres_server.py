# SPDX-License-Identifier: Apache-2.0
"""A real PostgreSQL server for the length of a test class: loopback, a free port, a folder of its own, with TLS.

The owner `writ` and the role `reader`, which may only read, have the password PASSWORD (SCRAM-SHA-256)."""

import glob
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

PASSWORD = "Pg5-of-the-server-Lm2"

CERTIFICATES = """
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -keyout ca.key -out ca.pem -subj /CN=ca
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout server.key -out server.csr -subj /CN=server
echo subjectAltName=DNS:localhost,IP:127.0.0.1 >server.ext
openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile server.ext -out server.pem
chmod 600 server.key
"""


def programs():
    """Debian keeps the server's programs out of the PATH."""
    found = shutil.which("initdb")
    places = [os.path.dirname(os.path.realpath(found))] if found else []
    places += sorted(glob.glob("/usr/lib/postgresql/*/bin"))[::-1]
    for place in places:
        if os.access(f"{place}/initdb", os.X_OK) and os.access(f"{place}/postgres", os.X_OK):
            return place
    raise unittest.SkipTest("there is no PostgreSQL server (apt-get install postgresql)")


class PostgresServer:
    def __init__(self):
        self.bin = programs()
        self.as_user = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"] if os.geteuid() == 0 else []
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="writ-test-postgres-"))
        self.folder.chmod(0o755)
        self.process = None
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        try:
            self.set_up()
            self.start()
        except BaseException:
            self.close()
            raise

    def set_up(self):
        run, data = self.folder / "run", self.folder / "data"
        for folder in (run, data):
            folder.mkdir(mode=0o700)
        subprocess.run(["sh", "-ec", CERTIFICATES], cwd=run, check=True, capture_output=True)
        (run / "password").write_text(PASSWORD + "\n")
        if self.as_user:
            subprocess.run(["chown", "-R", "nobody:nogroup", run, data], check=True)
        subprocess.run([*self.as_user, f"{self.bin}/initdb", "-D", data, "-U", "writ", "--auth-local=trust",
                        "--auth-host=scram-sha-256", f"--pwfile={run}/password", "-E", "UTF8", "--locale=C",
                        "--no-sync"],
                       check=True, capture_output=True, cwd="/")
        with open(data / "postgresql.conf", "a", encoding="ascii") as f:
            f.write(f"listen_addresses='127.0.0.1'\nunix_socket_directories='{run}'\nfsync=off\nssl=on\n"
                    f"ssl_cert_file='{run}/server.pem'\nssl_key_file='{run}/server.key'\nmax_connections=60\n"
                    "shared_buffers=16MB\n")

    def start(self):
        with open(self.folder / "log", "ab") as log:
            command = [*(self.as_user or ["setpriv"]), "--pdeathsig", "INT", f"{self.bin}/postgres"]
            self.process = subprocess.Popen([*command, "-D", self.folder / "data", "-p", str(self.port)], stdout=log,
                                            stderr=log, cwd="/")
        deadline = time.monotonic() + 30
        while subprocess.run([f"{self.bin}/pg_isready", "-q", "-h", self.folder / "run", "-p", str(self.port)],
                             check=False).returncode != 0:
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise AssertionError((self.folder / "log").read_text())
            time.sleep(0.02)

    def start_again(self):
        if self.process is None:
            self.start()

    def stop(self, how=signal.SIGINT):
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait()
            self.process = None

    def close(self):
        self.stop()
        shutil.rmtree(self.folder)

    def sql(self, text, database="postgres"):
        """What psql prints, without its decoration."""
        command = [f"{self.bin}/psql", "-X", "-q", "-A", "-t", "-h", self.folder / "run", "-p", str(self.port), "-U",
                   "writ", "-d", database, "-v", "ON_ERROR_STOP=1"]
        done = subprocess.run(command, input=text, text=True, capture_output=True, check=False)
        if done.returncode != 0:
            raise AssertionError(done.stderr)
        return done.stdout.strip()

    def fresh(self, database):
        """An empty database, and a role that may only read it."""
        self.sql(f"drop database if exists {database} with (force);\ncreate database {database};\n")
        self.sql("do $$ begin create role reader login; exception when duplicate_object then null; end $$;\n"
                 f"alter role reader password '{PASSWORD}';\n"
                 "alter default privileges for role writ grant select on tables to reader;\n", database)

    def authority(self):
        return (self.folder / "run" / "ca.pem").read_text()
