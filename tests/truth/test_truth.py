"""What memtap shows is what the kernel itself says: with the live tap, on real work, through to the store."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from memtap import procfs
from memtap.live import Live
from memtap.stores import open_store
from memtap.stores.contract import CallFilter, ProcessRow, Reader
from memtap.taps.choice import choose

HERE = Path(__file__).parent
SETTLE_S = 3.0  # the flush interval and what a busy machine adds


@contextlib.contextmanager
def tapping(url: str) -> Iterator[tuple[Live, Reader]]:
    """The live tap into a store. Nobody is left out: whom a test starts is a child of this process."""
    store = open_store(url)
    store.migrate()
    writer, reader = store.writer(), store.reader()
    live = Live(choose("bpftrace", leave_out=0), writer)
    live.start()
    try:
        wait_for(lambda: live.status().reconciliation.time_us, "the tap's first lines")
        yield live, reader
    finally:
        live.stop()
        writer.close()
        reader.close()
        store.close()


def wait_for(what, about: str, timeout_s: float = 60.0):  # type: ignore[no-untyped-def]
    end = time.monotonic() + timeout_s
    while not (found := what()):
        assert time.monotonic() < end, f"no {about} within {timeout_s} s"
        time.sleep(0.1)
    return found


@pytest.fixture(scope="module")
def workload(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("truth") / "workload"
    subprocess.run(["cc", "-O0", "-pthread", "-o", program, HERE / "workload.c"], check=True)
    return program


def ready(*command: str | Path) -> subprocess.Popen[bytes]:
    """A process that has said "ready" and waits for its standard input to end."""
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return process


def vm_size(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmSize:")[1].split()[0]) * 1024


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def latest_call_vm(reader: Reader, process: ProcessRow) -> int | None:
    """`vm` of its newest call, as the tap printed it: reconciliation has no part in it."""
    for row in reader.calls(CallFilter(process_id=process.id), limit=100):
        if row.call != "proc":
            return row.vm
    return None


PYTHON = """
import mmap, sys, threading
def work():
    held = [mmap.mmap(-1, 1 << 16) for _ in range(50)]
    for i in range(0, 50, 2): held[i].close()
    keep.append(held)
