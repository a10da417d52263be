"""A process that makes known calls (memory_calls.c), and a live tap that sees it."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from waiting import PATIENCE_S, wait_until

from memtap.native import CALLS, Batch, Parser
from memtap.taps.process import TapProcess

if TYPE_CHECKING:
    from memtap.taps.tap import Tap

SOURCE = Path(__file__).with_name("memory_calls.c")
MARK_BYTES = 7_654_321  # no other process's length


def build(folder: Path) -> Path:
    program = folder / "memory_calls"
    subprocess.run(["cc", "-O2", "-pthread", "-o", program, SOURCE], check=True, timeout=120)
    return program


class Caller:
    """One run of memory_calls.c. See there for its commands and answers."""

    def __init__(self, program: Path) -> None:
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        self.pid = self.process.pid

    def tell(self, command: str) -> list[str]:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(command.encode() + b"\n")
        answer = b""
        while not answer.endswith(b"done\n"):
            got = os.read(self.process.stdout.fileno(), 65536)
            assert got, f"the process ended at {command!r}"
            answer += got
        return answer.decode().splitlines()[:-1]

    def close(self) -> int:
        self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode


class Listener:
    """A tap, and all that it has printed; waiting for lines shows that those before them have come."""

    def __init__(self, tap: Tap, trigger: Caller) -> None:
        """`trigger`: a process that the tap prints; returns when it does."""
        self.text = bytearray()
        self._go = threading.Event()
        self._go.set()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(tap,), daemon=True)
        self._thread.start()
        assert self._started.wait(PATIENCE_S)

        def attached() -> object:
            assert self._thread.is_alive(), f"the tap ended: {self.tap.stderr()}"
            trigger.tell(f"once 0 {MARK_BYTES}")
            return self.lines_with(b"munmap: pid=%d, " % trigger.pid)

        wait_until(attached)

    def _run(self, tap: Tap) -> None:
        self.tap = TapProcess(tap)  # ends with the thread that started it
        self._started.set()
        while data := os.read(self.tap.fd, 1 << 20):
            self.text += data
            self._go.wait()

    def pause(self) -> None:
        """Read no more, so that the pipe and then the tap's buffers fill."""
        self._go.clear()

    def resume(self) -> None:
        self._go.set()

    def settle(self, marker: Caller) -> None:
        """Returns when all has come that was printed before: each CPU's buffer is read in its order."""
        for cpu in sorted(os.sched_getaffinity(0)):
            length = MARK_BYTES + time.monotonic_ns() % 1_000_000
            marker.tell(f"once {cpu} {length}")
            # memtap's lines, whatever the format, hold the pid and then the length
            wanted = b"munmap: pid=%d, " % marker.pid, b", length=%d, " % length
            wait_until(lambda wanted=wanted: any(wanted[1] in line for line in self.lines_with(wanted[0])))

    def lines_with(self, beginning: bytes) -> list[bytes]:
        """The whole lines so far that begin so."""
        whole = bytes(self.text).rpartition(b"\n")[0].split(b"\n")
        return [line for line in whole if line.startswith(beginning)]

    def stop(self) -> bytes:
        self._go.set()
        self.tap.signal(15)
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()
        self.tap.end(1)
        return bytes(self.text)


def parsed(stream: bytes) -> tuple[Parser, Batch]:
    parser = Parser()
    parser.feed(stream)
    parser.finish()
    return parser, parser.seal()


def calls_of(batch: Batch, pid: int) -> list[tuple[str, int, bytes]]:
    """(call, length, name) of each call of a process."""
    return [
        (CALLS[call], length, batch.names[name])
        for call, of, length, name in zip(batch.call, batch.pid, batch.length, batch.name, strict=True)
        if of == pid
    ]
