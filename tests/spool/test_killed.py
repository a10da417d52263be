"""A loader killed with SIGKILL at random moments while the store comes and goes: what had reached the disk is stored
once, in order, by the next one."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import duckdb

from memtap.stores import open_store

from .test_loader import Work

ROOT = Path(__file__).parents[2]
KILLS = 20

# A child for each run, as Python and DuckDB take their time to load. It says before which call all that was submitted
# is in the store or on disk, every time that grows.
PROGRAM = """
import os, random, sys, time
from pathlib import Path
from memtap.errors import StoreAway
from memtap.stores import open_store
from tests.spool.test_loader import Work

url, folder, runs = sys.argv[1:]
for seed in range(int(runs)):
    sys.stdin.readline()
    pid = os.fork()
    if not pid:
        break
    os.waitpid(pid, 0)
    print("dead", flush=True)
else:
    sys.exit()
chance = random.Random(seed)
store = open_store(url)
store.migrate()

class Comes:
    def __init__(self, writer):
        self.writer, self.away = writer, False
    def __getattr__(self, name):
        return getattr(self.writer, name)
    def write(self, *batch):
        if self.away:
            raise StoreAway("away")
        return self.writer.write(*batch)

writer = Comes(store.writer())
work = Work(Path(folder), writer, segment_bytes=20_000, most_rows=10_000_000)
print(os.getpid(), work.stream.name, flush=True)
said = -1
while True:
    if chance.random() < 0.2:
        writer.away = not writer.away
    work.submit(1, rows=chance.choice([1, 10, 100]))
    time.sleep(chance.random() * 0.02)
    with work.loader._changed:
        waiting = [item.first_ordinal for item, _ in work.loader._queue]
    safe = min(waiting, default=work.made)
    if safe != said:
        print("safe", safe, flush=True)
        said = safe
"""


def test_killed_at_any_moment_what_had_reached_the_disk_is_stored_once(tmp_path: Path) -> None:
    url = f"duckdb://{tmp_path}/store.duckdb"
    folder = tmp_path / "spool"
    safe: dict[str, int] = {}
    chance = random.Random(5)
    command = [sys.executable, "-c", PROGRAM, url, str(folder), str(KILLS)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, text=True, **pipes) as runs:  # type: ignore[call-overload]
        for _ in range(KILLS):
            runs.stdin.write("next\n")
            runs.stdin.flush()
            pid, stream = runs.stdout.readline().split()
            time.sleep(chance.random())
            os.kill(int(pid), signal.SIGKILL)
            safe[stream] = 0
            while (said := runs.stdout.readline()) != "dead\n":
                safe[stream] = int(said.split()[1])
    with closing(open_store(url)) as store, closing(store.writer()) as writer:
        store.migrate()
        work = Work(folder, writer)
        while work.loader.queued:
            time.sleep(0.01)
        work.stop()
    assert not folder.exists()
    with duckdb.connect(str(tmp_path / "store.duckdb"), read_only=True) as connection:
        numbers = dict(connection.execute("SELECT name, stream_no FROM streams").fetchall())
        for name, least in safe.items():
            rows = connection.execute(
                "SELECT length FROM events WHERE id >> 40 = ? ORDER BY id", [numbers[name]]
            ).fetchall()
            lengths = [length for (length,) in rows]
            assert lengths == list(range(len(lengths))), "in order, each once"
            assert len(lengths) >= least
        lost = connection.execute("SELECT sum(events) FROM losses").fetchall()[0][0] or 0
        assert lost == 0, "nobody says that something is lost which is not"
    assert sum(safe.values()) > 0
