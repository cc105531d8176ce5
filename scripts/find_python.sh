#!/bin/sh
# Print a Python that can run AgentHub (3.11 or newer), or say what to install.
set -u
. "$(dirname "$0")/lib.sh"

fits() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

if [ -n "${PYTHON:-}" ]; then
    fits "$PYTHON" || fail "PYTHON=$PYTHON is not a Python 3.11 or newer; name another one."
    echo "$PYTHON"
    exit
fi
for name in python3 python3.14 python3.13 python3.12 python3.11; do
    if fits "$name"; then
        echo "$name"
        exit
    fi
done
found=$(python3 --version 2>/dev/null || echo 'no Python')
fail "AgentHub needs Python 3.11 or newer, and found $found. Install one (Debian: apt install" \
    "python3 python3-venv; macOS: brew install python), or name it: make demo PYTHON=/path/to/python"
