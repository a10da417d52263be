"""Trials that failed, remembered: compiling a script that cannot work takes a minute each time."""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path


def key(*what: str) -> str:
    """Of all that the outcome depends on."""
    return hashlib.sha256("\0".join(what).encode()).hexdigest()[:32]


def recall(key: str) -> str:
    """Why the trial failed, "" where it did not or nobody knows."""
    with contextlib.suppress(OSError):
        return _path(key).read_text()
    return ""


def remember(key: str, reason: str) -> None:
    with contextlib.suppress(OSError):  # then the trial is made again, no more
        path = _path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(reason)


def forget(key: str) -> None:
    with contextlib.suppress(OSError):
        _path(key).unlink()


def _path(key: str) -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "memtap" / f"trial-{key}"
