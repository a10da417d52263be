"""One connection to a server, with everything set that is unsafe or unbounded by default."""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from memtap.errors import StoreError
from memtap.stores.address import MySQLAddress
from memtap.stores.mysql.errors import CONNECTION_LOST, LOCAL_REFUSED, code_of, meaning

try:
    import MySQLdb
    from MySQLdb import _mysql
except ImportError as error:
    raise StoreError(f"a mysql:// store needs mysqlclient ({error}): pip install 'memtap[mysql]'") from error

CONNECT_TIMEOUT_S = 10
# Longer than any one statement waits: LOCK_WAIT_S for a row, and LOAD DATA of a batch takes well under a second.
ANSWER_TIMEOUT_S = 60
LOCK_WAIT_S = 10
STATEMENT_BYTES = 4 << 20  # longer ones gain nothing
_TABS = bytes.maketrans(b",", b"\t")
ENCRYPTED = ("REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY")

LoadMethod = Literal["load data", "insert"]
Load = Literal["auto", "local", "insert"]
"""How rows are to go in: by LOAD DATA LOCAL where the server lets it, only so, or by INSERT."""
log = logging.getLogger(__name__)


class Session:
    """A connection and its transaction. One thread's; of no more use once `lost`. `answer_s`: how long a statement may
    take, 0 for what is usual. `load_method`: how rows go in, from the first refusal on by INSERT."""

    def __init__(
        self,
        address: MySQLAddress,
        *,
        database: bool = True,
        autocommit: bool = False,
        answer_s: int = 0,
        load: Load = "auto",
    ) -> None:
        self._url = address.url
        self._load = load
        self.lost = False
        self.load_method: LoadMethod = "insert" if load == "insert" or not _may_send_files() else "load data"
        try:
            self._connection = MySQLdb.connect(
                **_options(address, database=database, autocommit=autocommit)
                | {"read_timeout": answer_s or ANSWER_TIMEOUT_S}
            )
        except MySQLdb.Error as error:
            raise meaning(error, self._url) from error
        # The client library of MariaDB takes "required" for "wished for".
        if address.tls_mode in ENCRYPTED and not self.rows("SHOW STATUS LIKE 'Ssl_cipher'")[0][1]:
            self.close()
            raise StoreError(f"store {self._url}: the server offers no TLS, and tls_mode is {address.tls_mode}")
        # Strict, so that a value which does not fit is an error and not another value. The waits and times are memtap's
        # to choose: what a server has as its default is for others.
        self.run(
            "SET SESSION sql_mode = 'STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION',"
            f" SESSION innodb_lock_wait_timeout = {LOCK_WAIT_S}, SESSION lock_wait_timeout = {LOCK_WAIT_S}"
            " /*M!100101 , SESSION max_statement_time = 0 */"
        )
        self._packet = int(self.rows("SELECT @@max_allowed_packet")[0][0])

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Run a statement, `?` standing for the values; all its rows."""
        return list(self._execute(sql, values).fetchall())

    def run(self, sql: str, values: Sequence[object] = ()) -> int:
        """Run a statement; how many rows it changed."""
        return int(self._execute(sql, values).rowcount)

    def load(self, table: str, columns: str, text: bytes | memoryview, rows: int) -> None:
        """Append `rows` rows of LOAD DATA text: tab between fields, newline after each row, numbers or \\N.

        Raises StoreError unless every one was taken as it is.
        """
        if self.load_method == "load data" and self._load_file(table, columns, text, rows):
            return
        if self._load == "local":
            raise StoreError(
                f"store {self._url} refuses LOAD DATA LOCAL: set local_infile=1 on the server, or say --load auto"
            )
        self._insert(table, columns, bytes(text), rows)

    def load_values(self, table: str, columns: str, rows: bytes) -> None:
        """As `load`, of rows as `run_values` has them, numbers or NULL. A row whose key is there already raises a
        StoreError whose cause is the server's DUPLICATE_KEY. Does nothing without any."""
        if rows:
            text = rows.translate(_TABS, b"(").replace(b")\t\n", b"\n").replace(b"NULL", b"\\N")
            self.load(table, columns, text, text.count(b"\n"))

    def run_values(self, head: str, tail: str, rows: bytes) -> None:
        """Run `head`, rows of SQL values, `tail`, in as many statements as the server's packets need. `rows`: a comma
        and a newline after each. Does nothing without any."""
        room = self._room() - len(head) - len(tail)
        at = 0
        while at < len(rows):
            end = len(rows) if len(rows) - at <= room else rows.rfind(b",\n", at, at + room) + 2
            if end < at + 2:  # one row is longer
                end = rows.index(b",\n", at) + 2
            self._run_bytes(head.encode() + rows[at : end - 2] + tail.encode())
            at = end

    def commit(self) -> None:
        try:
            self._connection.commit()
        except MySQLdb.Error as error:
            raise self._said(error) from error

    def roll_back(self) -> None:
        """Never raises: a connection that cannot even do that is lost, and its transaction with it."""
        try:
            self._connection.rollback()
        except MySQLdb.Error:
            self.lost = True

    def close(self) -> None:
        self.lost = True
        with suppress(MySQLdb.Error):  # it was closed already
            self._connection.close()

    def _execute(self, sql: str, values: Sequence[object] = ()) -> Any:
        cursor = self._connection.cursor()
        try:
            cursor.execute(sql.replace("?", "%s"), values) if values else cursor.execute(sql)
        except MySQLdb.Error as error:
            raise self._said(error) from error
        return cursor

    def _load_file(self, table: str, columns: str, text: bytes | memoryview, rows: int) -> bool:
        """False where sending files is refused."""
        file = _sealed(text)
        try:
            # The client library sends a file only while a statement that begins with LOAD waits for its answer.
            cursor = self._execute(
                f"LOAD DATA LOCAL INFILE '/proc/self/fd/{file}' INTO TABLE {table} CHARACTER SET binary"
                f" FIELDS TERMINATED BY '\\t' ESCAPED BY '\\\\' LINES TERMINATED BY '\\n' ({columns})"
            )
        except StoreError as error:
            if not isinstance(error.__cause__, Exception) or code_of(error.__cause__) not in LOCAL_REFUSED:
                raise
            self.load_method = "insert"
            if self._load == "local":
                return False
            log.warning("%s refuses LOAD DATA LOCAL; rows go by INSERT, which is slower", self._url)
            return False
        finally:
            os.close(file)
        # LOCAL makes errors into warnings: duplicates skipped, values bent, rows without a partition dropped.
        if cursor.rowcount != rows or cursor.warning_count:
            warnings = self.rows("SHOW WARNINGS LIMIT 1")
            raise StoreError(
                f"store {self._url}: of {rows} rows for {table} the server took {cursor.rowcount} with"
                f" {cursor.warning_count} warnings{': ' + str(warnings[0][2]) if warnings else ''}"
            ) from (MySQLdb.IntegrityError(*warnings[0][1:]) if warnings else None)
        return True

    def _insert(self, table: str, columns: str, text: bytes, rows: int) -> None:
        size = self._room() // 2  # each tab and newline becomes up to three bytes, each \N four
        head = f"INSERT INTO {table} ({columns}) VALUES (".encode()  # noqa: S608
        at = taken = 0
        while at < len(text):
            end = text.rfind(b"\n", at, at + size)
            if end < 0:  # one row is longer
                end = text.index(b"\n", at)
            values = text[at:end].replace(b"\n", b"),(").replace(b"\t", b",").replace(b"\\N", b"NULL")
            taken += self._run_bytes(head + values + b")")
            at = end + 1
        if taken != rows:
            raise StoreError(f"store {self._url}: of {rows} rows for {table} the server took {taken}")

    def _room(self) -> int:
        """Bytes of a statement, well below the server's largest packet."""
        return min(self._packet, STATEMENT_BYTES) * 3 // 4

    def _run_bytes(self, statement: bytes) -> int:
        """Run a statement as it is; how many rows it changed."""
        cursor = self._connection.cursor()
        try:
            return int(cursor.execute(statement))
        except MySQLdb.Error as error:
            raise self._said(error) from error

    def _said(self, error: Exception) -> StoreError:
        if code_of(error) in CONNECTION_LOST:
            self.lost = True
        return meaning(error, self._url)


