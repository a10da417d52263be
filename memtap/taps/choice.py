"""Which tap to use: what was asked for, or the best that works here."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from memtap.checks import Check, bpftrace, first_bad, kernel, program, systemtap
from memtap.errors import TapError, UsageError
from memtap.taps import replay
from memtap.taps.exec_tap import SELF
from memtap.taps.scripts import script
from memtap.taps.tap import Tap

if TYPE_CHECKING:
    from collections.abc import Callable

SPECS = "auto, stap, bpftrace, replay, replay:PATH, file:PATH or - for standard input"

_STAP_BUFFER_MB = 16  # a CPU; what the reader may fall behind
_BPFTRACE_BUFFER_PAGES = "512"  # 2 MB a CPU: about 20,000 calls


def choose(spec: str = "auto", *, leave_out: int | None = None, say: Callable[[str], None] = lambda _: None) -> Tap:
    """The tap that `spec` names (see `SPECS`); `auto` takes SystemTap, else bpftrace, else the recording.

    The calls of process `leave_out` (this one, unless told otherwise; 0: nobody) are not printed. `say` is
    told in one line of what may take a minute. Raises TapError where the named tap cannot work here,
    UsageError for an unknown name.
    """
    pid = os.getpid() if leave_out is None else leave_out
    name, _, path = spec.partition(":")
    match name, path:
        case "auto", "":
            return _best(pid, say)
        case "stap", "":
            return _forced(_stap(pid), _why_not_stap(say))
        case "bpftrace", "":
            return _forced(_bpftrace(pid), _why_not_bpftrace())
        case "replay", _:
            return _replay(path)
        case "file", path if path:
            return _file(path)
        case (("-" | "stdin"), ""):
            return Tap("stdin", path="-", message="the lines on standard input")
    raise UsageError(f"tap {spec!r}: there is no such tap; use {SPECS}")


def _best(pid: int, say: Callable[[str], None]) -> Tap:
    no_stap = _why_not_stap(say)
    if no_stap is None:
        return _stap(pid)
    not_stap = f"not SystemTap ({no_stap.name}: {no_stap.found})"
    no_bpftrace = _why_not_bpftrace()
    if no_bpftrace is None:
        return _bpftrace(pid, f"this machine's mmap and munmap calls, by bpftrace; {not_stap}")
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


def _stap(pid: int) -> Tap:
    return Tap(
        "stap",
        argv=(
            program.find("stap") or "stap",
            *("-s", str(_STAP_BUFFER_MB)),
            *("-G", f"leave_out={pid}"),
            str(script("original.stp")),
        ),
        death_signal=signal.SIGTERM,  # then it unloads its module
        message="this machine's mmap and munmap calls, by SystemTap",
        left_out=(pid,) if pid else (),
    )


def _bpftrace(pid: int, message: str = "this machine's mmap and munmap calls, by bpftrace") -> Tap:
    return Tap(
        "bpftrace",
        # -q: then its first line is a call, and tells that it has attached
        argv=(program.find("bpftrace") or "bpftrace", "-q", str(script("original.bt")), str(pid), SELF),
        env={"BPFTRACE_PERF_RB_PAGES": os.environ.get("BPFTRACE_PERF_RB_PAGES", _BPFTRACE_BUFFER_PAGES)},
        needs_tracefs=not kernel.read().tracefs,
        harmless="couldn't set RLIMIT_MEMLOCK",  # newer kernels count BPF's memory elsewhere
        message=message,
        left_out=(pid,) if pid else (),
    )


def _replay(path: str, more: str = "") -> Tap:
    if path:
        what = f"a recording, {path}, over and over: not what this machine does now"
    else:
        what = f"{replay.BUNDLED_IS}, over and over: not what this machine does now"
    return Tap("replay", argv=replay.command(_checked(path) if path else ""), recording=True, message=what + more)


def _file(path: str) -> Tap:
    with Path(_checked(path)).open("rb") as stream:
        if not Path(path).is_fifo() and stream.read(2) == b"\x1f\x8b":
            raise TapError(f"tap file:{path}: the file is compressed; use memtap ingest {path}, or replay:{path}")
    return Tap("file", path=path, message=f"the lines of {path}")


def _checked(path: str) -> str:
    if Path(path).is_dir():
        raise TapError(f"tap file {path!r}: is a directory; name a file of lines")
    if not os.access(path, os.R_OK):
        what = "no right to read it" if Path(path).exists() else "no such file"
        raise TapError(f"tap file {path!r}: {what}; name a file of lines")
    return path
