"""What a process holds: the kernel's own number as of its latest call, whichever batch that comes in."""

from __future__ import annotations


def newest(table: str, column: str) -> str:
    """SQL for `column`, vm or resident, of a row of `table` to which the sums `b` of a batch are added.

    `held_us` of either is the time of the call that said its vm. What is not known (NULL) replaces nothing, and
    calls do not always come in the order of time.
    """
    old, new = f"{table}.{column}", f"b.{column}"
    later = f"b.held_us >= COALESCE({table}.held_us, 0)"
    return f"CASE WHEN {later} THEN COALESCE({new}, {old}) ELSE COALESCE({old}, {new}) END"
