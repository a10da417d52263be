"""Which tap to use: what was asked for, or the best that works here."""

from __future__ import annotations

import dataclasses
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from memtap import header
from memtap.checks import Check, bpftrace, first_bad, kernel, program, systemtap
from memtap.errors import TapError, UsageError
from memtap.host import this_host
from memtap.taps import btf, replay
from memtap.taps.exec_tap import EPOCH, SELF
from memtap.taps.scripts import pieces, script
from memtap.taps.tap import Filters, Tap

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SPECS = "auto, stap, bpftrace, stap:original, bpftrace:original, replay, replay:PATH, file:PATH or - for standard input"

MOST_LEFT_OUT = 3  # processes that the scripts have parameters for, besides the tap itself

_STAP_BUFFER_MB = 16  # a CPU; what the reader may fall behind
_BPFTRACE_BUFFER_PAGES = 4096  # 16 MB a CPU: about 80,000 calls
_BPFTRACE_BUFFER_PAGES_ALL = 1 << 16  # 256 MB: what many CPUs may take together
_BPFTRACE_KEYS = "16384"  # threads that may be in a call at once
_BPFTRACE_PIECE = 63  # where BPFTRACE_STRLEN, 64 unless told otherwise, cuts a string
_BPFTRACE_PIECES = 5
_STAP_PIECE = 120  # MAXSTRINGLEN is 128 on small machines
_STAP_PIECES = 3


def choose(
    spec: str = "auto",
    *,
    leave_out: int | Sequence[int] | None = None,
    filters: Filters = Filters(),  # noqa: B008 - frozen
    say: Callable[[str], None] = lambda _: None,
) -> Tap:
    """The tap that `spec` names (see `SPECS`); `auto` takes SystemTap, else bpftrace, else the recording.

    The calls of the processes `leave_out` (this one, unless told otherwise; 0: nobody; at most `MOST_LEFT_OUT`) are
    not printed. `say` is told in one line of what may take a minute. Raises TapError where the named tap cannot work
    here, UsageError for an unknown name, and for filters with a tap that has none.
    """
    pids = (leave_out,) if isinstance(leave_out, int) else (os.getpid(),) if leave_out is None else tuple(leave_out)
    tap = _named(spec, tuple(pid for pid in pids if pid), filters, say)
    if filters and not (tap.restarts and not tap.recording and tap.format == 2):
        raise UsageError(
            f"tap {spec!r}: it has no filters, which work in the kernel; use --tap stap or --tap bpftrace, or none"
        )
    return tap


def _named(spec: str, pids: tuple[int, ...], filters: Filters, say: Callable[[str], None]) -> Tap:
    name, _, path = spec.partition(":")
    match name, path:
        case "auto", "":
            return _best(pids, filters, say)
        case "stap", "":
            return _forced(_stap(pids, filters), _why_not_stap(say))
        case "stap", "original":
            return _forced(_original_stap(pids), _why_not_stap(say))
        case "bpftrace", "":
            obstacle = _why_not_bpftrace() or _no_types()
            return _forced(_bpftrace(pids, filters) if obstacle is None else Tap("bpftrace"), obstacle)
        case "bpftrace", "original":
            return _forced(_original_bpftrace(pids), _why_not_bpftrace())
        case "replay", _:
            return _replay(path)
        case "file", path if path:
            return _file(path)
        case (("-" | "stdin"), ""):
            return Tap("stdin", path="-", message="the lines on standard input")
    raise UsageError(f"tap {spec!r}: there is no such tap; use {SPECS}")


def _best(pids: tuple[int, ...], filters: Filters, say: Callable[[str], None]) -> Tap:
    no_stap = _why_not_stap(say)
    if no_stap is None:
        return _stap(pids, filters)
    not_stap = f"not SystemTap ({no_stap.name}: {no_stap.found})"
    no_bpftrace = _why_not_bpftrace()
    if no_bpftrace is None:
        no_types = _no_types()
        tap = _original_bpftrace(pids) if no_types else _bpftrace(pids, filters)
        poorer = f"; only what was asked for, not what was granted ({no_types.name}: none)" if no_types else ""
        return dataclasses.replace(tap, message=f"{tap.message}{poorer}; {not_stap}")
    why = f"{not_stap}, not bpftrace ({no_bpftrace.name}: {no_bpftrace.found})"
    return _replay("", f"; nothing can be tapped here: {why}. To tap this machine: {no_bpftrace.fix}")


def _forced(tap: Tap, obstacle: Check | None) -> Tap:
    if obstacle is None:
        return tap
    raise TapError(f"tap {tap.name} cannot work here: {obstacle.name}: {obstacle.found}. {obstacle.fix}")


def _why_not_stap(say: Callable[[str], None]) -> Check | None:
    def warn() -> None:
        say("trying SystemTap: its script is compiled first, which may take a minute")

    return first_bad(systemtap.checks(kernel.read(), before_trial=warn))


def _why_not_bpftrace() -> Check | None:
    return first_bad(bpftrace.checks(kernel.read()))


def _no_types() -> Check | None:
    """Where a task's memory is counted, the kernel must say itself."""
    if kernel.read().btf:
        return None
    return Check("kernel types (BTF)", "bad", f"no {btf.KERNEL}", "use --tap bpftrace:original, which needs none")


def _stap(pids: tuple[int, ...], filters: Filters) -> Tap:
    name = os.fsdecode(filters.comm)
    settings = {
        **{f"left_out{number}": pid for number, pid in enumerate(_few(pids), 1)},
        "only_pid": filters.pid,
        "only_cgroup": filters.cgroup,
        "least_bytes": filters.min_length,
    }
    told = [word for name, value in settings.items() if value for word in ("-G", f"{name}={value}")]
    heading = pieces(header.compose("stap", this_host()), _STAP_PIECE, _STAP_PIECES)
    return _stap_command(pids, *told, str(script("memtap.stp")), *heading, *([name] if name else []), format_=2)


