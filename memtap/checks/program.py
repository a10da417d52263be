"""Programs that memtap runs."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess

from memtap import names

_PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"))


def find(name: str) -> str:
    """The program's full path, or "" where there is none. Looks where root's programs are, too."""
    return shutil.which(name, path=_PATH) or ""


def version(path: str, pattern: str, **environment: str) -> tuple[int, ...]:
    """What `path --version` says, as numbers; () where it says none. `pattern` has one group: `([\\d.]+)`."""
    found = re.search(pattern, run([path, "--version"], timeout_s=20, **environment)[1])
    return tuple(int(number) for number in found[1].split(".") if number) if found else ()


def run(command: list[str], timeout_s: float, **environment: str) -> tuple[int, str]:
    """Its exit status (-1 where it could not be started or took too long) and all that it printed.
    Nothing that it started outlives the call."""
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "LC_ALL": "C", **environment},
            start_new_session=True,
        )
    except OSError as error:
        return -1, f"{command[0]}: {error.strerror}"
    with process:
        try:
            printed, _ = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            return -1, f"{command[0]} took longer than {timeout_s:g} s"
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
    return process.returncode, printed.decode(errors="backslashreplace")


def last_line(text: str) -> str:
    """The last line that says something, safe to print."""
    said = (line.strip() for line in reversed(text.splitlines()) if line.strip())
    return names.display(next(said, "").encode())
