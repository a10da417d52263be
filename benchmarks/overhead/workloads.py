"""What is watched: storms of calls, a compilation, a web server. Each does a bounded amount of work."""

from __future__ import annotations

import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from benchmarks.programs import COMPILER
from benchmarks.tally import Wrong

STORM = Path(__file__).with_name("storm.c")
CLIENTS = 2
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Work:
    """`calls`: what each process of a storm says that it made."""

    rate: float
    cpu_seconds: float
    calls: dict[int, int] = field(default_factory=dict)


class Workload(Protocol):
    name: str
    unit: str  # of its rate

    def run(self) -> Work: ...


def build_storm(folder: Path) -> Path:
    program = folder / "storm"
    subprocess.run([COMPILER, "-O2", "-Wall", "-Wextra", "-o", program, STORM], check=True)
    return program


class Storm:
    """mmap and munmap as fast as they go, for a fixed time, one process on each of the CPUs."""

    unit = "calls/s"

    def __init__(self, program: Path, cpus: Sequence[int], seconds: float) -> None:
        self.name = f"mmap storm, {len(cpus)} CPU{'s' if len(cpus) > 1 else ''}"
        self._command = [str(program), str(round(seconds * 1000)), *map(str, cpus)]

    def run(self) -> Work:
        before = _children_cpu()
        done = subprocess.run(self._command, capture_output=True, text=True, check=True)
        said = [line.split() for line in done.stdout.splitlines()]
        calls = {int(pid): int(count) for pid, count, _ in said}
        rate = sum(int(count) / float(seconds) for _, count, seconds in said)
        return Work(rate, _children_cpu() - before, calls)


class Compilation:
    """A C compiler over a set of generated files, two at a time."""

    name = "compilation"
    unit = "files/s"

    def __init__(self, folder: Path, files: int) -> None:
        self._sources = []
        for number in range(files):
            source = folder / f"unit{number}.c"
            source.write_text(_source(number))
            self._sources.append(source)

    def run(self) -> Work:
        before, begun = _children_cpu(), time.perf_counter()
        with ThreadPoolExecutor(CLIENTS) as pool:
            list(pool.map(_compile, self._sources))
        return Work(len(self._sources) / (time.perf_counter() - begun), _children_cpu() - before)


def _source(number: int) -> str:
    functions = (
        f"int f{number}_{each}(int n) {{ char text[64]; int sum = 0; for (int i = 0; i < n; i++) "
        f'sum += snprintf(text, sizeof text, "%d", i * {each}) + (int) strlen(text); return sum; }}\n'
        for each in range(60)
    )
    return "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n#include <unistd.h>\n" + "".join(functions)


def _compile(source: Path) -> None:
    subprocess.run([COMPILER, "-O1", "-c", "-o", source.with_suffix(".o"), source], check=True)


class WebServer:
    """Python's own http.server: a connection and a thread for each request, of a file of 8 KB."""

    name = "web server"
    unit = "requests/s"

    def __init__(self, folder: Path, requests: int) -> None:
        self._requests = requests
        self._size = 8192
        (folder / "page.txt").write_bytes(b"x" * self._size)
        self._folder = folder

    def run(self) -> Work:
        before = _children_cpu() + time.process_time()
        with socket.create_server((LOOPBACK, 0)) as free:
            port = free.getsockname()[1]
        command = [sys.executable, "-IS", "-m", "http.server", str(port)]
        server = subprocess.Popen(
            [*command, "--bind", LOOPBACK, "--directory", self._folder],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            _await_listening(port)
            begun = time.perf_counter()
            with ThreadPoolExecutor(CLIENTS) as pool:
                sizes = list(pool.map(lambda _: _get(port), range(self._requests)))
            seconds = time.perf_counter() - begun
        finally:
            server.terminate()
            server.wait()
        if any(size <= self._size for size in sizes):
            raise Wrong(f"http.server: an answer of {min(sizes)} bytes to a request for {self._size}")
        return Work(self._requests / seconds, _children_cpu() + time.process_time() - before)


def _await_listening(port: int) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            _get(port)
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def _get(port: int) -> int:
    """Bytes of one answer."""
    with socket.create_connection((LOOPBACK, port), timeout=30) as connection:
        connection.sendall(b"GET /page.txt HTTP/1.0\r\n\r\n")
        size = 0
        while chunk := connection.recv(65536):
            size += len(chunk)
        return size


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def cpus() -> list[int]:
    return sorted(os.sched_getaffinity(0))
