"""Other users, for tests that root runs: a function as `nobody`, and a world in which `nobody` can read memtap."""

from __future__ import annotations

import os
import pwd
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

NOBODY = pwd.getpwnam("nobody")
ROOT = Path(__file__).resolve().parents[1]


def in_a_fork(what: Callable[[], str], uid: int | None = None) -> str:
    """What the function says in a process of its own, of that user. Raises AssertionError with what it raised there."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            if uid is not None:
                os.setresuid(uid, uid, uid)
            os.write(writing, what().encode())
            status = 0
        except BaseException as error:  # whatever it is, the parent is to hear of it
            os.write(writing, repr(error).encode())
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading) as stream:
        said = stream.read()
    assert os.waitpid(pid, 0)[1] == 0, said
    return said


def as_nobody(what: Callable[[], str]) -> str:
    return in_a_fork(what, NOBODY.pw_uid)


def where_nobody_can_read(*command: str) -> list[str]:
    """The command, in a mount namespace in which everybody may pass the folders on the way to memtap and its Python.

    Tests may run from a home folder that is closed to others: such a folder is covered by one that shows only what
    the command needs.
    """
    needed = {Path(path) for path in (sys.base_prefix, sys.prefix, ROOT)}
    closed: dict[Path, list[Path]] = {}
    for path in needed:
        for folder in reversed(path.parents):
            if not folder.stat().st_mode & 0o001:
                closed.setdefault(folder, []).append(path)
                break
    script = ["set -e", "hold=$(mktemp -d)"]
    for number, (folder, paths) in enumerate(closed.items()):
        held, cover = f'"$hold"/{number}', shlex.quote(str(folder))
        script += [f"mkdir {held}", f"mount --bind {cover} {held}", f"mount -t tmpfs -o mode=755 none {cover}"]
        for path in paths:
            at, inside = shlex.quote(str(path)), shlex.quote(str(path.relative_to(folder)))
            script += [f"mkdir -p {at}", f"mount --bind {held}/{inside} {at}"]
    script.append(f"exec {shlex.join(command)}")
    return ["unshare", "--mount", "sh", "-c", "\n".join(script)]
