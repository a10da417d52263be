"""How a memtap that root has started gives up being root, all but the process that starts the tap."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from memtap import privileges
from memtap.stores import default_url
from memtap.stores.address import DuckDBAddress, MySQLAddress, parse
from memtap.taps.child import OwnChild
from memtap.taps.keeper import Keeper

if TYPE_CHECKING:
    from memtap.taps.child import Child
    from memtap.taps.tap import Tap


class Separation:
    """Make it first of all, then choose the tap, then `hand_over`. Close it once the tap has ended.

    `user`: see `privileges.choose`. `store`: the store's URL. `files`: what has to be readable besides. Where this
    process is not root, or stays root, it does nothing; `message` says which, for people.
    """

    def __init__(self, user: str, store: str, files: tuple[Path, ...] = ()) -> None:
        self._user, self.message = privileges.choose(user, lambda who: _lacks(who, store, files))
        self._keeper = Keeper() if self._user else None

    @property
    def keeper_pid(self) -> tuple[int, ...]:
        """Of the process that stays root, where there is one."""
        return (self._keeper.pid,) if self._keeper else ()

    def hand_over(self, tap: Tap) -> None:
        """From here on nothing but the tap is root."""
        if self._user is None or self._keeper is None:
            return
        if tap.argv and not tap.recording:
            self._keeper.hold(tap)
        else:  # whoever reads a file need not be root
            self._keeper.close()
            self._keeper = None
        privileges.become(self._user)

    def launch(self, tap: Tap) -> Child:
        """Start the tap. Raises OSError where it cannot be started."""
        return self._keeper.launch(tap) if self._keeper else OwnChild(tap)

    def close(self) -> None:
        if self._keeper:
            self._keeper.close()


def _lacks(user: privileges.User, store: str, files: tuple[Path, ...]) -> str:
    """What the user would need to run memtap on this store, "" for nothing."""
    readable = [*files, *([Path(store[1:])] if store.startswith("@") else [])]
    address = parse(store)
    if isinstance(address, MySQLAddress):
        readable += [Path(path) for path in (address.option_file, *address.tls.values()) if path]
        privileges.give_state(user)  # for its spool
    lacks = privileges.unreadable(user, readable)
    if not lacks and isinstance(address, DuckDBAddress):
        lacks = privileges.unwritable(user, address.path, make_folder=store == default_url())
    return lacks
