"""CSV as spreadsheets and programs both read it (RFC 4180), safe to open whatever a process is called.

A text cell that a spreadsheet would take for a formula gets an apostrophe before it; so does one that begins with an
apostrophe itself: take one away from any text cell that has it, and the text is as it was. Names are escaped as
`memtap.names.display` does, so that no control byte gets in and their bytes can be told again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "'", "\uff1d", "\uff0b", "\uff0d", "\uff20")  # the last: full width
_QUOTED = frozenset('",\r\n')


def cell(value: object) -> str:
    """None is empty; a number never looks like a formula."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        return str(value)
    guarded = f"'{value}" if value.startswith(_FORMULA) else value
    if _QUOTED.isdisjoint(guarded):
        return guarded
    return '"' + guarded.replace('"', '""') + '"'


def lines(rows: Iterable[Iterable[object]]) -> str:
    return "".join(",".join(map(cell, row)) + "\r\n" for row in rows)


def table(columns: dict[str, Sequence[object]], *, header: bool = True) -> str:
    """Columns of one length as CSV text."""
    head = ",".join(map(cell, columns)) + "\r\n" if header else ""
    return head + lines(zip(*columns.values(), strict=True))
