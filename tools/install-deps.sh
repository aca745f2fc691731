#!/bin/sh
# install-deps: installs the Debian packages of tools/packages.txt that are missing. As
# anyone but root it prints the command instead, and fails if something is missing.
set -eu

list=$(dirname "$0")/packages.txt
missing=
while read -r package reason; do
    case $package in '' | '#'*) continue ;; esac
    state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$state" = installed ] && continue
    printf 'missing: %s (%s)\n' "$package" "$reason"
    missing="$missing $package"
done <"$list"

[ -n "$missing" ] || exit 0
command="apt-get install -y --no-install-recommends$missing"
if ! command -v apt-get >/dev/null; then
    echo "This is not Debian: install what corresponds to:$missing" >&2
    exit 1
fi
if [ "$(id -u)" != 0 ]; then
    echo "As root: $command" >&2
    exit 1
fi
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086 # a list of names
if ! $command >/tmp/elg-install.$$ 2>&1; then
    apt-get update >>/tmp/elg-install.$$ 2>&1
    $command >>/tmp/elg-install.$$ 2>&1 || {
        cat /tmp/elg-install.$$ >&2
        exit 1
    }
fi
rm -f /tmp/elg-install.$$
echo "installed:$missing"
