"""What a tap is: where a stream of lines comes from."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

TapName = Literal["stap", "bpftrace", "replay", "file", "stdin"]


@dataclass(frozen=True, slots=True)
class Filters:
    """Which lines a tap prints, decided in the kernel. 0 and b"": any. The scripts' headers say what they let by."""

    pid: int = 0
    comm: bytes = b""  # of the thread, exactly
    cgroup: int = 0  # id
    min_length: int = 0  # bytes asked for or given back

    def __bool__(self) -> bool:
        return self != Filters()


@dataclass(frozen=True, slots=True)
class Tap:
    """A command that prints lines on its standard output, or a file to be read as it is."""

    name: TapName
    argv: tuple[str, ...] = ()  # the command, in which `exec_tap` fills in SELF and EPOCH. Empty: read `path`
    path: str = ""  # the file of a tap without a command; "-" is standard input
    fifo: bool = False  # `path` is one: where a writer ends, another may begin
    format: Literal[0, 1, 2] = 0  # of its lines; 0: they say so themselves
    env: Mapping[str, str] = field(default_factory=dict)  # added to memtap's own environment
    needs_tracefs: bool = False  # give it a tracefs of its own where the host has none mounted
    death_signal: int = signal.SIGKILL  # what the kernel sends it when memtap dies without a word
    harmless: str = ""  # a line of its stderr with this in it tells people nothing
    recording: bool = False  # True: its lines are a recording, not what this machine does now
    message: str = ""  # one line for people: what is tapped, and why nothing better
    left_out: tuple[int, ...] = ()  # pids whose calls it does not print: memtap's own

    @property
    def restarts(self) -> bool:
        """Whether its end is a fault to recover from. A file just ends."""
        return bool(self.argv) or self.fifo
