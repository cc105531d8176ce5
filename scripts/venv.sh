#!/bin/sh
# venv.sh EXTRA: make .venv and install AgentHub with this extra into it.
set -eu
. "$(dirname "$0")/lib.sh"
cd "$(dirname "$0")/.."
extra=$1

python=$(sh scripts/find_python.sh)

# Debian splits venv off Python.
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
        sh scripts/debian.sh python3-venv
    else
        fail "This Python cannot make virtual environments. On Debian or Ubuntu:" \
            "sudo apt install python3-venv"
    fi
fi

# A .venv whose Python went away (an upgrade, a moved folder) is of no use.
if [ -d .venv ] && ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    say "Making .venv anew: its Python is gone."
    rm -rf .venv
fi
[ -d .venv ] || quietly "Making .venv with $("$python" --version)" "$python" -m venv .venv
# The pip that comes with Python may be years old, and take twice as long to choose versions; without
# an index to ask, it has to do.
.venv/bin/pip install -qq -U pip 2>/dev/null || true
# -qq: what pip warns about is for people who maintain an index; errors still show.
quietly "Installing AgentHub with its $extra tools (a few minutes the first time)" \
    .venv/bin/pip install -qq --no-compile -e ".[$extra]"
quietly "Loading all of it once" env PYTHONDONTWRITEBYTECODE= .venv/bin/python -m scripts.warm
touch ".venv/.$extra"
if [ "$extra" = dev ]; then touch .venv/.train; fi
