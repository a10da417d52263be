"""`memtap init`: a store's schema, made or brought up to date."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from memtap.errors import UsageError
from memtap.stores import open_store, store_url
from memtap.stores.address import MySQLAddress, parse

if TYPE_CHECKING:
    from memtap.stores.mysql.store import MySQLStore

QUERY = """
  SELECT pid, process_name, SUM(segment_size) AS mb FROM MemoryCalls
  WHERE call_type = 'mmap2' GROUP BY pid, process_name ORDER BY mb DESC"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    summary = "create or migrate a store's schema"
    parser = subparsers.add_parser(
        "init",
        help=summary,
        description=f"{summary.capitalize()}: on MySQL and MariaDB the database too, where the account may. "
        "What is stored stays; run again, it changes nothing.",
    )
    parser.add_argument(
        "--store", metavar="URL", help="which one (default: MEMTAP_STORE, else a DuckDB file of your own)"
    )
    parser.add_argument(
        "--create-accounts",
        metavar="FOLDER",
        type=Path,
        help="MySQL and MariaDB: make the three accounts too (schema owner, loader, reader), each with a random "
        "password in an option file in this folder; without it, the SQL that makes them is printed",
    )
    parser.add_argument(
        "--account-host",
        metavar="HOST",
        help="from where these accounts may connect (default: localhost if the server is here, else %%: anywhere)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    url = store_url(args.store)
    address = parse(url)
    if not isinstance(address, MySQLAddress) and (args.create_accounts or args.account_host is not None):
        raise UsageError("--create-accounts and --account-host are of a mysql:// store: no other has accounts")
    with closing(open_store(url)) as store:
        before, now = store.migrate()
        print(report(store.url, before, now))
        if isinstance(address, MySQLAddress):
            for line in _accounts(store, address, args):  # type: ignore[arg-type]
                print(line)
        if not url.startswith("null:"):
            print(f"The view MemoryCalls has the original table's columns, and its queries work as they are:{QUERY}")
    return 0


def report(url: str, before: int, now: int) -> str:
    """What `Store.migrate` did, for people."""
    if url.startswith("null:"):
        return f"{url} keeps nothing: there is no schema to make"
    if before == 0:
        return f"{url}: made, schema version {now}"
    if before < now:
        return f"{url}: migrated from schema version {before} to {now}"
    return f"{url}: schema version {now} already, nothing to do"


def _accounts(store: MySQLStore, address: MySQLAddress, args: argparse.Namespace) -> Iterator[str]:
    from memtap.stores.mysql.accounts import script

    host = args.account_host or ("localhost" if address.is_local else "%")
    if args.create_accounts is None:
        yield "Accounts that can do no more than they need (or --create-accounts FOLDER, where this account may):"
        yield from (f"  {line}" for line in script(address.database, host))
        return
    files = store.create_accounts(host, args.create_accounts)
    yield "Accounts made, their passwords in option files that only you can read:"
    for file in files:
        yield f"  mysql:///{address.database}?option_file={file.absolute()}{_tls(address)}"


def _tls(address: MySQLAddress) -> str:
    """The part of the URL that an option file has no word for."""
    return "".join(
        f"&{name}={value}"
        for name, value in (("tls_mode", address.tls_mode), *((f"tls_{k}", v) for k, v in address.tls.items()))
    )
