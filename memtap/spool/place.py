"""Where a spool is, unless somebody says otherwise: one for each store."""

from __future__ import annotations

from pathlib import Path

from memtap import privileges
from memtap.digest import blake2b
from memtap.stores.address import DuckDBAddress, NullAddress, parse


def default_folder(store_url: str) -> Path | None:
    """Beside a DuckDB file; for a server's database in the user's state, or of a memtap that the machine starts as root
    in the machine's. None for a store that keeps nothing."""
    address = parse(store_url)
    if isinstance(address, NullAddress):
        return None
    if isinstance(address, DuckDBAddress):
        return address.path.with_name(address.path.name + ".spool")
    which = blake2b(address.url.encode("utf-8", "surrogateescape"), digest_size=4).hexdigest()
    folder = privileges.own_folder("XDG_STATE_HOME", ".local/state")
    return folder / f"spool-{address.database}-{which}"
