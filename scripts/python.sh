#!/bin/sh
# Prints the newest Python that can build memtap: 3.11 or later, able to make a virtual environment, with Python.h.
# Exit status 1 where there is none.
set -eu

# "003.012 /path": sorts by version
probe='
import ensurepip, os, sys, sysconfig, venv
header = os.path.join(sysconfig.get_path("include"), "Python.h")
if sys.version_info < (3, 11) or not os.path.exists(header) or sysconfig.get_config_var("Py_GIL_DISABLED"):
    sys.exit(1)
print("%03d.%03d %s" % (*sys.version_info[:2], sys.executable))
'

best=$(
  for name in python3 python3.14 python3.13 python3.12 python3.11 /usr/bin/python3 /usr/local/bin/python3; do
    if path=$(command -v "$name"); then
      "$path" -c "$probe" 2>/dev/null || true
    fi
  done | LC_ALL=C sort -s -r -k 1,1 | head -n 1
)
if [ -z "$best" ]; then
  echo 'no Python 3.11 or later with venv and Python.h was found' >&2
  exit 1
fi
echo "${best#* }"
