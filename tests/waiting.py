"""Waiting for what must come, and seeing whether a process runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

PATIENCE_S = 60.0  # what a test waits before it fails: generous, as nothing is claimed about speed


def wait_until(what: Callable[[], object]) -> None:
    """Wait for something that must come; fail where it does not."""
    deadline = time.monotonic() + PATIENCE_S
    while not what():
        if time.monotonic() > deadline:
            pytest.fail(f"waited {PATIENCE_S:g} s in vain for {what.__name__}")
        time.sleep(0.005)


def alive(pid: int) -> bool:
    """Whether the process runs: a zombie does not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"
