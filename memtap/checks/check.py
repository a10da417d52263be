"""The answer of one check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

State = Literal["ok", "note", "bad"]


@dataclass(frozen=True, slots=True)
class Check:
    """`note`: worth knowing, stops nothing. `bad`: what the check's group is for cannot work."""

    name: str  # what was looked at
    state: State
    found: str  # what is there, for people
    fix: str = ""  # the command, or the deed, that changes it


def first_bad(checks: Iterable[Check]) -> Check | None:
    """The first check that failed. Later ones are not run when `checks` is a generator."""
    return next((check for check in checks if check.state == "bad"), None)
