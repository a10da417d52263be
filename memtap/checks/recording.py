"""Whether the bundled recording is there, which works everywhere."""

from __future__ import annotations

from memtap.checks.check import Check
from memtap.taps import replay


def check() -> Check:
    if replay.BUNDLED.is_file():
        return Check("bundled recording", "ok", f"{replay.BUNDLED.stat().st_size:,} bytes")
    return Check("bundled recording", "bad", f"no {replay.BUNDLED}", "install memtap again")
