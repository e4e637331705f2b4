#!/bin/sh
# Make sure that there is a Chromium for the browser tests: the one of $CHROMIUM, of PATH, of Debian's packages (as
# root), or playwright's own. Usage: install-browser.sh PYTHON
set -eu
[ -n "${CHROMIUM:-}" ] && exit 0
for name in chromium-headless-shell chromium chromium-browser google-chrome; do
    command -v "$name" >/dev/null && exit 0
done
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing chromium for the browser tests"
    apt-get update -qq
    export DEBIAN_FRONTEND=noninteractive
    for package in chromium-headless-shell chromium; do # older systems have only the second
        apt-get install -y -qq --no-install-recommends "$package" >/dev/null && exit 0
    done
    exit 1
else
    "$1" -m playwright install chromium
fi
