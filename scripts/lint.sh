#!/bin/sh
# The house rules, each a step: scripts/lint.sh [STEP…]; all of them by default.
set -eu
cd "$(dirname "$0")/.."
PATH=$PWD/.venv/bin:$PATH

if [ $# = 0 ]; then
  set -- ruff format mypy cython shell
fi
for step in "$@"; do
  case $step in
    ruff) ruff check . ;;
    format) ruff format --check . ;;
    mypy) mypy ;;
    cython) cython-lint native ;;
    shell) shellcheck scripts/*.sh .ci/run ;;
    *) echo "lint.sh: unknown step '$step': use ruff, format, mypy, cython or shell" >&2; exit 2 ;;
  esac
done
