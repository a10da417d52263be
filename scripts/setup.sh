#!/bin/sh
# Makes this clone ready: scripts/setup.sh run|test|bench
#
# Installs what is missing on the machine (as root, with apt), makes .venv, builds memtap into it. What has been
# done is not done again: .setup/ holds a stamp of what each purpose was installed from.
set -eu
cd "$(dirname "$0")/.."

purpose=${1:?usage: scripts/setup.sh run|test|bench}
runs='compiler python bpftrace'
tests="$runs mariadb mariadb-headers chromium systemtap kernel-headers shellcheck clang systemd"
benches="$tests valgrind perf rsyslog-mysql"
case $purpose in
  run)   needs=$runs  extras=''        covered_by='run test bench' ;;
  test)  needs=$tests extras='[test]'  covered_by='test bench' ;;
  bench) needs=$benches extras='[bench]' covered_by='bench' ;;
  *)     echo "setup: unknown purpose '$purpose': use run, test or bench" >&2; exit 2 ;;
esac

mkdir -p .setup
if command -v flock >/dev/null; then # one set-up at a time
  exec 9>.setup/lock
  flock 9
fi

say() { printf 'setup: %s\n' "$*"; }

# Run a step with its output in .setup/NAME.log, which is shown only if it fails.
quietly() { # NAME COMMAND…
  log=.setup/$1.log
  shift
  if ! "$@" >"$log" 2>&1 </dev/null; then
    tail -n 40 "$log" >&2
    say "failed: $* (all of its output is in $log)" >&2
    return 1
  fi
}

words() { tr '\n' ' ' | sed 's/ *$//'; }

# shellcheck disable=SC2086 # needs and packages are lists of words
install_missing() {
  missing=$(scripts/missing.sh $needs | words)
  [ -n "$missing" ] || return 0
  family=$(scripts/packages.sh family)
  packages=$(scripts/packages.sh "$family" $missing | words)
  if [ "$family" = debian ] && [ "$(id -u)" = 0 ]; then
    say "installing $packages"
    quietly packages scripts/debian.sh $packages || true # what counts is what is missing then
    missing=$(scripts/missing.sh $needs | words)
    [ -n "$missing" ] || return 0
    packages=$(scripts/packages.sh "$family" $missing | words)
  fi
  scripts/packages.sh advice "$family" "$purpose" "$missing" "$packages" >&2
  case " $missing " in
    *' compiler '* | *' python '*) return 1 ;;
  esac
}

make_environment() {
  if .venv/bin/python -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    return 0
  fi
  python=$(scripts/python.sh)
  say "making .venv with $("$python" --version) ($python)"
  rm -rf .venv .setup/installed-*
  quietly venv "$python" -m venv .venv
}

# All that decides what an installation consists of. A module in Python needs no new one.
fingerprint() {
  {
    .venv/bin/python -VV
    cat pyproject.toml setup.py
    find native -name '*.pyx' -o -name '*.px[id]' -o -name '*.h' | LC_ALL=C sort | xargs cat
  } | sha256sum | cut -c 1-32
}

install_memtap() {
  now=$(fingerprint)
  for larger in $covered_by; do
    if [ "$(cat ".setup/installed-$larger" 2>/dev/null)" = "$now" ]; then
      return 0
    fi
  done
  say "building memtap and installing what it needs into .venv (a minute or two)"
  quietly pip .venv/bin/python -m pip install --disable-pip-version-check --retries 5 -e ".$extras"
  echo "$now" >".setup/installed-$purpose"
}

install_missing
make_environment
install_memtap
