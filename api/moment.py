"""A store at one version: what several answers need is read once and shared."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, TypeVar, cast

from memtap.api import owners
from memtap.api.exactness import LOSSES_READ, Exactness
from memtap.stores.contract import Account, Host, Loss, ProcessRow, Reader, Totals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

T = TypeVar("T")

UNKNOWN_HOST = Host(name="", boot_id="", memory_bytes=0, page_size=0)


def failed_of(rows: Iterable[ProcessRow]) -> int | None:
    """Calls of these processes that failed; None where no tap has said, of none of them: format 1."""
    known = [row.failed for row in rows if row.uid is not None]
    return sum(known) if known else None


class Moment:
    """Read by several threads. What is read may be newer than `version`, never older."""

    def __init__(self, reader: Reader, version: str) -> None:
        self.reader = reader
        self.version = version
        self._read: dict[str, object] = {}
        self._lock = threading.RLock()

    def _once(self, name: str, read: Callable[[], T]) -> T:
        with self._lock:
            if name not in self._read:
                self._read[name] = read()
            return cast("T", self._read[name])

    @property
    def processes(self) -> list[ProcessRow]:
        """All of each host's newest boot, ended ones too, most balance first."""
        return self._once("processes", lambda: self.reader.processes(ended=None))

    @property
    def requested_all(self) -> int:
        """Bytes requested by all of `processes`: what a share is a share of."""
        return self._once("requested_all", lambda: sum(row.requested for row in self.processes))

    @property
    def totals(self) -> Totals:
        return self._once("totals", self.reader.totals)

    @property
    def failed(self) -> int | None:
        """Calls that failed, of all processes; None where no tap has said what came of calls: format 1."""
        return self.totals.failed or failed_of(self.processes)

    @property
    def losses(self) -> list[Loss]:
        """The newest LOSSES_READ, newest first."""
        return self._once("losses", lambda: self.reader.losses(limit=LOSSES_READ))

    @property
    def exactness(self) -> Exactness:
        """Which sums a loss has touched."""
        return self._once("exactness", lambda: Exactness(self.losses))

    @property
    def account(self) -> Account:
        return self._once("account", self.reader.account)

    @property
    def hosts(self) -> list[Host]:
        return self._once("hosts", self.reader.hosts)

    @property
    def host(self) -> Host:
        """The machine a page is headed with: the one with the newest calls, rather one whose memory is known."""
        known = [host for host in self.hosts if host.memory_bytes]
        return (known or self.hosts or [UNKNOWN_HOST])[0]

    def user(self, row: ProcessRow) -> str | None:
        """The name of a process's user, where it is one of this machine's."""
        if row.uid is None or not owners.is_here(row.host):
            return None
        return owners.user_name(row.uid)

    def cgroup_path(self, row: ProcessRow) -> str | None:
        """The path of a process's cgroup, where it is one of this machine's since it was started."""
        boot_id = next((host.boot_id for host in self.hosts if host.name == row.host), "")
        if not row.cgroup or not owners.is_this_boot(row.host, boot_id):
            return None
        return owners.cgroup_path(row.cgroup)

    def memory_bytes(self, host: str) -> int:
        """Total memory of a host by name; 0 where nobody knows."""
        return next((known.memory_bytes for known in self.hosts if known.name == host), 0)
