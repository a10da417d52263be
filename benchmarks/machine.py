"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from memtap.native import SCANS

PACKAGES = ("memtap", "cython", "duckdb", "mysqlclient", "numpy", "pyarrow")
PROGRAMS = {
    "compiler": ("cc", "--version"),
    "MariaDB": ("mariadbd", "--version"),
    "rsyslog": ("rsyslogd", "-v"),
}


def describe() -> dict[str, str | int | dict[str, str]]:
    return {
        "cpu": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_bytes": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        "kernel": platform.release(),
        "system": platform.freedesktop_os_release().get("PRETTY_NAME", ""),
        "load": f"{os.getloadavg()[0]:.2f}",
        "python": sys.version.split()[0],
        "newlines found with": SCANS[0],
        "programs": {name: _first_line(command) for name, command in PROGRAMS.items()},
        "packages": {name: version(name) for name in PACKAGES},
    }


def _processor() -> str:
    text = Path("/proc/cpuinfo").read_text()
    fields = dict(re.findall(r"^(model name|cpu family|model|stepping)\s*: (.*)$", text, re.MULTILINE))
    number = f"family {fields.get('cpu family', '?')}, model {fields.get('model', '?')}"
    return f"{fields.get('model name', platform.machine())} ({number})"


def _first_line(command: tuple[str, ...]) -> str:
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | {"PATH": path})
    except FileNotFoundError:
        return "not installed"
    return " ".join(done.stdout.split("\n", 1)[0].split())
