"""Over how many connections batches are loaded, against servers of which it is known what they can take."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from memtap.stores.pace import BATCHES, LONGEST_PAUSE, Pace

ROWS = 1000


def run(pace: Pace, capacity: float, batches: int, noise: random.Random | None = None, now_s: float = 0.0) -> list[int]:
    """The counts over which a server stored them that takes `capacity` times what one connection gives it."""
    counts = []
    for _ in range(batches):
        speed = min(pace.count, capacity) * (noise.uniform(0.99, 1.01) if noise else 1)
        now_s += ROWS / (1000 * speed)
        counts.append(pace.count)
        pace.stored(ROWS, now_s, more=True)
    return counts


@given(most=st.integers(1, 16), capacity=st.sampled_from([1, 2, 3, 5, 8]), seed=st.integers())
def test_the_number_that_pays_is_found_and_kept(most: int, capacity: int, seed: int) -> None:
    noise = random.Random(seed)
    pace = Pace(most)
    run(pace, capacity, 300, noise)
    counts = run(pace, capacity, 2000, noise, 1e6)
    assert all(1 <= count <= most for count in counts)
    paying = min(most, capacity)
    assert counts.count(paying) >= 0.9 * len(counts)


def test_a_server_that_gets_slower_and_quicker_is_followed() -> None:
    pace = Pace(8)
    for at, capacity in enumerate((4, 1, 3)):
        run(pace, capacity, 40 * BATCHES * LONGEST_PAUSE, now_s=1e6 * 2 * at)
        counts = run(pace, capacity, 100, now_s=1e6 * (2 * at + 1))
        assert counts.count(capacity) >= 90


@given(most=st.integers(1, 16), times_s=st.lists(st.floats(0, 10), max_size=200))
def test_where_no_batch_waits_nothing_is_tried(most: int, times_s: list[float]) -> None:
    pace, now_s = Pace(most), 0.0
    for took_s in times_s:
        now_s += took_s
        assert not pace.stored(ROWS, now_s, more=False)
    assert pace.count == min(2, most)


def test_a_trial_that_cannot_be_measured_is_given_up() -> None:
    pace, now_s = Pace(4), 0.0
    while not pace.stored(ROWS, now_s, more=True):
        now_s += 1
    assert pace.count == 3
    assert pace.stored(ROWS, now_s + 1, more=False)
    assert pace.count == 2


def test_a_clock_that_stands_still_says_nothing() -> None:
    pace = Pace(4)
    assert not any(pace.stored(ROWS, 5.0, more=True) for _ in range(100))
