#!/bin/sh
# What needs are called in each distribution.
#   scripts/packages.sh family                                  prints debian, fedora, suse, arch or other
#   scripts/packages.sh FAMILY NEED…                            prints the packages that meet the needs
#   scripts/packages.sh advice FAMILY PURPOSE NEEDS PACKAGES    prints what to do where they cannot be installed
set -eu

family() {
  # shellcheck disable=SC1091 # every distribution has its own
  ids=$(. /etc/os-release 2>/dev/null && echo "${ID:-} ${ID_LIKE:-}") || ids=
  case " $ids " in
    *' debian '* | *' ubuntu '*) echo debian ;;
    *' fedora '* | *' rhel '*) echo fedora ;;
    *' suse '* | *' opensuse '*) echo suse ;;
    *' arch '*) echo arch ;;
    *) echo other ;;
  esac
}

packages() { # FAMILY NEED
  case $1-$2 in
    debian-compiler)        echo gcc libc6-dev ;;
    debian-python)          echo python3 python3-dev python3-venv ;;
    debian-mariadb)         echo mariadb-server ;;
    debian-mariadb-headers) echo libmariadb-dev pkg-config ;;
    debian-kernel-headers)  debian_headers ;;
    debian-clang)           echo clang libclang-rt-dev llvm ;; # llvm: llvm-symbolizer, for names in a report
    debian-perf)            echo linux-perf ;;
    fedora-compiler)        echo gcc ;;
    fedora-python)          echo python3 python3-devel ;;
    fedora-mariadb)         echo mariadb-server ;;
    fedora-mariadb-headers) echo mariadb-connector-c-devel pkgconf ;;
    fedora-kernel-headers)  echo kernel-devel ;;
    fedora-clang)           echo clang compiler-rt llvm ;;
    fedora-shellcheck)      echo ShellCheck ;;
    suse-compiler)          echo gcc glibc-devel ;;
    suse-python)            echo python311 python311-devel ;;
    suse-mariadb)           echo mariadb ;;
    suse-mariadb-headers)   echo libmariadb-devel pkg-config ;;
    suse-kernel-headers)    echo kernel-default-devel ;;
    suse-clang)             echo clang llvm ;;
    suse-shellcheck)        echo ShellCheck ;;
    arch-compiler)          echo gcc ;;
    arch-python)            echo python ;;
    arch-mariadb)           echo mariadb ;;
    arch-mariadb-headers)   echo mariadb-libs pkgconf ;;
    arch-clang)             echo clang compiler-rt llvm ;;
    arch-kernel-headers)    echo linux-headers ;;
    other-compiler)         echo a C compiler with the C library\'s headers, ;;
    other-python)           echo Python 3.11 or later with its headers \(Python.h\) and venv, ;;
    other-mariadb)          echo the MariaDB server, ;;
    other-mariadb-headers)  echo MariaDB\'s client headers and pkg-config, ;;
    other-clang)            echo clang with its sanitizers \(compiler-rt\), ;;
    other-kernel-headers)   echo kernel headers, ;;
    other-*)                echo "$2," ;;
    *)                      echo "$2" ;; # bpftrace, chromium, systemtap, shellcheck, valgrind: the same nearly everywhere
  esac
}

debian_headers() {
  # shellcheck disable=SC1091
  case $(. /etc/os-release && echo "$ID") in
    ubuntu) echo linux-headers-generic ;;
    *) echo "linux-headers-$(dpkg --print-architecture)" ;;
  esac
}

advice() { # FAMILY PURPOSE NEEDS PACKAGES
  case $1 in
    debian) command="apt-get install --no-install-recommends $4" ;;
    fedora) command="dnf install $4" ;;
    suse)   command="zypper install $4" ;;
    arch)   command="pacman -S --needed $4" ;;
    other)  command="install ${4%,}" ;;
  esac
  if [ "$1" = other ]; then
    printf '\nsetup: to make everything work, %s.\n' "$command"
  elif [ "$(id -u)" = 0 ]; then
    printf '\nsetup: some packages are missing. To install them:\n\n    %s\n\n' "$command"
  else
    printf '\nsetup: some packages are missing, and only root can install them:\n\n    sudo %s\n\n' "$command"
  fi
  case " $3 " in
    *' compiler '* | *' python '*)
      printf 'memtap cannot be built without a C compiler and Python 3.11 or later with venv and Python.h.\n\n'
      return ;;
  esac
  if [ "$2" = run ]; then
    printf 'Going on without: a recording is shown instead of this machine.\n\n'
  else
    printf 'Going on without: tests that need them will fail.\n\n'
  fi
}

action=${1:?usage: scripts/packages.sh family | FAMILY NEED… | advice FAMILY PURPOSE NEEDS PACKAGES}
shift
case $action in
  family) family ;;
  advice) advice "$@" ;;
  *) for need in "$@"; do packages "$action" "$need"; done ;;
esac
