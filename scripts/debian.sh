#!/bin/sh
# Installs Debian packages, as root and without a question: scripts/debian.sh PACKAGE…
set -eu
export DEBIAN_FRONTEND=noninteractive

apt() {
  apt-get -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 "$@"
}

# A stale list names versions that the mirror has dropped. Where no mirror answers, the old list may still do.
apt update || echo 'apt-get update failed; trying with the lists that are there'
apt install -y --no-install-recommends "$@" || {
  # one that does not exist on this machine must not keep the others away
  for package in "$@"; do
    apt install -y --no-install-recommends "$package" || echo "$package could not be installed"
  done
}