def _original_stap(pids: tuple[int, ...]) -> Tap:
    told = ["-G", f"leave_out={pids[0]}"] if pids else []
    return _stap_command(pids[:1], *told, str(script("original.stp")), format_=1)


def _stap_command(pids: tuple[int, ...], *arguments: str, format_: Literal[1, 2]) -> Tap:
    calls = "memory calls" if format_ == 2 else "mmap and munmap calls"
    return Tap(
        "stap",
        argv=(program.find("stap") or "stap", "-s", str(_STAP_BUFFER_MB), *arguments),
        format=format_,
        death_signal=signal.SIGTERM,  # then it unloads its module
        message=f"this machine's {calls}, by SystemTap",
        left_out=pids,
    )


def _buffer_pages(cpus: int) -> str:
    """Of each CPU: a power of two, as large as all of them together may have."""
    pages = _BPFTRACE_BUFFER_PAGES
    while pages > 64 and pages * cpus > _BPFTRACE_BUFFER_PAGES_ALL:
        pages //= 2
    return str(pages)


def _bpftrace(pids: tuple[int, ...], filters: Filters) -> Tap:
    """Raises TapError where the kernel does not say what its script has to know."""
    here = this_host()
    try:
        comm = btf.member("task_struct", "comm").offset
        resident = _resident_counters()
    except (OSError, LookupError, ValueError) as error:
        raise TapError(f"tap bpftrace cannot work here: kernel types: {error}; use --tap bpftrace:original") from None
    parameters = (
        *pieces(header.compose("bpftrace", here), _BPFTRACE_PIECE, _BPFTRACE_PIECES),
        *(str(here.page_size), str(comm), EPOCH),
        *(SELF, *(str(pid) for pid in (*_few(pids), 0, 0, 0)[:MOST_LEFT_OUT])),
        *(str(filters.pid), os.fsdecode(filters.comm), str(filters.cgroup), str(filters.min_length)),
        *(str(number) for number in resident),
    )
    return _bpftrace_command(pids, str(script("memtap.bt")), *parameters, format_=2)


def _resident_counters() -> tuple[int, int]:
    """Where in struct mm_struct the pages in RAM are counted, and the bytes from one kind's counter to the next's;
    (0, 0) where this kernel counts them in yet another way."""
    counters = btf.member("mm_struct", "rss_stat")
    try:
        if counters.each:  # since Linux 6.2 an array of struct percpu_counter, before a struct with an array
            return counters.offset + btf.member("percpu_counter", "count").offset, counters.each
        inner = btf.member("mm_rss_stat", "count")
        return counters.offset + inner.offset, inner.each
    except LookupError:
        return 0, 0


def _original_bpftrace(pids: tuple[int, ...]) -> Tap:
    parameters = (str(pids[0] if pids else 0), SELF)
    return _bpftrace_command(pids[:1], str(script("original.bt")), *parameters, format_=1)


def _bpftrace_command(pids: tuple[int, ...], *arguments: str, format_: Literal[1, 2]) -> Tap:
    calls = "memory calls" if format_ == 2 else "mmap and munmap calls"
    return Tap(
        "bpftrace",
        # -q: then its first line tells that it has attached
        argv=(program.find("bpftrace") or "bpftrace", "-q", *arguments),
        env={
            "BPFTRACE_PERF_RB_PAGES": os.environ.get("BPFTRACE_PERF_RB_PAGES", _buffer_pages(os.cpu_count() or 1)),
            "BPFTRACE_MAP_KEYS_MAX": os.environ.get("BPFTRACE_MAP_KEYS_MAX", _BPFTRACE_KEYS),
            "BPFTRACE_STRLEN": str(_BPFTRACE_PIECE + 1),
        },
        format=format_,
        needs_tracefs=not kernel.read().tracefs,
        harmless="couldn't set RLIMIT_MEMLOCK",  # newer kernels count BPF's memory elsewhere
        message=f"this machine's {calls}, by bpftrace",
        left_out=pids,
    )


def _few(pids: tuple[int, ...]) -> tuple[int, ...]:
    if len(pids) > MOST_LEFT_OUT:
        raise UsageError(f"{len(pids)} processes to leave out: at most {MOST_LEFT_OUT} can be")
    return pids


def _replay(path: str, more: str = "") -> Tap:
    if path:
        what = f"a recording, {path}, over and over: not what this machine does now"
    else:
        what = f"{replay.BUNDLED_IS}, over and over: not what this machine does now"
    return Tap("replay", argv=replay.command(_checked(path) if path else ""), recording=True, message=what + more)


def _file(path: str) -> Tap:
    if Path(_checked(path)).is_fifo():  # not opened here: it would wait for a writer
        return Tap("file", path=path, fifo=True, message=f"the lines that come through {path}")
    with Path(path).open("rb") as stream:
        if stream.read(2) == b"\x1f\x8b":
            raise TapError(f"tap file:{path}: the file is compressed; use memtap ingest {path}, or replay:{path}")
    return Tap("file", path=path, message=f"the lines of {path}")


def _checked(path: str) -> str:
    if Path(path).is_dir():
        raise TapError(f"tap file {path!r}: is a directory; name a file of lines")
    if not os.access(path, os.R_OK):
        what = "no right to read it" if Path(path).exists() else "no such file"
        raise TapError(f"tap file {path!r}: {what}; name a file of lines")
    return path
