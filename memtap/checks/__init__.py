"""What this machine can do for memtap: each check looks at one thing, and says what fixes it."""

from __future__ import annotations

from memtap.checks.check import Check, first_bad

__all__ = ["Check", "first_bad"]
