"""`memtap run` for a user who has never run it: nothing in the home folder, and nothing that can be tapped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest


def children(pid: int) -> list[int]:
    return [int(child) for file in Path(f"/proc/{pid}/task").glob("*/children") for child in file.read_text().split()]


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_recording_is_shown_kept_apart_and_stopped(tmp_path, alive, stop):
    environment = {**os.environ, "XDG_DATA_HOME": str(tmp_path / ".local/share")}
    environment.pop("MEMTAP_STORE", None)
    command = [sys.executable, "-P", "-m", "memtap", "run", "--tap", "replay", "--port", "0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as memtap:
        address = memtap.stdout.readline()
        while not (players := children(memtap.pid)):
            assert memtap.poll() is None
            time.sleep(0.01)
        memtap.send_signal(stop)
        _, said = memtap.communicate(timeout=60)
    assert address.startswith("http://127.0.0.1:"), said
    assert "NOTE: a bundled recording" in said
    assert memtap.returncode == 0, said
    stores = tmp_path / ".local/share/memtap"
    assert (stores / "recording.duckdb").exists()
    assert not (stores / "memtap.duckdb").exists()
    assert stores.stat().st_mode & 0o777 == 0o700, "what a machine's processes do is for its user's eyes"
    assert not any(map(alive, players))
