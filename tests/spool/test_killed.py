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

from .test_loader import Work, wait_until

ROOT = Path(__file__).parents[2]
KILLS = 20

# A child for each run, as Python and DuckDB take their time to load. It says before which call all that was submitted
# is in the store or on disk, and how many calls it has made at most.
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

def safe():
    with work.loader._changed:
        return min((item.first_ordinal for item, _ in work.loader._queue), default=work.made)

writer = Comes(store.writer())
work = Work(Path(folder), writer, segment_bytes=20_000, most_rows=10_000_000)
print(os.getpid(), work.stream.name, flush=True)
while True:
    if chance.random() < 0.2:
        writer.away = not writer.away
    rows = chance.choice([1, 10, 100])
    print(safe(), work.made + rows, flush=True)
    work.submit(1, rows)
    time.sleep(chance.random() * 0.02)
    print(safe(), work.made, flush=True)
"""


def test_killed_at_any_moment_what_had_reached_the_disk_is_stored_once(tmp_path: Path) -> None:
    url = f"duckdb://{tmp_path}/store.duckdb"
    folder = tmp_path / "spool"
    said: dict[str, tuple[int, int]] = {}
    chance = random.Random(5)
    command = [sys.executable, "-c", PROGRAM, url, str(folder), str(KILLS)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, text=True, **pipes) as runs:  # type: ignore[call-overload]
        for _ in range(KILLS):
            runs.stdin.write("next\n")
            runs.stdin.flush()
            pid, stream = runs.stdout.readline().split()
            time.sleep(chance.random() * 0.6)
            os.kill(int(pid), signal.SIGKILL)
            said[stream] = 0, 0
            while (line := runs.stdout.readline()) != "dead\n":
                safe, made = map(int, line.split())
                said[stream] = safe, made
    with closing(open_store(url)) as store, closing(store.writer()) as writer:
        store.migrate()
        work = Work(folder, writer)
        wait_until(lambda: not work.loader.queued, "all is stored")
        work.stop(timeout_s=300)
    assert not folder.exists(), f"{[*folder.iterdir()]} are left of what is stored"
    with duckdb.connect(str(tmp_path / "store.duckdb"), read_only=True) as connection:
        for name, (safe, made) in said.items():
            rows = connection.execute(
                "SELECT length FROM events WHERE id >> 40 = (SELECT stream_no FROM streams WHERE name = ?) ORDER BY id",
                [name],
            ).fetchall()
            lengths = [length for (length,) in rows]
            assert lengths == list(range(len(lengths))), f"{name}: in order, each once"
            assert safe <= len(lengths) <= made, name
            # A kill may cut the record that is being written: then that batch is known of, and its calls are lost.
            told = connection.execute(
                "SELECT events, detail FROM losses WHERE events > 0"
                " AND stream_no = (SELECT stream_no FROM streams WHERE name = ?)",
                [name],
            ).fetchall()
            assert len(told) <= 1, told
            lost = sum(events for events, _ in told)
            assert lost <= made - len(lengths), f"of {made} calls {len(lengths)} are stored, and yet: {told}"
    assert sum(safe for safe, _ in said.values()) > 0
