"""stap/original.stp, compiled against Debian's kernel headers. Loading it needs a kernel with modules."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from memtap.taps.scripts import script


@pytest.fixture(scope="module")
def release():
    """A kernel whose headers are installed, be it the running one or not."""
    releases = sorted(tree.parent.name for tree in Path("/lib/modules").glob("*/build") if (tree / "Makefile").exists())
    if not releases:
        pytest.fail("no kernel headers to compile SystemTap's script against: apt install linux-headers-amd64")
    return os.uname().release if os.uname().release in releases else releases[-1]


def test_it_compiles_to_a_module_source_without_a_warning(release):
    done = subprocess.run(
        ["stap", "-r", release, "-p3", "-s", "16", "-G", "leave_out=1", script("original.stp")],
        capture_output=True,
        text=True,
        timeout=600,
    )
    warnings = [line for line in done.stderr.splitlines() if "WARNING" in line or "ERROR" in line]
    # a headers package holds no symbol table; only a booted kernel's System.map does
    assert [line for line in warnings if "Kernel function symbol table missing" not in line] == []
    assert done.returncode == 0, done.stderr
    assert "probe_" in done.stdout


def test_it_prints_format_1():
    text = script("original.stp").read_text()
    for call in ("mmap2", "munmap"):
        line = f'printf("{call}: PID=%d, process=%s, time=%d, length=%d\\n", '
        assert line + "pid(), execname(), gettimeofday_us(), length)" in text
        assert f"probe syscall.{call} {{" in text
