"""How much is kept and for how long: the options that `run` and `ingest` share."""

from __future__ import annotations

import argparse
import re

from memtap.stores.retention import Retention

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_BYTES = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_MOST = 1 << 62
ALL = "all"


def duration_s(text: str) -> int | None:
    """`90m`, `24h`, `400d` in seconds; None for `all`."""
    if text == ALL:
        return None
    found = re.fullmatch(r"([0-9]{1,12})([smhdw])", text, re.ASCII)
    if not found or not int(found[1]):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no duration: give a number above 0 and s, m, h, d or w, such as 24h, or {ALL!r}"
        )
    return int(found[1]) * _SECONDS[found[2]]


def size_bytes(text: str) -> int:
    """`500M`, `20G` in bytes."""
    found = re.fullmatch(r"([0-9]{1,19})([KMGT]?)(?:i?B)?", text, re.ASCII)
    if not found or (size := int(found[1]) * _BYTES[found[2]]) > _MOST:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no size: give a number of bytes, or one with K, M, G or T (of 1024), such as 20G"
        )
    return size


def _kept_bytes(text: str) -> int | None:
    if text == ALL:
        return None
    if (size := size_bytes(text)) < 1 << 20:
        raise argparse.ArgumentTypeError(f"{text!r}: a store needs 1M at least; give more, or {ALL!r}")
    return size


def add_arguments(parser: argparse.ArgumentParser, *, events: str, size: str, rollups: str) -> None:
    """Durations and sizes as somebody would type them: the defaults."""
    parser.add_argument(
        "--keep-events",
        metavar="TIME",
        type=duration_s,
        default=events,
        help="drop calls older than this: 90m, 24h, 7d, all (default: %(default)s)",
    )
    parser.add_argument(
        "--keep-bytes",
        metavar="SIZE",
        type=_kept_bytes,
        default=size,
        help="drop the oldest calls beyond this size of the store: 500M, 20G, all (default: %(default)s)",
    )
    parser.add_argument(
        "--keep-rollups",
        metavar="TIME",
        type=duration_s,
        default=rollups,
        help="drop sums and processes older than this: 400d, all (default: %(default)s)",
    )


def retention(args: argparse.Namespace) -> Retention | None:
    """None: everything is kept."""
    kept = Retention(args.keep_events, args.keep_bytes, args.keep_rollups)
    return None if kept == Retention() else kept