def _options(address: MySQLAddress, *, database: bool, autocommit: bool) -> dict[str, Any]:
    options: dict[str, Any] = {
        "charset": "utf8mb4",
        "binary_prefix": True,  # bytes are sent as bytes and not as ill-formed text
        "autocommit": autocommit,
        "multi_statements": False,
        # 2: only while a LOAD statement is outstanding. With 1, a rogue server could ask for any file at any time.
        "local_infile": 2 if _may_send_files() else 0,
        "connect_timeout": CONNECT_TIMEOUT_S,
        "write_timeout": ANSWER_TIMEOUT_S,
        "ssl_mode": address.tls_mode,
    }
    if address.tls:
        options["ssl"] = address.tls
    if database:
        options["database"] = address.database
    if address.option_file:
        if not os.access(address.option_file, os.R_OK):
            raise StoreError(
                f"store {address.url}: the option file {address.option_file} cannot be read: check its path"
            )
        options["read_default_file"] = str(Path(address.option_file).absolute())
    given = {
        "host": address.host,
        "port": address.port,
        "user": address.user,
        "unix_socket": address.unix_socket,
    }
    options |= {name: value for name, value in given.items() if value}
    if address.password is not None:
        options["password"] = address.password
    if not address.port:
        options["port"] = 0  # the option file's, or the library's own
    return options


def _may_send_files() -> bool:
    """Oracle's client library takes local_infile=2 for 1, which would let a rogue server ask for any file."""
    major = _mysql.get_client_info().split(".")[0]
    return (major == "3" or (major.isdigit() and 10 <= int(major) < 20)) and Path("/proc/self/fd").exists()


def _sealed(text: bytes | memoryview) -> int:
    """A file in memory that holds all of `text` and can change no more. A file cut short looks whole to a server."""
    file = os.memfd_create("memtap-batch", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        view = memoryview(text)
        while view:
            view = view[os.write(file, view) :]
        seals = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
        fcntl.fcntl(file, fcntl.F_ADD_SEALS, seals)
    except BaseException:
        os.close(file)
        raise
    return file
