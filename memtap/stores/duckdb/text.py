"""A comm as DuckDB's text, which is UTF-8 and nothing else."""

from __future__ import annotations

from memtap.names import display, parse


def text_of(comm: bytes) -> str:
    """The comm itself where it is UTF-8, so that a query compares and searches it as what it is; else its
    escaped form (memtap.names.display).

    No two comms have the same text: one that spells an escape of the other kind is escaped as well.
    """
    try:
        text = comm.decode()
    except UnicodeDecodeError:
        return display(comm)
    if "\\" not in text:
        return text
    try:
        parse(text)
    except ValueError:
        return text  # it spells no escape, so it stands for itself
    return display(comm)


def comm_of(text: str) -> bytes:
    """The comm whose text this is."""
    if "\\" not in text:
        return text.encode()
    try:
        return parse(text)
    except ValueError:
        return text.encode()
