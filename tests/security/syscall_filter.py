"""A command under a systemd unit's SystemCallFilter=, as systemd reads it: `python syscall_filter.py UNIT COMMAND…`."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pyseccomp


@cache
def members(group: str) -> frozenset[str]:
    """The system calls of `@group`, and of those in it."""
    done = subprocess.run(["systemd-analyze", "syscall-filter", group], capture_output=True, text=True, check=True)
    words = [line.strip() for line in done.stdout.splitlines()[1:]]
    return frozenset(expanded(word for word in words if word and not word.startswith("#")))


def expanded(words: Iterator[str]) -> Iterator[str]:
    for word in words:
        if word.startswith("@"):
            yield from members(word)
        else:
            yield word


def allowed(unit: str) -> frozenset[str]:
    """What a unit's lines leave, one after another: the first is a list of what may be called, those that begin with ~
    take from it, any other adds to it."""
    left = set(members("@default"))
    lines = re.findall(r"(?m)^SystemCallFilter=(.*)$", unit)
    assert lines, "the unit filters nothing"
    assert not lines[0].startswith("~"), "a list of what may not be called allows all others"
    for line in lines:
        named = frozenset(expanded(iter(line.removeprefix("~").split())))
        left = left - named if line.startswith("~") else left | named
    return frozenset(left)


def obey(unit: str) -> None:
    """From here on, in this process and its children."""
    assert "SystemCallErrorNumber=EPERM" in unit.splitlines()
    calls = pyseccomp.SyscallFilter(pyseccomp.ERRNO(errno.EPERM))
    for name in allowed(unit):
        try:
            number = pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, name)
        except ValueError:  # of another processor, or newer than libseccomp
            continue
        if number >= 0:
            calls.add_rule(pyseccomp.ALLOW, number)
    calls.load()


if __name__ == "__main__":
    obey(Path(sys.argv[1]).read_text())
    os.execvp(sys.argv[2], sys.argv[2:])
