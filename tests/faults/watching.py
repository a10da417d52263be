"""A `memtap run` under test: numbered events at a set rate into a store, and what memtap says of itself."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .numbered import Printed, Trace
from .runs import READY_S

UNDER_TEST = [sys.executable, "-P", str(Path(__file__).with_name("under_test.py"))]
TOKEN = "a-token-of-the-tests"
SHORTER = {
    "memtap.live.LIVE_FLUSH_S": [0.05, 0.2],  # many small batches
    "memtap.stores.mysql.session.ANSWER_TIMEOUT_S": 1,
    "memtap.stores.mysql.session.CONNECT_TIMEOUT_S": 2,
    "memtap.stores.mysql.session.LOCK_WAIT_S": 1,
}


def under_test(shorter: dict[str, Any] | None = None, env: dict[str, str] | None = None) -> dict[str, str]:
    """The environment of a memtap under test."""
    return {**os.environ, "MEMTAP_TOKEN": TOKEN, "SHORTER": json.dumps({**SHORTER, **(shorter or {})}), **(env or {})}


class Watching:
    """A `memtap run` whose tap prints `trace`. What it leaves in `folder`: its spool, and stderr in a file."""

    def __init__(
        self,
        folder: Path,
        trace: Trace,
        store: str,
        *arguments: str,
        rate: int = 3000,
        shorter: dict[str, Any] | None = None,
        env: dict[str, str] | None = None,
    ) -> None:
        self.trace = trace
        self.printed = Printed(folder / "printed")
        self.first = self.printed.begun  # line of this memtap
        self.errors = folder / "stderr"
        self.spool = folder / "spool"
        tap = f"numbered:{' '.join(trace.arguments())} {rate} {folder / 'printed'}"
        begun = time.monotonic()
        with self.errors.open("ab") as errors:
            self.process = subprocess.Popen(
                [
                    *UNDER_TEST,
                    "run",
                    "--port",
                    "0",
                    "--tap",
                    tap,
                    "--store",
                    store,
                    "--spool",
                    str(self.spool),
                    *arguments,
                ],
                env=under_test(shorter, env),
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().partition("?")[0]
        assert self.address, self.said()
        self.ready_s = time.monotonic() - begun  # until the page answers and the tap is read

    def said(self) -> str:
        return self.errors.read_text()

    def status(self) -> Any:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        request = urllib.request.Request(self.address + "api/v1/status", headers=headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def until(self, wanted: Callable[[], object], why: str) -> float:
        """Waits; returns how long. The memtap under test must live."""
        begun = time.monotonic()
        while not wanted():
            assert self.process.poll() is None, f"memtap has ended: {self.said()[-2000:]}"
            assert time.monotonic() < begun + READY_S, f"{why}: not within {READY_S} s; {self.said()[-2000:]}"
            time.sleep(0.01)
        return time.monotonic() - begun

    def until_printed(self, more: int = 300) -> None:
        """Until the tap has printed some more lines."""
        enough = self.printed.whole + more
        self.until(lambda: self.printed.whole >= enough, "the tap prints")

    def until_stored(self, printed: int) -> float:
        """Until it says that so many lines are accounted for, and nothing waits once no more are printed; how long that
        took."""

        def stored() -> bool:
            pipeline = self.status()["pipeline"]
            waits = self.printed.halted and pipeline["queued"]
            return not waits and int(pipeline["stored"] + pipeline["rejected"]) >= printed

        return self.until(stored, "memtap has stored what was printed")

    def resident_kb(self) -> int:
        fields = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(fields.partition("VmRSS:")[2].split()[0])

    def kill(self) -> tuple[int, int]:
        """As a power switch would; which lines it was given, first and the one after the last."""
        self.process.kill()
        self.process.wait()
        while alive(self.printed.pid):
            time.sleep(0.01)
        return self.first, self.printed.begun

    def quiet(self) -> int:
        """Has the tap print no more; how many lines it has printed."""
        self.printed.halt()
        before = -1
        while before != (before := self.printed.whole) or self.printed.begun != before:
            time.sleep(0.1)
        return before

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@contextmanager
def watching(folder: Path, trace: Trace, store: str, *arguments: str, **more: Any) -> Iterator[Watching]:
    folder.mkdir(exist_ok=True)
    (folder / "spool").mkdir(exist_ok=True)
    opened = Watching(folder, trace, store, *arguments, **more)
    try:
        yield opened
    finally:
        opened.close()
