"""What a running memtap says of itself, for the API, the page and the terminal."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from memtap.stores.retention import RetentionStatus

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
    gap_since_us: int = 0  # microseconds since the epoch: since then nothing is seen, as the tap is down; 0: it is up


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
    calls: dict[str, int] = field(default_factory=dict)  # by their name in memtap.native.CALLS


SpoolState = Literal["off", "empty", "spooling", "draining", "full", "failing"]


@dataclass(frozen=True, slots=True)
class SpoolStatus:
    """Batches that wait on disk for the store. `off`: there is none, as of a file; `spooling`: the store does not take
    what comes; `draining`: it takes what waited; `full`, `failing`: what comes waits in memory, then it is dropped."""

    state: SpoolState = "off"
    path: str = ""
    batches: int = 0
    bytes: int = 0  # on disk
    limit: int = 0  # bytes
    oldest_us: int = 0  # microseconds since the epoch, the first call that waits; 0: nothing waits
    damaged: int = 0  # places where a file of the spool could not be read, since this memtap started
    dropped: int = 0  # calls that found no room, since this memtap started
    error: str = ""  # why the disk took no batch; "" while it does


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
    spool: SpoolStatus = SpoolStatus()
    retention: RetentionStatus = RetentionStatus()  # noqa: RUF009 - a tuple
