"""stap/memtap.stp, compiled against Debian's kernel headers. Loading it needs a kernel with modules."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from memtap import header
from memtap.host import this_host
from memtap.taps.scripts import pieces, script

SETTINGS = ("left_out1", "left_out2", "left_out3", "only_pid", "only_cgroup", "least_bytes")


@pytest.mark.parametrize("name", [(), ('a "b"\\c %d\n',)])
def test_it_compiles_to_a_module_source_without_a_warning(name):
    releases = sorted(tree.parent.name for tree in Path("/lib/modules").glob("*/build") if (tree / "Makefile").exists())
    if not releases:
        pytest.fail("no kernel headers to compile SystemTap's script against: apt install linux-headers-amd64")
    release = os.uname().release if os.uname().release in releases else releases[-1]
    done = subprocess.run(
        [
            *("stap", "-r", release, "-p3", "-s", "16"),
            *(word for setting in SETTINGS for word in ("-G", f"{setting}=1")),
            script("memtap.stp"),
            *pieces(header.compose("stap", this_host()), 120, 3),
            *name,
        ],
        capture_output=True,
        text=True,
        timeout=600,
    )
    warnings = [line for line in done.stderr.splitlines() if "WARNING" in line or "ERROR" in line]
    # a headers package holds no symbol table; only a booted kernel's System.map does
    assert [line for line in warnings if "Kernel function symbol table missing" not in line] == []
    assert done.returncode == 0, done.stderr
    assert "probe_" in done.stdout
