"""CSV as spreadsheets and programs both read it (RFC 4180), safe to open whatever a process is called.

A text cell that a spreadsheet would take for a formula gets an apostrophe before it; so does one that begins with an
apostrophe itself: take one away from any text cell that has it, and the text is as it was. Names are escaped as
`memtap.names.display` does, so that no control byte gets in and their bytes can be told again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "'", "\uff1d", "\uff0b", "\uff0d", "\uff20")  # the last: full width
_QUOTED = frozenset('",\r\n')


def guarded(text: str) -> str:
    """Text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def cell(value: object, *, guard: bool = True) -> str:
    """None is empty, and no text is `""`; a number never looks like a formula."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        return str(value)
    text = guarded(value) if guard else value
    if text and _QUOTED.isdisjoint(text):
        return text
    return '"' + text.replace('"', '""') + '"'


def lines(rows: Iterable[Iterable[object]], *, guard: bool = True, end: str = "\r\n") -> str:
    return "".join(",".join([cell(value, guard=guard) for value in row]) + end for row in rows)


def table(columns: Mapping[str, Sequence[object]], *, header: bool = True) -> str:
    """Columns of one length as CSV text."""
    head = lines([columns]) if header else ""
    return head + lines(zip(*columns.values(), strict=True))
