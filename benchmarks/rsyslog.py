"""rsyslog's ommysql: the way from a log file into MySQL that Debian ships, as a private instance."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

from benchmarks.tally import Wrong
from benchmarks.traces import Trace
from tests.mariadb import Server

RSYSLOGD = shutil.which("rsyslogd", path="/usr/sbin:/usr/local/sbin:/usr/bin")
MODULES = ("/usr/lib/x86_64-linux-gnu/rsyslog", "/usr/lib/aarch64-linux-gnu/rsyslog", "/usr/lib64/rsyslog")
TIMEOUT_S = 300

# Tuned: a queue that holds the whole file, one transaction per dequeued batch (the template's `option.sql` and the
# action's own batches), the largest batches that were faster, one worker as ommysql keeps one connection per worker.
# The message is cut at `=`, as a line has no other single mark: "mmap2: PID" "8120, process" "bash, time" ...
# What is left behind a number is left to the server, by SUBSTRING_INDEX.
CONFIGURATION = """
global(workDirectory="{folder}" maxMessageSize="1k")
module(load="imfile" mode="inotify")
module(load="ommysql")
template(name="insert" type="list" option.sql="on") {{
    constant(value="INSERT INTO MemoryCalls (pid, process_name, call_type, segment_size, timestamp) VALUES (")
    constant(value="SUBSTRING_INDEX('")
    property(name="msg" field.number="2" field.delimiter="61")
    constant(value="', ',', 1), SUBSTRING_INDEX('")
    property(name="msg" field.number="3" field.delimiter="61")
    constant(value="', ', time', 1), SUBSTRING_INDEX('")
    property(name="msg" field.number="1" field.delimiter="61")
    constant(value="', ':', 1), '")
    property(name="msg" field.number="5" field.delimiter="61")
    constant(value="' / 1048576e0, FROM_UNIXTIME(SUBSTRING_INDEX('")
    property(name="msg" field.number="4" field.delimiter="61")
    constant(value="', ',', 1) / 1000000))")
}}
ruleset(name="calls" queue.type="FixedArray" queue.size="500000" queue.dequeueBatchSize="{batch}"
        queue.workerThreads="1" queue.timeoutEnqueue="60000") {{
    action(type="ommysql" server="localhost" socket="{socket}" db="{database}" uid="root" pwd="" template="insert")
}}
input(type="imfile" file="{trace}" tag="memtap" ruleset="calls" readTimeout="0" maxLinesAtOnce="0")
"""
BATCH = 4096


def missing() -> str:
    """Why it cannot run here; "" if it can."""
    if RSYSLOGD is None:
        return "rsyslogd is not installed: apt-get install rsyslog rsyslog-mysql"
    if not any((Path(folder) / "ommysql.so").exists() for folder in MODULES):
        return "its module ommysql is not installed: apt-get install rsyslog-mysql"
    return ""


class Rsyslog:
    """One run: from the start of rsyslogd until the last row is there."""

    def __init__(self, server: Server, trace: Trace, folder: Path) -> None:
        self.server = server
        self.trace = trace
        self.folder = folder / "rsyslog"

    def run(self, database: str) -> float:
        assert RSYSLOGD
        shutil.rmtree(self.folder, ignore_errors=True)  # where it remembers how far it has read
        self.folder.mkdir()
        configuration = self.folder / "rsyslog.conf"
        configuration.write_text(
            CONFIGURATION.format(
                folder=self.folder,
                socket=self.server.socket,
                database=database,
                trace=self.trace.path,
                batch=BATCH,
            )
        )
        begun = time.perf_counter()
        process = subprocess.Popen(
            [RSYSLOGD, "-n", "-f", str(configuration), "-i", str(self.folder / "pid")],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        try:
            return self._wait(process, database) - begun
        finally:
            process.terminate()
            process.wait(30)

    def _wait(self, process: subprocess.Popen[bytes], database: str) -> float:
        connection = self.server.connect(database)
        cursor = connection.cursor()
        deadline = time.perf_counter() + TIMEOUT_S
        while time.perf_counter() < deadline and process.poll() is None:
            # The highest id costs nothing to ask for; rows arrive in order, and one connection leaves no gaps.
            cursor.execute("SELECT MAX(id) FROM MemoryCalls")
            now = time.perf_counter()
            if (cursor.fetchone()[0] or 0) >= self.trace.lines:
                connection.close()
                return now
            time.sleep(0.02)
        cursor.execute("SELECT COUNT(*) FROM MemoryCalls")
        raise Wrong(f"rsyslog: {cursor.fetchone()[0]} of {self.trace.lines} rows after {TIMEOUT_S} s")
