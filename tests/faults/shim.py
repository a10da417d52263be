"""shim.c, built and told what to do: a program's file operations that fail or kill it, and its wall clock."""

from __future__ import annotations

import mmap
import struct
import subprocess
from pathlib import Path
from typing import Literal

OPERATIONS = ("write", "sync", "open", "rename", "unlink", "truncate")
ACTIONS = ("", "fail", "kill before", "kill within", "kill after")
Action = Literal["fail", "kill before", "kill within", "kill after"]
_CLOCK, _COUNTDOWN, _OPS, _HITS, _SEEN, _PATH = 0, 8, 16, 32, 40, 88  # struct control


def build(folder: Path) -> Path:
    """The library for LD_PRELOAD."""
    library = folder / "shim.so"
    source = Path(__file__).with_name("shim.c")
    command = ["gcc", "-O1", "-Wall", "-Werror", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"]
    subprocess.run(command, check=True)
    return library


class Shim:
    """Of one program under test."""

    def __init__(self, library: Path, control: Path) -> None:
        control.write_bytes(bytes(4096))
        with control.open("r+b") as file:
            self._page = mmap.mmap(file.fileno(), 4096)
        self.env = {"LD_PRELOAD": str(library), "FAULT_CONTROL": str(control)}

    def watch(self, path: str) -> None:
        """Files count whose path contains this."""
        self._page[_PATH : _PATH + 256] = path.encode().ljust(256, b"\0")

    def arm(self, action: Action, *operations: str, after: int = 0, error: int = 0, times: int = 0) -> None:
        """The `after`th of these operations from now on, counted from 0, and of `fail` the ones that follow (`times`
        in all; 0: until disarmed)."""
        bits = sum(1 << OPERATIONS.index(each) for each in operations)
        struct.pack_into("<q", self._page, _COUNTDOWN, after)
        struct.pack_into("<Q", self._page, _HITS, 0)
        struct.pack_into("<IIII", self._page, _OPS, bits, ACTIONS.index(action), error, times)

    def disarm(self) -> None:
        struct.pack_into("<II", self._page, _OPS, 0, 0)

    def set_clock(self, offset_us: int) -> None:
        """The program's wall clock is so much off."""
        struct.pack_into("<q", self._page, _CLOCK, offset_us)

    @property
    def hits(self) -> int:
        """Operations that were to fail or kill since it was armed."""
        return int(struct.unpack_from("<Q", self._page, _HITS)[0])

    def seen(self, operation: str) -> int:
        """Such operations so far."""
        return int(struct.unpack_from("<Q", self._page, _SEEN + 8 * OPERATIONS.index(operation))[0])
