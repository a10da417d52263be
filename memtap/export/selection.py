"""Which rows are wanted, and how a command line says so."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

from memtap.names import parse

Table = Literal["events", "rollups", "processes"]
Format = Literal["csv", "jsonl", "parquet"]
Tier = Literal["1s", "1m", "1h"]

TABLES: tuple[Table, ...] = get_args(Table)
FORMATS: tuple[Format, ...] = get_args(Format)
TIERS: tuple[Tier, ...] = get_args(Tier)

_AGO = re.compile(r"(\d{1,9})([smhd])", re.ASCII)
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_EPOCH_US = re.compile(r"\d{1,19}", re.ASCII)
_GREATEST = 2**63 - 1
_COMM_BYTES = 15


@dataclass(frozen=True, slots=True)
class Selection:
    """None: any."""

    table: Table
    from_us: int | None = None  # inclusive, as is every beginning; microseconds since the epoch
    to_us: int | None = None  # exclusive
    pid: int | None = None
    name: bytes | None = None  # the exact comm: of an event as it was then, of a process its latest
    tier: Tier = "1s"  # of rollups


def moment(text: str) -> int:
    """Microseconds since the epoch of "10m" (ago; s, m, h, d), an ISO 8601 time (local, unless it says), or of such
    microseconds themselves. Raises ValueError."""
    if ago := _AGO.fullmatch(text):
        return max(0, time.time_ns() // 1000 - int(ago[1]) * _UNIT_S[ago[2]] * 1_000_000)
    if _EPOCH_US.fullmatch(text) and len(text) > 8:  # 20261123 is a date
        if (time_us := int(text)) > _GREATEST:
            raise ValueError(f"{text!r} is beyond {_GREATEST} microseconds")
        return time_us
    since_epoch_s = datetime.fromisoformat(text).timestamp()
    if since_epoch_s < 0:
        raise ValueError(f"{text!r} is before 1970")
    return round(since_epoch_s * 1_000_000)


def process(text: str) -> dict[str, int | bytes]:
    """What `--process` means: {"pid": …} of a number, else {"name": …} of a name as it is shown. Raises ValueError."""
    if text.isascii() and text.isdigit():
        if int(text) >= 2**32:
            raise ValueError(f"{text!r} is no pid")
        return {"pid": int(text)}
    name = parse(text.removeprefix("name:"))
    if len(name) > _COMM_BYTES or b"\0" in name:
        raise ValueError(f"{text!r}: no process has that name; at most {_COMM_BYTES} bytes")
    return {"name": name}
