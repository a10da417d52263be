"""What a running memtap says of itself, for the API, the page and the terminal."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

TapState = Literal["starting", "running", "restarting", "ended", "none"]


@dataclass(frozen=True, slots=True)
class TapStatus:
    """`none`: a store is being served and nothing is tapped."""

    name: str = ""  # stap, bpftrace, replay, file, stdin
    state: TapState = "none"
    recording: bool = False  # True: what is shown is a recording, not this machine
    message: str = ""  # one line for people: why it restarts, what is replayed, why not bpftrace
    restarts: int = 0
    stderr: tuple[str, ...] = ()  # the last lines of the tap's stderr
    left_out: tuple[int, ...] = ()  # pids the tap leaves out: memtap's own


@dataclass(frozen=True, slots=True)
class PipelineStatus:
    """Counts since this memtap started."""

    lines: int = 0
    events: int = 0
    stored: int = 0
    rejected: int = 0
    notices: int = 0
    lost: dict[str, int] = field(default_factory=dict)  # by cause
    batches: int = 0
    queued: int = 0  # batches sealed and not yet stored
    store_error: str = ""  # "" while the store answers
    samples: tuple[bytes, ...] = ()  # the newest rejected lines


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """How the latest look at /proc compared with what the stream had said."""

    time_us: int = 0  # microseconds since the epoch; 0: there was none, as in format 1
    processes: int = 0  # that live
    new: int = 0  # of them the stream knew nothing
    differing: int = 0  # of them it knew other mapped bytes; healed since
    difference: int = 0  # bytes, /proc's less the stream's, over all that differed
    largest: tuple[tuple[int, str, int], ...] = ()  # the largest of them: (pid, name as shown, bytes)


@dataclass(frozen=True, slots=True)
class Status:
    """All of it, as of one moment."""

    tap: TapStatus = TapStatus()
    pipeline: PipelineStatus = PipelineStatus()
    reconciliation: Reconciliation = Reconciliation()
