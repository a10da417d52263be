"""The parts of the READMEs that a command writes: each lies between two marks of its own."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


def put(text: str, mark: str, lines: Iterable[str], name: str = "README.md") -> str:
    """The `text` of the file `name`, with `lines` between `<!-- mark -->` and `<!-- /mark -->`. Raises ValueError where
    these two do not stand."""
    begin, end = f"<!-- {mark} -->", f"<!-- /{mark} -->"
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"{name}: no section between {begin} and {end}: put these two lines where it is to stand")
    return "\n".join([before + begin, *lines, end + after])


def write(readme: Path, mark: str, lines: Iterable[str]) -> None:
    """Put `lines` there."""
    readme.write_text(put(readme.read_text(), mark, lines, readme.name))
