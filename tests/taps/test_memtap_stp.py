"""stap/memtap.stp, compiled against Debian's kernel headers. Loading it needs a kernel with modules."""

from __future__ import annotations

import pytest

from memtap import header
from memtap.host import this_host
from memtap.taps.scripts import pieces, script

from .compiling import compile_check

SETTINGS = ("left_out1", "left_out2", "left_out3", "only_pid", "only_cgroup", "least_bytes")


@pytest.mark.parametrize("name", [(), ('a "b"\\c %d\n',)])
def test_it_compiles_without_a_warning(name):
    compile_check(
        *(word for setting in SETTINGS for word in ("-G", f"{setting}=1")),
        script("memtap.stp"),
        *pieces(header.compose("stap", this_host()), 120, 3),
        *name,
    )
