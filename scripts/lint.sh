#!/bin/sh
# The house rules, each a step: scripts/lint.sh [STEP…]; all of them by default.
set -eu
cd "$(dirname "$0")/.."
PATH=$PWD/.venv/bin:$PATH

# mypy reads folders, not setup.py: show it the package as it is installed, with api, native and stap below memtap.
types() {
  tree=$PWD/build/typed
  rm -rf "$tree"
  mkdir -p "$tree/memtap"
  ln -s "$PWD"/memtap/* "$PWD/native" "$PWD/api" "$PWD/frontend" "$PWD/stap" "$tree/memtap/"
  (cd "$tree" && mypy --config-file ../../pyproject.toml --cache-dir ../../.mypy_cache)
}

if [ $# = 0 ]; then
  set -- ruff format mypy cython shell
fi
for step in "$@"; do
  case $step in
    ruff) ruff check . ;;
    format) ruff format --check . ;;
    mypy) types ;;
    cython) cython-lint native tests/fuzz ;;
    shell) shellcheck scripts/*.sh .ci/run ;;
    *) echo "lint.sh: unknown step '$step': use ruff, format, mypy, cython or shell" >&2; exit 2 ;;
  esac
done
