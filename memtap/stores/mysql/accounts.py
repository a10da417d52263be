"""The three accounts of a store on a server: one makes the schema, one writes, one can only read."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from memtap.errors import StoreError, UsageError
from memtap.stores.mysql.schema import AGED, PARTITIONED


@dataclass(frozen=True, slots=True)
class Account:
    """An account and what it may do."""

    role: str
    purpose: str
    grants: tuple[tuple[str, str], ...]  # privileges, and on which table: "" for all of the database

    @property
    def user(self) -> str:
        return f"memtap_{self.role}"


ACCOUNTS = (
    Account("owner", "makes and migrates the schema: memtap init", (("ALL PRIVILEGES", ""),)),
    Account(
        "loader",
        "writes: memtap run, memtap ingest",
        (
            ("SELECT, INSERT, UPDATE", ""),
            # Retention: partitions are made ahead and dropped whole, the rest is deleted row by row.
            *(("ALTER, CREATE, INSERT, DROP", table) for table in PARTITIONED),
            *(("DELETE", table) for table in AGED),
        ),
    ),
    Account("reader", "reads: memtap serve --store, memtap run --reader-store", (("SELECT", ""),)),
)


def grants(account: Account, database: str, host: str) -> Iterator[str]:
    """The GRANT statements of an account that exists, without their semicolons."""
    for privileges, table in account.grants:
        # In the name of a whole database, _ and % stand for other characters unless escaped; with a table they do not.
        schema = database if table else database.replace("\\", "\\\\").replace("_", "\\_").replace("%", "\\%")
        yield f"GRANT {privileges} ON {_name(schema)}.{table or '*'} TO {_who(account, host)}"


def script(database: str, host: str) -> Iterator[str]:
    """SQL for whoever has the rights, line by line; the passwords are left to choose."""
    for account in ACCOUNTS:
        yield f"-- {account.purpose}"
        yield f"CREATE USER {_who(account, host)} IDENTIFIED BY 'a password';"
        yield from (f"{statement};" for statement in grants(account, database, host))


def create(run: Callable[[str], object], database: str, host: str, folder: Path, where: str) -> list[Path]:
    """Make the accounts, each with a random password, and an option file in `folder` for each that only its owner can
    read. `run` runs one statement; `where` is the [client] lines that say how to reach the server.

    Raises StoreError where an account exists or may not be made, UsageError where a file is there already; then the
    accounts made before are taken back.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    files = [folder / f"{account.role}.cnf" for account in ACCOUNTS]
    if there := [str(file) for file in files if file.exists()]:
        raise UsageError(f"{', '.join(there)}: there already, and would be overwritten; name another folder")
    made: list[str] = []
    written: list[Path] = []
    try:
        for account, file in zip(ACCOUNTS, files, strict=True):
            password = secrets.token_urlsafe(24)
            run(f"CREATE USER {_who(account, host)} IDENTIFIED BY '{password}'")
            made.append(_who(account, host))
            for statement in grants(account, database, host):
                run(statement)
            with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
                written.append(file)
                out.write(f"[client]\nuser = {account.user}\npassword = {password}\n{where}")
    except (StoreError, OSError) as error:
        for file in written:
            file.unlink()
        for who in made:
            run(f"DROP USER {who}")
        raise error if isinstance(error, StoreError) else StoreError(f"no option file in {folder}: {error}") from error
    return files


def _who(account: Account, host: str) -> str:
    return f"'{account.user}'@{_text(host)}"


def _name(text: str) -> str:
    return "`" + text.replace("`", "``") + "`"


def _text(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"
