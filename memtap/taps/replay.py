"""A recording as a tap: `python -m memtap.taps.replay [PATH]` prints its lines once, at their pace.

The times are moved to now, and in format 2 the processes' starts with them, so that each pass is of processes of its
own. Nothing else in a line is touched, and a line without a time is printed as it is.
"""

from __future__ import annotations

import gzip
import io
import re
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator

BUNDLED = Path(__file__).parent / "recordings" / "build-and-shell.log.gz"
BUNDLED_IS = "a bundled recording of a Debian machine's calls (a gcc build, Python, sort, shells)"

_TICK_S = 0.02  # lines are printed together that fall into so much time
_TICK_NS = 10_000_000  # of a start in /proc: a `proc` line names the process whose start lies in that tick
_EVENT = re.compile(rb"(.*, time=)(\d{1,18})(, length=-?\d+)\s*\Z", re.DOTALL)
_EVENT_2 = re.compile(rb"([a-z]+: pid=\d+, start=)(\d{1,18})(, uid=\d+, cgroup=\d+, time=)(\d{1,18})(, .*)\n")


@dataclass(frozen=True, slots=True)
class _Event:
    """A line in pieces, around what is moved."""

    time_us: int
    start_ns: int | None  # format 2
    pieces: tuple[bytes, ...]

    def moved(self, shift_us: int) -> bytes:
        time_us = self.time_us + shift_us
        if self.start_ns is None:
            return b"%s%d%s\n" % (self.pieces[0], time_us, self.pieces[1])
        start_ns = self.start_ns + round(shift_us * 1000 / _TICK_NS) * _TICK_NS
        return b"%s%d%s%d%s\n" % (self.pieces[0], max(start_ns, 0), self.pieces[1], time_us, self.pieces[2])


def _event(line: bytes) -> _Event | None:
    if found := _EVENT_2.fullmatch(line):
        head, start_ns, middle, time_us, tail = found.groups()
        return _Event(int(time_us), int(start_ns), (head, middle, tail))
    if found := _EVENT.match(line):
        head, time_us, tail = found.groups()
        return _Event(int(time_us), None, (head, tail))
    return None


def command(path: str = "") -> tuple[str, ...]:
    """The tap's command; "" is the bundled recording."""
    # -P: not from the current directory, which may be anybody's
    return (sys.executable, "-P", "-m", "memtap.taps.replay", *([str(Path(path).absolute())] if path else []))


def lines_of(path: Path) -> list[bytes]:
    """The recording's lines with their newlines, from a plain or a gzip file."""
    data = path.read_bytes()
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    return list(io.BytesIO(data))  # at \n only: a name may hold any other line end


def timed(lines: list[bytes], start_us: int) -> Iterator[tuple[int, bytes]]:
    """One pass: (when to print it, line), in microseconds since the epoch, the first one at `start_us`.

    Lines stay in their order; one whose time steps back is due with its predecessor, as it was recorded.
    """
    first_us: int | None = None
    due_us = start_us
    for line in lines:
        if not (event := _event(line)):
            yield due_us, line
            continue
        if first_us is None:
            first_us = event.time_us
        due_us = max(due_us, event.time_us + start_us - first_us)
        yield due_us, event.moved(start_us - first_us)


def play(lines: list[bytes], out: BinaryIO) -> None:
    """Print the recording once, at its pace."""
    waiting: list[bytes] = []
    start_us = now_us = int(time.time() * 1e6)
    begun = time.monotonic()  # a clock that is set back must not stop the play
    for due_us, line in timed(lines, start_us):
        while due_us > now_us:
            out.write(b"".join(waiting))
            out.flush()
            waiting.clear()
            time.sleep(_TICK_S)
            now_us = start_us + int((time.monotonic() - begun) * 1e6)
        waiting.append(line)
    out.write(b"".join(waiting))
    out.flush()


def main(argv: list[str]) -> int:
    for number in (signal.SIGINT, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)
    path = Path(argv[0]) if argv else BUNDLED
    lines = lines_of(path)
    if not any(map(_event, lines)):
        print(f"{path}: no line of it is a call; nothing to replay", file=sys.stderr)
        return 1
    play(lines, sys.stdout.buffer)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
