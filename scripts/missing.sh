#!/bin/sh
# Prints which of the named needs this machine does not meet, a word a line: scripts/missing.sh NEED…
set -eu
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin # where servers and tracers are

has() { # ANY-OF-THESE-COMMANDS…
  for command in "$@"; do
    if command -v "$command" >/dev/null; then return 0; fi
  done
  return 1
}

meets() {
  case $1 in
    compiler) has gcc clang cc && [ -e /usr/include/stdio.h ] ;;
    python) scripts/python.sh >/dev/null 2>&1 ;;
    bpftrace) has bpftrace ;;
    mariadb) has mariadbd mysqld && has mariadb-install-db mysqld ;;
    mariadb-headers)
      has pkg-config pkgconf && { pkg-config --exists libmariadb || pkg-config --exists mysqlclient; } ;;
    chromium) has chromium chromium-browser google-chrome ;;
    systemtap) has stap ;;
    kernel-headers) for tree in /lib/modules/*/build/Makefile; do [ -e "$tree" ] && return 0; done; return 1 ;;
    shellcheck) has shellcheck ;;
    clang) has clang && ls "$(clang -print-resource-dir)"/lib/*/libclang_rt.fuzzer* >/dev/null 2>&1 ;;
    systemd) has systemd-analyze ;;
    valgrind) has valgrind ;;
    perf) has perf ;;
    rsyslog-mysql) for module in /usr/lib*/rsyslog/ommysql.so /usr/lib/*/rsyslog/ommysql.so; do [ -e "$module" ] && return 0; done; return 1 ;;
    *) echo "missing.sh: unknown need '$1'" >&2; exit 2 ;;
  esac
}

for need in "$@"; do
  meets "$need" || echo "$need"
done
