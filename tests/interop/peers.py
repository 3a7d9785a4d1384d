# SPDX-License-Identifier: Apache-2.0
"""Other implementations that ours is held against, fetched and built once, pinned by hash."""
import os
import pathlib
import shutil
import subprocess
import sys
import types
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "guests"))
import toolchains  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
_reasons = {}  # why a peer cannot be had, so that not every test tries again


def _folder(name, pins, install):
    if name in _reasons:
        raise unittest.SkipTest(_reasons[name])
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    cache = pathlib.Path(os.environ.get("WRIT_CACHE") or os.path.join(home, "writ"))
    try:
        return toolchains.tool_folder(types.SimpleNamespace(cache=cache), name, pins, install)
    except toolchains.BuildError as e:
        _reasons[name] = f"{name} cannot be had here: {e}"
        raise unittest.SkipTest(_reasons[name]) from None


def _go(name):
    """A program of tests/interop/NAME, built with the modules that its go.sum pins."""
    source = HERE / name
    pins = [source / "go.mod", source / "go.sum", *sorted(source.glob("*.go"))]

    def install(folder):
        env = dict(os.environ, GOTOOLCHAIN="local", GOFLAGS="-mod=readonly", GOWORK="off", CGO_ENABLED="0",
                   GOPATH=str(folder / "path"), GOCACHE=str(folder / "cache"))
        toolchains.run(["go", "build", "-modcacherw", "-o", folder / name, "."], folder, cwd=source, env=env)
        shutil.rmtree(folder / "cache", ignore_errors=True)
        shutil.rmtree(folder / "path", ignore_errors=True)

    return str(_folder(f"peer-{name}", pins, install) / name)


def nkeys_go():
    """The command that starts tests/interop/nkeys-go."""
    return [_go("nkeys-go")], dict(os.environ)


def sigstore_go():
    """The program of tests/interop/sigstore-go."""
    return _go("sigstore-go")


def workload_api_go():
    """The program of tests/interop/workload-api-go."""
    return _go("workload-api-go")


def otlp_go():
    """The program of tests/interop/otlp-go."""
    return _go("otlp-go")


def _set_up(*names):
    found = [ROOT / "build" / "deps" / "tools" / "bin" / name for name in names]
    for path in found:
        if not path.exists():
            raise unittest.SkipTest(f"{path.name} is not here: run tools/setup/setup.py test, which says why not")
    return [str(path) for path in found]


def spire():
    """The programs spire-server and spire-agent, which `tools/setup/setup.py test` builds."""
    return _set_up("spire-server", "spire-agent")


def openbao():
    """The program bao, a server with the API of HashiCorp Vault, which `tools/setup/setup.py test` fetches."""
    return _set_up("bao")[0]


def newest_nats_server():
    """The newest server of NATS, which `tools/setup/setup.py test` builds."""
    return _set_up("nats-server")[0]


def nkeys_python():
    """The command that starts tests/interop/nkeys-python, and its environment."""
    source = HERE / "nkeys-python"
    pins = [source / "requirements.txt", source / "requirements-source.txt"]

    def install(folder):
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps",
               "--require-hashes", "--target", folder / "site"]
        toolchains.run([*pip, "--only-binary=:all:", "-r", pins[0]], folder, shown="pip")
        env = dict(os.environ, PYTHONPATH=str(folder / "site"))
        toolchains.run([*pip, "--no-build-isolation", "-r", pins[1]], folder, env=env, shown="pip")

    name = f"peer-nkeys-python-{sys.version_info[0]}.{sys.version_info[1]}"
    env = dict(os.environ, PYTHONPATH=str(_folder(name, pins, install) / "site"))
    return [sys.executable, str(source / "peer.py")], env


class Lines:
    """A program that answers each line with one line."""

    def __init__(self, command, env):
        self.process = subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        bufsize=1)

    def ask(self, *words):
        self.process.stdin.write(" ".join(words) + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().split()

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()
