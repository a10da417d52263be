"""What the store that forgets has to say."""

from __future__ import annotations

from collections import Counter

from memtap.stores.contract import (
    Account,
    CallFilter,
    CallPage,
    CallRow,
    Host,
    Loss,
    ProcessRow,
    SecondAccount,
    StreamRow,
    Totals,
)


class NullReader:
    """Knows the account and no call."""

    def __init__(self, counts: Counter[str], lost: Counter[str]) -> None:
        self._counts = counts
        self._lost = lost

    def version(self) -> str:
        return f"null-{self._counts['streams']}-{self._counts['changes']}"

    def known_version(self) -> str | None:
        return self.version()

    def hosts(self) -> list[Host]:
        return []

    def processes(self, *, ended: bool | None = False) -> list[ProcessRow]:
        del ended
        return []

    def process(self, process_id: int) -> ProcessRow | None:
        del process_id
        return None

    def window(self, from_us: int, to_us: int) -> list[ProcessRow]:
        del from_us, to_us
        return []

    def history(
        self, process_id: int | None, from_us: int, to_us: int, *, step: int = 1
    ) -> list[tuple[int, int, int, int, int, int]]:
        del process_id, from_us, to_us, step
        return []

    def held(
        self, process_id: int, from_us: int, to_us: int, *, step: int = 1
    ) -> list[tuple[int, int | None, int | None]]:
        del process_id, from_us, to_us, step
        return []

    def held_at(self, at_us: int) -> dict[int, int | None]:
        del at_us
        return {}

    def seconds(self, from_us: int, to_us: int) -> list[SecondAccount]:
        del from_us, to_us
        return []

    def totals(self) -> Totals:
        return Totals(requested=0, released=0, requests=0, releases=0, processes=0, first_us=None, last_us=None)

    def calls(
        self,
        where: CallFilter,
        *,
        before: tuple[int, int] | None = None,
        after: tuple[int, int] | None = None,
        limit: int = 100,
    ) -> list[CallRow]:
        del where, before, after, limit
        return []

    def search(
        self,
        where: CallFilter,
        *,
        before: tuple[int, int] | None = None,
        after: tuple[int, int] | None = None,
        limit: int = 100,
    ) -> CallPage:
        del where, before, after, limit
        return CallPage([], None)

    def account(self) -> Account:
        counts = self._counts
        return Account(
            lines=counts["lines"],
            stored=counts["stored"],
            rejected=counts["rejected"],
            notices=counts["notices"],
            lost={cause: events for cause, events in self._lost.items() if events},
        )

    def losses(self, *, limit: int = 1000) -> list[Loss]:
        del limit
        return []

    def streams(self) -> list[StreamRow]:
        return []

    def close(self) -> None:
        pass
