#!/bin/sh
# A training under kwrap, and what can be asked afterwards. `make demo` runs it, with kwrap and python on PATH.
# Works in a temporary copy of the example, with its own state directory, so that nothing else is touched.
set -eu
example=$(cd "$(dirname "$0")/../examples/digits" && pwd)
demo=$(mktemp -d "${TMPDIR:-/tmp}/kwrap-demo.XXXXXX")
[ -z "${DEMO_CLEAN:-}" ] || trap 'cd / && rm -rf "$demo"' EXIT
cp "$example/train.py" "$example/README.md" "$example/.gitignore" "$demo"
cd "$demo"
# In git, as a person's project would be; kwrap works without it too.
git init -q && git add --all && git -c commit.gpgsign=false -c user.name=demo -c user.email=demo@localhost commit -q -m 'Digits'
export XDG_STATE_HOME="$demo/.state"

say() { printf '\n\033[1m$ %s\033[0m\n' "$*"; }
[ -t 1 ] && [ -z "${NO_COLOR:-}" ] || say() { printf '\n$ %s\n' "$*"; }
run() {
    say "$@"
    "$@"
}

run kwrap run --name slow --primary val_loss -- python train.py --lr 0.02
run kwrap run --name quick --primary val_loss -- python train.py --lr 0.1
run kwrap ls
run kwrap show quick
run kwrap checkout quick -o again
say ls again again/weights
ls again again/weights

[ -n "${DEMO_CLEAN:-}" ] || printf '\nTry more in %s (kwrap --help), and remove it when you are done.\n' "$demo"
