"""A fault's repetitions: each with a seed of its own, all of them counted.

MEMTAP_FAULT_RUNS    how often each fault is repeated
MEMTAP_FAULT_SEED    the first repetition's seed, as a failed test has printed it
MEMTAP_FAULT_RESULTS a file in which the runs and what they lost are kept (`make soak`)
"""

from __future__ import annotations

import fcntl
import json
import math
import os
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

from .oracle import Verdict

IN_MAKE_TEST = 20
RUNS = int(os.environ.get("MEMTAP_FAULT_RUNS", IN_MAKE_TEST))
READY_S = 180.0  # a store that is back is written to again: no test is decided by how soon, but never is a failure


NOTHING: dict[str, Any] = {"runs": 0, "lost": 0, "told": 0, "in_flight": 0, "twice": 0, "ready": {}, "restart": {}}
_kept: set[str] = set()


class Runs:
    """The runs of the fault `name`, a row of the README's table: one seeded source of chance each."""

    def __init__(self, name: str, least: int = 0) -> None:
        """`least`: no fewer runs than this, for one of each kind."""
        self.name = name
        self.runs = max(RUNS, least)
        self.done = 0
        self.lost = 0  # without a word
        self.told = 0  # lost, and counted by memtap
        self.in_flight = 0  # of memtaps that were killed
        self.twice = 0
        self.ready_s: list[float] = []  # how long each took until all that had been printed was stored
        self.restart_s: list[float] = []  # how long each memtap took from its start until it answers and reads its tap

    def __iter__(self) -> Iterator[Random]:
        first = int(os.environ.get("MEMTAP_FAULT_SEED", random.SystemRandom().randrange(1 << 32)))
        for seed in range(first, first + self.runs):
            print(f"{self.name}: run {self.done + 1} of {self.runs}: MEMTAP_FAULT_SEED={seed}", flush=True)
            yield Random(seed)
            self.done += 1

    def judged(self, verdict: Verdict) -> None:
        """To be called with each store's verdict, at the latest after the last run."""
        self.lost += max(verdict.missing, 0)
        self.told += verdict.told
        self.in_flight += verdict.in_flight
        self.twice += verdict.twice
        self.kept()
        assert verdict.wrong == [], "; ".join(verdict.wrong)
        assert verdict.in_flight or verdict.emitted == verdict.stored + verdict.rejected + verdict.told

    def kept(self) -> None:
        """Nothing was lost or repeated, as a test has found without the oracle."""
        if not (path := os.environ.get("MEMTAP_FAULT_RESULTS")):
            return
        with Path(path).open("a+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # of the tests that run beside this one
            file.seek(0)
            results = json.loads(file.read() or "{}")
            if self.name not in _kept:  # what it holds of this fault is of an earlier soak
                _kept.add(self.name)
                results[self.name] = dict(NOTHING)
            kept = results[self.name]
            kept["runs"] += self.done
            kept["lost"] += self.lost
            kept["told"] += self.told
            kept["in_flight"] += self.in_flight
            kept["twice"] += self.twice
            kept["ready"] = _counted(kept["ready"], self.ready_s)
            kept["restart"] = _counted(kept["restart"], self.restart_s)
            file.truncate(0)
            file.write(json.dumps(results, indent=1, sort_keys=True) + "\n")
        self.done = self.lost = self.told = self.in_flight = self.twice = 0
        self.ready_s.clear()
        self.restart_s.clear()


def _counted(kept: Mapping[str, int], seconds: Sequence[float]) -> dict[str, int]:
    """How often it took how many tenths of a second."""
    return dict(Counter(kept) + Counter(str(math.ceil(10 * each)) for each in seconds))
