"""`memtap run` ends when it is asked to, whatever its store does."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import MySQLdb

from .test_ingest import MEMTAP


def test_a_store_that_hangs_does_not_keep_it_and_what_is_lost_is_said(mysql_url: str) -> None:
    subprocess.run([*MEMTAP, "init", "--store", mysql_url], check=True, capture_output=True)
    parts = urlsplit(mysql_url)
    other = MySQLdb.connect(
        unix_socket=parse_qs(parts.query)["unix_socket"][0], user=parts.username, database=parts.path[1:]
    )
    command = [*MEMTAP, "run", "--tap", "replay", "--port", "0", "--store", mysql_url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        assert run.stdout
        assert run.stdout.readline().startswith("http://")
        other.query("LOCK TABLES events WRITE, processes WRITE")
        time.sleep(2)  # until a batch hangs
        players = [
            int(pid) for file in Path(f"/proc/{run.pid}/task").glob("*/children") for pid in file.read_text().split()
        ]
        run.send_signal(signal.SIGTERM)
        _, said = run.communicate(timeout=60)
    other.close()
    assert run.returncode == 1
    assert "the store did not take the last " in said.splitlines()[-1]
    assert "Traceback" not in said
    assert players
    assert not any(Path(f"/proc/{pid}").exists() for pid in players)


def test_a_file_of_an_unknown_format_is_said_in_one_line(tmp_path: Path) -> None:
    trace = tmp_path / "trace.log"
    trace.write_text("memtap: format=3, tap=x\n")
    command = [*MEMTAP, "run", "--tap", f"file:{trace}", "--port", "0", "--store", f"duckdb://{tmp_path}/s.duckdb"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        assert run.stdout
        assert run.stderr
        assert run.stdout.readline().startswith("http://")
        said = next(line for line in run.stderr if "format=3" in line)
        run.send_signal(signal.SIGINT)
        _, rest = run.communicate(timeout=60)
    assert said.startswith("memtap: tap: header b'memtap: format=3, tap=x': not a format that this memtap reads")
    assert rest == "memtap: stopped; everything that was read is stored\n"
