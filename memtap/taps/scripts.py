"""The kernel-side scripts, as files that tracers can open."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path


def script(name: str) -> Path:
    """The installed script's path. Raises FileNotFoundError where the installation lacks it."""
    spec = find_spec("memtap.stap")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / name
        if path.is_file():
            return path
    raise FileNotFoundError(f"memtap.stap holds no {name}: this installation of memtap is not whole")


def pieces(text: str, size: int, count: int) -> tuple[str, ...]:
    """The text in `count` arguments of at most `size` characters each, the last ones maybe empty: tracers cut longer
    strings. Raises ValueError where it is too long."""
    if len(text) > size * count:
        raise ValueError(f"{text[:40]!r}...: {len(text)} characters do not fit into {count} pieces of {size}")
    return tuple(text[at : at + size] for at in range(0, size * count, size))
