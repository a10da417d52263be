"""A real MariaDB server of the tests' own: a private folder, a Unix socket, no network.

One server serves a whole test run and each test has a database of its own. `Server` is there for tests that kill
or configure one.
"""

from __future__ import annotations

import getpass
import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import MySQLdb
import pytest

START_S = 60
# A server that is killed loses nothing that the kernel has. Waiting for the disk would only make the tests wait.
NO_SYNC = ("--debug-no-sync", "--innodb-flush-method=nosync")


class Server:
    """A MariaDB server in `folder`; its root account logs in through the socket without a password."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.socket = folder / "s"  # a socket's whole path has room for 107 bytes
        # Of its own: a server that starts removes what looks like temporary tables, another server's too. And not on
        # its disk, which may be a small one: a server that is out of temporary room ends.
        self._tmp = folder.with_name(f"{folder.name}-tmp")
        self._tmp.mkdir()
        self.user = "root"
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        _run(
            _program("mariadb-install-db"),
            "--no-defaults",
            f"--datadir={folder / 'data'}",
            f"--tmpdir={self._tmp}",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            f"--user={getpass.getuser()}",
        )

    def start(self, *options: str) -> None:
        """With these options besides its own, this time."""
        self._tmp.mkdir(exist_ok=True)
        self._process = subprocess.Popen(
            [
                _program("mariadbd"),
                "--no-defaults",
                f"--datadir={self.folder / 'data'}",
                f"--tmpdir={self._tmp}",
                f"--socket={self.socket}",
                f"--pid-file={self.folder / 'pid'}",
                f"--log-error={self.folder / 'log'}",
                f"--user={getpass.getuser()}",  # it refuses to be root unless told
                "--skip-networking",
                "--innodb-buffer-pool-size=64M",
                "--innodb-log-file-size=48M",
                "--innodb-flush-log-at-trx-commit=2",  # survives the server's death, which is what tests cause
                *self._options,
                *options,
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # a Ctrl-C is for the tests, which then stop it
        )
        for _ in range(START_S * 20):
            try:
                self.connect().close()
            except MySQLdb.OperationalError:
                if self._process.poll() is not None:
                    break
                time.sleep(0.05)
            else:
                return
        pytest.fail(f"MariaDB did not start: {self._said()}")

    def connect(self, database: str = "") -> Any:
        """A connection of mysqlclient's as root, which commits each statement."""
        try:
            return MySQLdb.connect(unix_socket=str(self.socket), user=self.user, database=database, autocommit=True)
        except MySQLdb.OperationalError as error:
            if self._process and self.has_ended():
                error.add_note(f"MariaDB ended by itself, with status {self._process.returncode}: {self._said()}")
            raise

    def has_ended(self) -> bool:
        """Whether it was started and has ended by itself."""
        if self._process is None:
            return False
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(0.2)  # one that has just fallen may still be writing why
        return self._process.returncode is not None

    def _said(self) -> str:
        log = self.folder / "log"
        return log.read_text()[-4000:] if log.exists() else "no log"

    def execute(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """One statement as root; its rows."""
        connection = self.connect()
        try:
            cursor = connection.cursor()
            cursor.execute(statement, values or None)
            return list(cursor.fetchall())
        finally:
            connection.close()

    def url(self, database: str, user: str = "root") -> str:
        return f"mysql://{user}@localhost/{database}?unix_socket={self.socket}"

    def kill(self) -> None:
        """As a power switch would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)
        shutil.rmtree(self._tmp)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(60)
            self._process = None


@contextmanager
def private_server(*options: str, disk_mb: int = 0) -> Iterator[Server]:
    """A server for one test, with these options of mariadbd's; `disk_mb`: on a disk of its own, of this size."""
    folder = Path(tempfile.mkdtemp(prefix="memtap-db-", dir="/tmp"))  # short, for the socket's path
    with disk(folder, disk_mb) if disk_mb else nullcontext():
        server = Server(folder, *NO_SYNC, *options)
        try:
            server.start()
            yield server
        finally:
            server.stop()
    shutil.rmtree(folder)


@contextmanager
def disk(folder: Path, size_mb: int) -> Iterator[Path]:
    """A small disk in place of this folder."""
    _run("mount", "-t", "tmpfs", "-o", f"size={size_mb}m", "tmpfs", str(folder))
    try:
        yield folder
    finally:
        _run("umount", "-l", str(folder))


@pytest.fixture(scope="session")
def mariadb() -> Iterator[Server]:
    """The test run's server."""
    with private_server() as server:
        yield server


_numbers = itertools.count(1)


@pytest.fixture
def mysql_url(mariadb: Server) -> Iterator[str]:
    """The URL of a store whose database does not exist yet; whatever the test makes there goes with it."""
    database = f"test_{os.getpid()}_{next(_numbers)}"
    yield mariadb.url(database)
    mariadb.execute(f"DROP DATABASE IF EXISTS {database}")


def _program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        pytest.fail(f"{name} is not installed, and the tests need a real server: apt-get install mariadb-server")
    return found


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.fail(f"{command[0]} failed: {done.stdout[-1000:]}{done.stderr[-1000:]}")
