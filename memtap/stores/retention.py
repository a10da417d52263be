"""What a store keeps, and what its housekeeping did."""

from __future__ import annotations

from typing import NamedTuple


class Retention(NamedTuple):
    """What is kept. None: for ever, or without a limit."""

    keep_events_s: int | None = None  # calls no older than this; 1 s rollups too, though for an hour at least
    keep_bytes: int | None = None  # what the store may take on disk: beyond it the oldest calls go
    keep_rollups_s: int | None = None  # 1 h rollups and the processes in them; 1 min rollups for 30 days at most


class Maintenance(NamedTuple):
    """What one step of housekeeping did, and what the store holds since."""

    events_dropped: int = 0  # by this step
    rollups_dropped: int = 0  # rows of all tiers, by this step
    processes_dropped: int = 0  # by this step
    bytes_stored: int = 0  # on disk
    oldest_us: int | None = None  # no call kept is older; None: no call is kept
    more: bool = False  # another step would do more right now


class RetentionStatus(NamedTuple):
    """What is kept for how long, and how the latest step of the housekeeping went."""

    retention: Retention | None = None  # None: nothing is ever dropped
    latest: Maintenance | None = None  # None: there was no step yet
    latest_us: int = 0  # microseconds since the epoch, when it ended
    error: str = ""  # why the latest step failed; "" if it did not
