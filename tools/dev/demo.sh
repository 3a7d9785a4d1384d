#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `make demo`: builds Writ and the example component, signs it with a key made on the spot, serves it, asks it once,
# and serves until Ctrl-C. ONCE=1 stops after the answer. PORT (default 8000) is where it listens on 127.0.0.1.
# The key and the trust in it live in build/demo-home and are made anew each time: no other host knows them.
set -euo pipefail
cd "$(dirname "$0")/../.."
port=${PORT:-8000}
url=http://127.0.0.1:$port/
component=build/examples/hello-c.wasm
signed=build/examples/hello-c.signed.wasm
writ=build/release/writ
answer_within_s=10

say() { printf '\n== %s\n' "$*"; }
# Shows a command and runs it.
show() {
    say "$*"
    "$@"
}

WRIT_SETUP=demo tools/dev/build.sh release
if [ ! -f "$component" ] || [ -n "$(find examples/hello-c tools/setup/versions.toml -newer "$component" -print -quit)" ]; then
    say "building examples/hello-c from source"
    mkdir -p build/examples
    examples/hello-c/build.sh "$component"
fi

if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
    echo "demo: something listens on 127.0.0.1:$port already; choose another port: make demo PORT=8001" >&2
    exit 1
fi

export WRIT_HOME=build/demo-home
rm -rf "$WRIT_HOME" "$signed"
say "export WRIT_HOME=$WRIT_HOME   (the keys and the trust of this demo alone)"
say "$writ run $component   (nobody has signed it, so it does not run)"
if "$writ" run --listen "127.0.0.1:$port" "$component"; then
    echo "demo: an unsigned component ran; it must not" >&2
    exit 1
fi
show "$writ" keys gen account demo
key=$("$writ" keys show demo)
show "$writ" sign --issuer demo --for 90d --out "$signed" "$component"
show "$writ" trust add "$key" --note demo
show "$writ" verify "$signed"

say "$writ run --listen 127.0.0.1:$port $signed"
"$writ" run --listen "127.0.0.1:$port" "$signed" &
pid=$!
# The answer is in hand or the user pressed Ctrl-C: let Writ finish what it serves.
stop() {
    trap - INT TERM
    kill -TERM "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
}
trap 'stop; echo; exit 0' INT TERM
trap 'stop' EXIT

deadline=$((SECONDS + answer_within_s))
until answer=$(curl --silent --fail --include --max-time 5 "$url"); do
    if ! kill -0 "$pid" 2>/dev/null; then
        echo "demo: writ ended before it answered; its message is above" >&2
        exit 1
    fi
    if [ "$SECONDS" -ge "$deadline" ]; then
        echo "demo: no answer from $url within $answer_within_s s" >&2
        exit 1
    fi
    sleep 0.05
done
say "curl --include $url"
printf '%s\n' "$answer"

if [ "${ONCE:-}" = 1 ]; then
    exit 0
fi
say "serving $url until Ctrl-C"
wait "$pid"
