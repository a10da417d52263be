"""The peers that are C programs: built here, kept running, asked for one repetition at a time."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.race import Contender
from benchmarks.tally import Found, Wrong
from benchmarks.traces import Trace

PEERS = Path(__file__).parent / "peers"
COMPILER = "cc"
FLAGS = ("-O3", "-march=native", "-Wall", "-Wextra")
# valgrind 3.19 knows no AVX-512
COUNTED_FLAGS = ("-O3", "-march=x86-64-v3", "-Wall", "-Wextra")


def build(name: str, folder: Path, *, flags: Sequence[str] = FLAGS, libraries: Sequence[str] = ()) -> Path:
    """The program of peers/NAME.c."""
    program = folder / name
    command = [COMPILER, *flags, "-o", str(program), str(PEERS / f"{name}.c"), *libraries]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {done.stderr}")
    return program


class Reader:
    """A program that holds a trace in memory and reads it once for each line it is sent."""

    def __init__(self, program: Path, trace: Path) -> None:
        self._process = subprocess.Popen([program, trace], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.name = program.name

    def ask(self, what: str = "time") -> tuple[float, list[str]]:
        """Seconds, and what it says of its result. `what`: "time", or "check" for the digest of all columns."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(f"{what}\n")
        self._process.stdin.flush()
        fields = self._process.stdout.readline().split()
        if not fields:
            raise Wrong(f"{self.name}: ended with status {self._process.wait()}")
        return float(fields[0]), fields[1:]

    def contender(self, name: str, trace: Trace) -> Contender:
        """Each run is checked by its events, names and sum of lengths; the check before is of all columns."""
        expected = trace.tally.found()

        def run() -> float:
            seconds, (events, length, names, _) = self.ask()
            replace(expected, events=int(events), length=int(length), names=int(names)).check(expected, name)
            return seconds

        def check() -> None:
            _, (events, length, names, digest) = self.ask("check")
            Found(int(events), int(length), int(names), int(digest, 16)).check(expected, name)

        return Contender(name, run, {"lines": trace.lines, "bytes": trace.size}, check)

    def close(self) -> None:
        self._process.communicate()
