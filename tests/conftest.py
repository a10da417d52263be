"""Fixtures that several folders of tests share."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))  # for the modules beside this one
# For benchmarks/, which is not installed. At the end, as ./memtap is only half of the installed package.
sys.path.append(str(Path(__file__).parents[1]))

from mariadb import mariadb, mysql_url

__all__ = ["mariadb", "mysql_url"]

# The tests' files are theirs alone: a memtap that root has started stays root, but where that is what is tested.
os.environ["MEMTAP_USER"] = "root" if os.geteuid() == 0 else ""

# A memtap that dies of a signal says where each of its threads was.
os.environ["PYTHONFAULTHANDLER"] = "1"

# Timings never decide a test: the machine may be busy.
settings.register_profile("memtap", deadline=None)
settings.load_profile("memtap")

# What takes longest begins first, so that no worker is left with it in the end.
FIRST = ("faults", "taps", "truth", "benchmarks", "fuzz", "browser", "pipeline", "spool")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Most tests wait for other programs: twice as many at a time as there are CPUs."""
    return min(2 * (os.cpu_count() or 1), 8)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: FIRST.index(name) if (name := item.path.parent.name) in FIRST else len(FIRST))
