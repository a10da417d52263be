"""Ring, file, reader and parser in threads, under ThreadSanitizer: no two of them touch the same without a lock."""

from __future__ import annotations

import os
import random
import subprocess

from .building import HERE, racer


def test_no_data_race_around_the_ring() -> None:
    seed = random.randrange(2**32)
    done = subprocess.run(
        [racer(), "-I", HERE / "race.py", "8", str(seed)],
        env={**os.environ, "TSAN_OPTIONS": "exitcode=66"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"race.py, seed {seed}:\n{done.stdout[:20000]}"
    assert "were dropped and counted" in done.stdout
