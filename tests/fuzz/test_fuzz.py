"""No input breaks the native core: read in several ways under AddressSanitizer and UBSan, which must agree."""

from __future__ import annotations

import pytest

from .fuzzing import Found, fuzz, known, replay


def test_what_was_found_once_is_not_found_again() -> None:
    assert replay(known()) == len(known())


@pytest.mark.parametrize(
    ("defect", "said"),
    [
        ("short", "AddressSanitizer"),  # each allocation of the core is a byte too short
        ("piece", "every way"),  # cut in pieces, a byte gets lost
        ("leak", "nothing is left allocated"),
    ],
)
def test_a_defect_is_found(defect: str, said: str) -> None:
    """Else a minute without a find would say nothing."""
    with pytest.raises(Found, match=said):
        replay(known(), MEMTAP_FUZZ_DEFECT=defect)


def test_a_minute_of_new_inputs_finds_nothing() -> None:
    assert fuzz(60) > len(known())
