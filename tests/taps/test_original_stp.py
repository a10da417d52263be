"""stap/original.stp, compiled against Debian's kernel headers. Loading it needs a kernel with modules."""

from __future__ import annotations

from memtap.taps.scripts import script

from .compiling import compile_check


def test_it_compiles_without_a_warning():
    compile_check("-G", "leave_out=1", script("original.stp"))


def test_it_prints_format_1():
    text = script("original.stp").read_text()
    for call in ("mmap2", "munmap"):
        line = f'printf("{call}: PID=%d, process=%s, time=%d, length=%d\\n", '
        assert line + "pid(), execname(), gettimeofday_us(), length)" in text
        assert f"probe syscall.{call} {{" in text