keep = []
threads = [threading.Thread(target=work) for _ in range(6)]
[t.start() for t in threads]; [t.join() for t in threads]
keep.append(mmap.mmap(-1, 4096))
print("ready", flush=True)
sys.stdin.read()
"""


def test_vm_is_what_the_kernel_says_for_every_kind_of_work(workload: Path, tmp_path: Path) -> None:
    with tapping(f"duckdb://{tmp_path}/store.duckdb") as (live, reader):
        processes = [ready(workload, "3"), ready(sys.executable, "-c", PYTHON), ready("sh", "-c", f"exec {workload} 0")]
        pids = [pid for process in processes for pid in (process.pid, *children_of(process.pid))]
        assert len(pids) == 6
        time.sleep(SETTLE_S)
        rows = {row.pid: row for row in reader.processes()}
        said = {pid: (latest_call_vm(reader, rows[pid]), rows[pid].vm) for pid in pids}
        assert said == {pid: (vm_size(pid), vm_size(pid)) for pid in pids}
        failed = reader.calls(CallFilter(pid=processes[0].pid, failed=True))
        assert sorted(row.errno or 0 for row in failed) == [12, 22], "ENOMEM and EINVAL are events of their own"
        assert all(rows[pid].balance < 1 << 40 for pid in pids), "a failed call asks for much and holds nothing"
        for process in processes:
            process.communicate(timeout=30)
        time.sleep(SETTLE_S)
        ended = {row.pid for row in reader.processes(ended=True)}
        assert set(pids) <= ended
        assert live.status().pipeline.rejected == 0
        assert not live.status().pipeline.lost


def test_a_build_leaves_nobody_behind_and_every_process_has_its_name(tmp_path: Path) -> None:
    for number in range(12):
        (tmp_path / f"f{number}.c").write_text(f'#include <stdio.h>\nint f{number}(void) {{ return printf(""); }}\n')
    with tapping(f"duckdb://{tmp_path}/store.duckdb") as (live, reader):
        for _ in range(3):
            subprocess.run("cc -O2 -c *.c && ls -R / >/dev/null 2>&1 | head -1; rm -f *.o", shell=True, cwd=tmp_path)
        time.sleep(SETTLE_S)
        names = {row.name for row in reader.processes(ended=None) if row.ended_us is not None}
        assert {b"cc1", b"as", b"ls", b"rm"} <= names
        looked_us = time.time_ns() // 1000
        alive = {(seen.pid, seen.start_us // 10_000) for seen in procfs.look()}

        def phantoms() -> list[ProcessRow]:
            rows = [row for row in reader.processes(ended=None) if row.ended_us is None and row.first_us < looked_us]
            return [row for row in rows if (row.pid, row.start_us // 10_000) not in alive]

        wait_for(lambda: not phantoms(), "the end of whoever had ended, of the whole machine")
        assert not live.status().pipeline.lost


def test_old_processes_are_known_and_what_differs_is_healed(workload: Path, tmp_path: Path) -> None:
    """A process from before the tap; and one whose stack grew after its last call, which no call says."""
    old = ready(workload, "0")
    with tapping(f"duckdb://{tmp_path}/store.duckdb") as (live, reader):
        known = wait_for(lambda: [row for row in reader.processes() if row.pid == old.pid], "process from before")[0]
        assert (known.vm, known.name) == (vm_size(old.pid), b"workload")
        grown = ready(workload, "0", "1500")
        row = wait_for(lambda: [row for row in reader.processes() if row.pid == grown.pid], "process with a stack")[0]
        assert latest_call_vm(reader, row) != vm_size(grown.pid), "its stack grew after its last call"
        wait_for(
            lambda: [row for row in reader.processes() if row.pid == grown.pid and row.vm == vm_size(grown.pid)],
            "agreement with /proc",
        )
        assert live.status().reconciliation.processes > 2
        for process in (old, grown):
            process.communicate(timeout=30)


def test_a_hundred_thousand_forks_are_a_hundred_thousand_processes(tmp_path: Path) -> None:
    """More than there are pids: each is used again, and nobody's calls go to another."""
    forks = 100_000
    program = tmp_path / "forks"
    source = """
        #include <stdio.h>
        #include <stdlib.h>
        #include <sys/mman.h>
        #include <sys/wait.h>
        #include <unistd.h>
        int main(int argc, char **argv) {
            for (long i = 1; i <= atol(argv[1]); i++) {
                if (fork() == 0) { mmap(0, i * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); _exit(i & 63); }
                if (i % 8 == 0) while (wait(0) > 0) ;
            }
            while (wait(0) > 0) ;
        }"""
    subprocess.run(["cc", "-O2", "-x", "c", "-", "-o", program], input=source.encode(), check=True)
    path = tmp_path / "store.duckdb"
    last_pid = Path("/proc/sys/kernel/ns_last_pid")
    with tapping(f"duckdb://{path}") as (live, _):
        for _ in range(10):
            subprocess.run([program, str(forks // 10)], check=True)
            last_pid.write_text("20000")  # the same pids once more
        time.sleep(SETTLE_S)
        status = live.status()
        assert not status.pipeline.lost
    with duckdb.connect(str(path), read_only=True) as store:
        rows = store.execute(
            """
            SELECT p.id, count(*), any_value(e.length), any_value(p.requested), any_value(p.ended_us IS NOT NULL)
            FROM events e JOIN processes p ON p.id = e.process_id JOIN names n ON n.id = e.name_id
            WHERE n.comm = 'forks'::BLOB AND e.call = 2 AND e.kind = 3 GROUP BY p.id
            """
        ).fetchall()
        reused = store.execute("SELECT max(n) FROM (SELECT count(*) AS n FROM processes GROUP BY pid)").fetchone()
    assert len(rows) == forks
    assert [row for row in rows if row[1] != 1 or row[2] != row[3] or not row[4]] == [], "one mapping each, its own"
    lengths: dict[int, int] = {}
    for row in rows:
        lengths[row[2]] = lengths.get(row[2], 0) + 1
    assert lengths == {(i + 1) * 4096: 10 for i in range(forks // 10)}
    assert reused is not None
    assert reused[0] > 1, "pids were used again"
