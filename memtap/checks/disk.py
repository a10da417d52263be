"""Whether there is room for a store's file."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from memtap.checks.check import Check

if TYPE_CHECKING:
    from pathlib import Path

_SCARCE_BYTES = 1 << 30
_FULL_BYTES = 64 << 20


def room(folder: Path) -> Check:
    """The free bytes where `folder` is, or will be made."""
    there = folder.absolute()
    while not there.exists():
        there = there.parent
    if not os.access(there, os.W_OK | os.X_OK):
        return Check("room", "bad", f"no right to write in {there}", "name another place: --store duckdb:///PATH")
    free = shutil.disk_usage(there).free
    shown = f"{free / (1 << 30):.1f} GiB free in {there}"
    if free < _FULL_BYTES:
        return Check("room", "bad", shown, "make room, or name another place: --store duckdb:///PATH")
    if free < _SCARCE_BYTES:
        return Check("room", "note", shown, "make room: a busy machine stores about 1 GiB an hour")
    return Check("room", "ok", shown)
