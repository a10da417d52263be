"""`mysql://USER@HOST:PORT/DATABASE`: one store for many hosts and many readers."""

from __future__ import annotations

import hashlib
import os
import time
from contextlib import closing
from pathlib import Path

from memtap.errors import StoreAway, StoreError
from memtap.stores import schema
from memtap.stores.address import MySQLAddress
from memtap.stores.contract import Maintenance, Retention
from memtap.stores.gate import Gate
from memtap.stores.mysql import accounts
from memtap.stores.mysql.errors import DUPLICATE_COLUMN, NO_SUCH_DATABASE, NO_SUCH_TABLE, code_of
from memtap.stores.mysql.housekeeping import Housekeeper
from memtap.stores.mysql.partitions import first_partitions
from memtap.stores.mysql.reader import MySQLReader
from memtap.stores.mysql.schema import EVENTS, MIGRATIONS, NARROW, NARROW_EVENTS, VERSION, VERSIONS_TABLE
from memtap.stores.mysql.session import Load, Session
from memtap.stores.mysql.writer import MySQLWriter

MIGRATION_WAIT_S = 50  # for another memtap's
MIGRATION_S = 7 * 24 * 3600  # for one statement that rewrites a table


class MySQLStore:
    """A database on a server. Nothing is connected before the first use."""

    def __init__(self, address: MySQLAddress, load: Load = "auto", connections: int = 1) -> None:
        self.url = address.url
        self._connections = connections
        self._load: Load = load
        self._address = address
        self._gate = Gate()
        self._housekeeper = Housekeeper(address, self._gate)

    def migrate(self) -> tuple[int, int]:
        name = self._address.database
        quoted = "`" + name.replace("`", "``") + "`"
        with closing(Session(self._address, database=False)) as session:
            if session.rows("SELECT 1 FROM information_schema.schemata WHERE schema_name = ?", [name]):
                session.run(f"USE {quoted}")
                found = _version(session)
                schema.refuse_newer(found, VERSION, self.url)
                if found == VERSION:
                    return found, found
            else:
                session.run(f"CREATE DATABASE IF NOT EXISTS {quoted}")
        # Rewriting a table takes as long as it takes. This server has answered: it is there, and one of its kind.
        with closing(Session(self._address, answer_s=MIGRATION_S)) as session:
            return self._migrate(session)

    def writer(self) -> MySQLWriter:
        self._require_schema()
        return MySQLWriter(self._address, self._gate, self._load, self._connections)

    def reader(self) -> MySQLReader:
        self._require_schema()
        return MySQLReader(self._address)

    def maintain(self, retention: Retention, now_us: int) -> Maintenance:
        return self._housekeeper.step(retention, now_us)

    def create_accounts(self, host: str, folder: Path) -> list[Path]:
        """Make the schema owner's, the loader's and the reader's account: see `accounts.create`."""
        address = self._address
        given = {"host": address.host, "port": address.port or "", "socket": address.unix_socket}
        where = "".join(f"{name} = {value}\n" for name, value in given.items() if value)
        session = Session(address)
        try:
            return accounts.create(session.run, address.database, host, folder, where)
        finally:
            session.close()

    def server_pids(self) -> tuple[int, ...]:
        if not self._address.is_local:
            return ()
        session = Session(self._address, database=False)
        try:
            pid_file, folder = session.rows("SELECT @@pid_file, @@datadir")[0]
        finally:
            session.close()
        try:
            return (int(Path(os.fsdecode(folder), os.fsdecode(pid_file)).read_text()),)
        except (OSError, ValueError):
            return ()  # its folder is the database's own, and a container's pid is not ours

    def close(self) -> None:
        self._housekeeper.close()

    def _migrate(self, session: Session) -> tuple[int, int]:
        # The lock is the server's, not the database's, and goes with the connection.
        lock = "memtap " + hashlib.sha256(self._address.database.encode()).hexdigest()[:32]
        if session.rows("SELECT GET_LOCK(?, ?)", [lock, MIGRATION_WAIT_S])[0][0] != 1:
            raise StoreAway(f"store {self.url} is being migrated by another memtap: try again when it has ended")
        before = _version(session)
        schema.refuse_newer(before, VERSION, self.url)
        if before < VERSION:
            session.run(VERSIONS_TABLE)
        for version in range(before + 1, VERSION + 1):
            for statement in MIGRATIONS[version - 1]:
                _change(session, statement)
            session.run("INSERT INTO schema_versions VALUES (?, ?)", [version, time.time_ns() // 1000])
            session.commit()
        return before, VERSION

    def _require_schema(self) -> None:
        try:
            session = Session(self._address)
        except StoreError as error:
            if _code(error) == NO_SUCH_DATABASE:
                schema.require(0, VERSION, self.url)
            raise
        try:
            schema.require(_version(session), VERSION, self.url)
        finally:
            session.close()


def _change(session: Session, statement: str) -> None:
    if statement == NARROW:
        return _narrow_events(session)
    try:
        session.run(statement.replace("{partitions_1s}", first_partitions(int(time.time()), 1)))
        session.commit()
    except StoreError as error:
        if _code(error) != DUPLICATE_COLUMN:
            raise


def _narrow_events(session: Session) -> None:
    """Renaming both tables is one step, before which the old one is whole and after which the new one is."""
    if not session.rows("SHOW COLUMNS FROM events LIKE 'what'"):
        session.run("DROP TABLE IF EXISTS events_narrow")
        session.run(EVENTS.format(name="events_narrow", partitions=first_partitions(int(time.time()), 1_000_000)))
        session.run(NARROW_EVENTS.format(name="events_narrow"))
        session.commit()
        session.run("RENAME TABLE events TO events_wide, events_narrow TO events")
    session.run("DROP TABLE IF EXISTS events_wide")


def _version(session: Session) -> int:
    try:
        return int(session.rows("SELECT COALESCE(MAX(version), 0) FROM schema_versions")[0][0])
    except StoreError as error:
        if _code(error) == NO_SUCH_TABLE:
            return 0
        raise


def _code(error: StoreError) -> int:
    return code_of(error.__cause__) if isinstance(error.__cause__, Exception) else 0
