"""A `memtap run` of the tests' own, as a user runs it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from waiting import alive, wait_until

MEMTAP = [sys.executable, "-P", "-m", "memtap"]
TOKEN = "a-token-of-the-tests"


class Running:
    """A `memtap run` of the tests', with its page on a free port."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [*MEMTAP, "run", "--port", "0", *arguments],
            env={**os.environ, "MEMTAP_TOKEN": TOKEN},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().partition("?")[0]
        assert self.address, self.process.communicate()[1]

    def get(self, path: str) -> Any:
        request = urllib.request.Request(self.address + path, headers={"Authorization": f"Bearer {TOKEN}"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def wait_for(self, path: str, wanted: Any, timeout_s: float = 60.0) -> Any:
        end = time.monotonic() + timeout_s
        while not wanted(answer := self.get(path)):
            assert time.monotonic() < end, f"{path}: not within {timeout_s} s: {answer}"
            subprocess.run(["true"], check=True)  # on an idle machine nobody else makes a call
            time.sleep(0.2)
        return answer

    def children(self) -> list[int]:
        """All that it started, and what those started."""
        found, look = [], [self.process.pid]
        while look:
            pid = look.pop()
            for task in Path(f"/proc/{pid}/task").iterdir():
                look += map(int, (task / "children").read_text().split())
            found.append(pid)
        return found[1:]

    def stop(self, number: signal.Signals = signal.SIGINT) -> tuple[int, str]:
        """Its exit status, and what it wrote to stderr."""
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=30)
        return self.process.returncode, errors


@contextmanager
def running(*arguments: str) -> Iterator[Running]:
    run = Running(*arguments)
    try:
        yield run
    finally:
        if run.process.poll() is None:
            run.process.kill()
            run.process.communicate()


def wait_until_gone(pids: list[int]) -> None:
    """Whoever was told to end may need a moment in the kernel: bpftrace's probes are detached one after the other."""
    wait_until(lambda: not any(map(alive, pids)))
