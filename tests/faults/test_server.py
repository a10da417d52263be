"""A server that dies or hangs while memtap watches: nothing is lost, nothing stored twice."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from mariadb import Server

from .case import case
from .numbered import Trace


def test_a_server_that_is_killed_and_started_again(hurt: Server, database: str, trace: Trace, tmp_path: Path) -> None:
    with case("server killed", hurt, database, trace, tmp_path) as each:
        for chance in each.runs:
            time.sleep(chance.uniform(0, 0.3))
            hurt.kill()
            time.sleep(chance.choice([0, 0, chance.uniform(0, 1)]))
            hurt.start()
            each.mended()


def test_a_server_that_stops_for_a_while(hurt: Server, database: str, trace: Trace, tmp_path: Path) -> None:
    with case("server stopped", hurt, database, trace, tmp_path) as each:
        for chance in each.runs:
            time.sleep(chance.uniform(0, 0.3))
            os.kill(hurt.pid, signal.SIGSTOP)
            try:
                # Mostly about as long as memtap waits for an answer, and sometimes for long.
                time.sleep(30 if each.runs.done % 20 == 10 else chance.choice([0.1, 0.1, 0.4, 0.9, 1.1, 1.3]))
            finally:
                os.kill(hurt.pid, signal.SIGCONT)
            each.mended()
