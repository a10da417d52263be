"""Where a spool is, unless somebody says otherwise: one for each store."""

from __future__ import annotations

import os
from hashlib import blake2b
from pathlib import Path

from memtap.stores.address import DuckDBAddress, NullAddress, parse


def default_folder(store_url: str) -> Path | None:
    """Beside a DuckDB file; for a server's database in the user's state. None for a store that keeps nothing."""
    address = parse(store_url)
    if isinstance(address, NullAddress):
        return None
    if isinstance(address, DuckDBAddress):
        return address.path.with_name(address.path.name + ".spool")
    state = os.environ.get("XDG_STATE_HOME", "")
    # The XDG rule: a relative path there is to be ignored.
    base = Path(state) if state.startswith("/") else Path.home() / ".local" / "state"
    which = blake2b(address.url.encode("utf-8", "surrogateescape"), digest_size=4).hexdigest()
    return base / "memtap" / f"spool-{address.database}-{which}"
