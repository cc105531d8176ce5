#!/bin/sh
# debian.sh PACKAGE...: install Debian packages if this is root on a Debian; quiet if all are there.
set -u
. "$(dirname "$0")/lib.sh"

[ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null || exit 0
[ "${SYSTEM_PACKAGES:-yes}" = yes ] || exit 0
missing=''
for package in "$@"; do
    dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed ||
        missing="$missing $package"
done
[ -n "$missing" ] || exit 0

export DEBIAN_FRONTEND=noninteractive
quietly 'Asking Debian what there is' apt-get update -q
# shellcheck disable=SC2086  # a list of words
quietly "Installing from Debian:$missing" apt-get install -qy --no-install-recommends $missing
