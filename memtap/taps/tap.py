"""What a tap is: where a stream of lines comes from."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

TapName = Literal["stap", "bpftrace", "replay", "file", "stdin"]


@dataclass(frozen=True, slots=True)
class Tap:
    """A command that prints lines on its standard output, or a file to be read as it is."""

    name: TapName
    argv: tuple[str, ...] = ()  # the command; `exec_tap.SELF` in it becomes its own pid. Empty: read `path`
    path: str = ""  # the file of a tap without a command; "-" is standard input
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
        return bool(self.argv)
