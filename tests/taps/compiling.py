"""SystemTap's scripts, compiled against installed kernel headers, which need not be the running kernel's."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest


def compile_check(*words: str | Path) -> None:
    """Fails for any warning. The module itself (-p4) is built by SystemTap 5.2 and later; Debian 12's 4.8 knows its own
    headers up to the module's source only (-p3)."""
    releases = sorted(tree.parent.name for tree in Path("/lib/modules").glob("*/build") if (tree / "Makefile").exists())
    if not releases:
        pytest.fail("no kernel headers to compile SystemTap's script against: apt install linux-headers-amd64")
    release = os.uname().release if os.uname().release in releases else releases[-1]
    said = subprocess.run(["stap", "--version"], capture_output=True, text=True, check=True)
    found = re.search(r"version (\d+)\.(\d+)", said.stdout + said.stderr)
    assert found, said
    builds = (int(found[1]), int(found[2])) >= (5, 2)
    done = subprocess.run(
        ["stap", "-r", release, "-p4" if builds else "-p3", "-s", "16", *words],
        capture_output=True,
        text=True,
        timeout=600,
    )
    warnings = [line for line in done.stderr.splitlines() if "WARNING" in line or "ERROR" in line]
    # a headers package holds no symbol table; only a booted kernel's System.map does
    assert [line for line in warnings if "Kernel function symbol table missing" not in line] == []
    assert done.returncode == 0, done.stderr
    assert (".ko" if builds else "probe_") in done.stdout
