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
