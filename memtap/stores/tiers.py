"""Which rollup says what of a window: the coarsest that is kept, and finer ones at the window's edges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

TIERS = {1: "rollup_1s", 60: "rollup_1m", 3600: "rollup_1h"}
"""By the seconds of a row."""


class Piece(NamedTuple):
    """Seconds [first, last) since the epoch, to be read from one tier."""

    tier: int
    first: int
    last: int


def pieces(first: int, last: int, tiers: Sequence[int], horizons: Mapping[int, int]) -> list[Piece]:
    """The seconds [first, last) as pieces, ascending and without gaps, of the `tiers` there are (ascending).

    `horizons[tier]`: the tier has all seconds from this one on. Where only coarser ones are left, the window is
    widened to their whole steps.
    """
    if first >= last:
        return []
    for finer, coarser in pairwise(tiers):
        kept = horizons.get(finer, 0)
        if first < kept:
            first -= first % coarser
        if last <= kept:
            last += -last % coarser
    return _pieces(first, last, tiers, horizons)


def _pieces(first: int, last: int, tiers: Sequence[int], horizons: Mapping[int, int]) -> list[Piece]:
    if first >= last:
        return []
    coarsest = tiers[-1]
    begin, end = first + -first % coarsest, last - last % coarsest
    if len(tiers) == 1:
        return [Piece(coarsest, first, last)]
    if begin >= end:
        return _pieces(first, last, tiers[:-1], horizons)
    return [
        *_pieces(first, begin, tiers[:-1], horizons),
        Piece(coarsest, begin, end),
        *_pieces(end, last, tiers[:-1], horizons),
    ]


def tiers_of_step(step: int, tiers: Sequence[int], first: int, horizons: Mapping[int, int]) -> list[int]:
    """Those of which `step` seconds are a multiple, and those that alone are left of what is older than the others."""
    return [
        tier for at, tier in enumerate(tiers) if step % tier == 0 or (at > 0 and first < horizons.get(tiers[at - 1], 0))
    ]
