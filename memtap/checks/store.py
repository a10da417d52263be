"""Whether a store answers."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from memtap.checks import disk
from memtap.checks.check import Check
from memtap.errors import MemtapError, OlderSchema, StoreAway, UsageError
from memtap.stores import address, open_store

if TYPE_CHECKING:
    from collections.abc import Iterator


def checks(url: str) -> Iterator[Check]:
    """The store of this URL: found and answering, or that it can be made. Nothing is made or changed."""
    try:
        where = address.parse(url)
    except UsageError as error:
        yield Check("store", "bad", str(error), "name it with --store or MEMTAP_STORE")
        return
    if isinstance(where, address.DuckDBAddress) and not where.path.exists():
        yield Check("store", "ok", f"{where.url}: not there yet; memtap run makes it")
        yield disk.room(where.path.parent)
        return
    yield _answers(where.url, url)
    if isinstance(where, address.DuckDBAddress):
        yield disk.room(where.path.parent)


def _answers(shown: str, url: str) -> Check:
    try:
        with closing(open_store(url)) as store:
            store.reader().close()
    except StoreAway as error:
        return Check("store", "bad", str(error), "start the database server, or name another store with --store")
    except OlderSchema:
        return Check("store", "ok", f"{shown} answers; memtap run brings its schema up to date")
    except (MemtapError, ImportError) as error:
        return Check("store", "bad", str(error), "mend that, or name another store with --store")
    return Check("store", "ok", f"{shown} answers")
