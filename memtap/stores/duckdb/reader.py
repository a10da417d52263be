"""The DuckDB store's reading side."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from typing import TypeVar

from memtap.errors import StoreError
from memtap.stores.conditions import GREATEST, Conditions
from memtap.stores.duckdb import parts
from memtap.stores.duckdb.database import Database
from memtap.stores.duckdb.views import rows_of
from memtap.stores.reading import Row, SqlReader
from memtap.stores.tiers import Piece

SECOND_US = 1_000_000
HOUR_S = 3600
FIRST_SPAN_S = 300  # looked into at first; then SPAN_GROWTH times as much, again and again
SPAN_GROWTH = 16
ROWS_AT_ONCE = 200  # made into Python's objects: all other threads wait meanwhile, a millisecond
# DuckDB lets go of the interpreter's lock so often, and for so short, that whoever waits for it never comes to ask for
# it by force and is never quick enough to take it: the page's server waited for tens of milliseconds.
YIELD_S = 0.0001
ROWS_GROWTH = 8  # more calls are looked through each time that too few of them passed the filter

# Looked through for a page, all the same whether there are such calls. A million is read in some milliseconds, a second
# by itself, with the row group that it lies in, in one or two.
FIRST_OF_ALL = 10  # times as many as a page has, where any call passes the filter
FIRST_CALLS = 20_000
MOST_CALLS = 1_000_000  # and what else is in the last extent
MOST_SECONDS = 50  # or one for each row of a page, if these are more
EXTENTS = (64, 4096)  # looked at, until they have the calls that are wanted
STEPS_AT_ONCE = 64
GAP_S = 16  # is rather read than left out

# Those that begin until a moment, the last to end first; and what is not folded yet, which is one, too.
_EXTENTS = """
(SELECT first_us, last_us, calls, [part] FROM extents WHERE first_us <= $1 ORDER BY last_us DESC LIMIT $2)
UNION ALL
SELECT min(first_us), max(last_us), sum(requests + releases + coalesce(failed, 0)),
       (SELECT list(DISTINCT part) FROM fresh_batches)
FROM activity WHERE second IS NOT NULL HAVING min(first_us) <= $1
"""


Step = TypeVar("Step", tuple[int, int], tuple[int, int, int])


class DuckDBReader(SqlReader):
    """Reads while the writer writes: each question sees the store as of one moment."""

    _tiers = (1, 60, 3600)
    _pids = "folded_processes"  # `processes` adds sums up besides

    def __init__(self, database: Database) -> None:
        self.database = database
        database.read()
        self._known: tuple[int, str] | None = None  # commits, and the version then

    def known_version(self) -> str | None:
        known = self._known
        return known[1] if known is not None and known[0] == self.database.written.commits else None

    def version(self) -> str:
        commits = self.database.written.commits  # before it is read: what is committed meanwhile is news
        version = self._version()
        self._known = commits, version
        return version

    def _version(self) -> str:
        made, streams, changes, fresh = self._rows(
            "SELECT (SELECT made_us FROM schema_versions WHERE version = 1), count(*), sum(changes),"
            " (SELECT count(*) FROM fresh_batches) FROM folded_streams"
        )[0]
        return f"{int(made):x}-{int(streams)}-{int(changes or 0) + int(fresh)}"

    def _rows(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        found: list[Row] = []
        with self.database.connection() as connection:
            answer = connection.execute(sql, list(values))
            while len(some := answer.fetchmany(ROWS_AT_ONCE)) == ROWS_AT_ONCE:
                found += some
                time.sleep(YIELD_S)
        return found + some

    def close(self) -> None:
        pass

    def _horizons(self) -> dict[int, int]:
        return dict(self._rows("SELECT tier, second FROM horizons"))

    def _rollup(self, found: Sequence[Piece], process_id: int | None) -> tuple[str, list[object]]:
        """Each table once or twice: what is not folded yet belongs to all tiers."""
        spans: list[tuple[str, int, int]] = []
        if seconds := [piece for piece in found if piece.tier == 1]:
            for part, first, last in self._rows(parts.OF_SECONDS):
                inside = [piece for piece in seconds if piece.first <= last and piece.last > first]
                spans += [(f"folded_1s_{part}", piece.first, piece.last) for piece in inside]
        spans += [("folded_1m", piece.first, piece.last) for piece in found if piece.tier == 60]
        spans += [("folded_1h", piece.first, piece.last) for piece in found if piece.tier == HOUR_S]
        for table, tier in (("fresh_1h", HOUR_S), ("fresh_1m", 60), ("activity", 1)):
            if inside := [piece for piece in found if piece.tier >= tier]:
                spans.append((table, inside[0].first, inside[-1].last))
        tables, values = [], list[object]()
        for source, (table, first, last) in enumerate(spans):
            where = "second >= ? AND second < ?"
            values += [first, last]
            if process_id is not None:
                where += " AND process_id = ?"
                values.append(process_id)
            tables.append(rows_of(table, source=source, where=where))
        return f"({' UNION ALL '.join(tables)}) r", values

    def _look(self, conditions: Conditions, limit: int) -> tuple[list[Row], int | None]:
        """No index leads to a call. So what is known of how many calls there were, and when, is asked first, and only
        the row groups of those times are read."""
        return self._look_up(conditions, limit) if conditions.rare else self._look_through(conditions, limit)

    def _look_through(self, conditions: Conditions, limit: int) -> tuple[list[Row], int | None]:
        """Among the newest calls: few at first, MOST_CALLS of them at most."""
        found: list[Row] = []
        looked, wanted = 0, min(FIRST_OF_ALL * limit, FIRST_CALLS) if conditions.every else FIRST_CALLS
        last_us = conditions.last_us
        while True:
            since_us, calls, numbers = self._since(last_us, wanted)
            found += self._page_of(numbers, conditions.within([(since_us, last_us)]), limit - len(found))
            looked, wanted = looked + calls, MOST_CALLS - looked - calls
            if len(found) >= limit or since_us <= conditions.first_us:
                return found, None
            if wanted <= 0:
                return found, since_us
            last_us = since_us - 1

    def _since(self, last_us: int, wanted: int) -> tuple[int, int, set[int]]:
        """Since when until `last_us` there may be `wanted` calls, how many there may be, and in which parts; 0: all
        there are. Of the calls after a moment, none lies in an extent that ended before; within an extent they are
        taken to be spread evenly."""
        for most in EXTENTS:
            extents = self._rows(_EXTENTS, (last_us, most))
            extents.sort(key=lambda extent: -extent[1])
            calls, enough_us, numbers = 0, 0, set[int]()
            for first, last, count, of_parts in extents:
                ended_us = min(last, last_us)
                if calls >= wanted and ended_us < last_us:
                    return max(ended_us + 1, enough_us), calls, numbers
                numbers.update(of_parts or ())
                inside = int(count) * (ended_us - first) // max(last - first, 1) if last > last_us else int(count)
                if calls < wanted <= calls + inside:
                    enough_us = ended_us - (ended_us - first) * (wanted - calls) // inside
                calls += inside
            if len(extents) < most:
                return enough_us, calls, numbers
        ended_us = min(extents[-1][1], last_us)
        return max(ended_us + 1 if ended_us < last_us else 0, enough_us), calls, numbers

    def _look_up(self, conditions: Conditions, limit: int) -> tuple[list[Row], int | None]:
        """Among the calls of those seconds in which, by the rollups, such a call was made."""
        found: list[Row] = []
        # A few more than a page has: what lies on the other side of where it begins is counted, too.
        looked, most, wanted = 0, max(limit, MOST_SECONDS), limit + limit // 4 + 2
        seconds = self._active(conditions, wanted)
        while some := _portion(seconds, wanted, min(most - looked, STEPS_AT_ONCE)):
            ranges = _ranges([second for second, _ in some])
            numbers = [part for (part,) in self._rows(parts.OF_TIME, (ranges[-1][0], ranges[0][1]))]
            found += self._page_of(numbers, conditions.within(ranges), limit - len(found))
            looked, wanted = looked + len(some), wanted * ROWS_GROWTH
            if len(found) >= limit:
                return found, None
            if looked >= most:
                return found, ranges[-1][0]
        return found, None

    def _page_of(self, numbers: Collection[int], conditions: Conditions, limit: int) -> list[Row]:
        """As `_page`, of the calls of these parts."""
        if not numbers:
            return []
        tables = " UNION ALL ".join(f"SELECT * FROM events_{part}" for part in sorted(numbers))  # noqa: S608
        try:
            return self._page(conditions, limit, f"({tables})")
        except StoreError as error:
            if "does not exist" not in str(error):
                raise
            return self._page(conditions, limit)  # one of them has gone since it was named

    def _active(self, conditions: Conditions, wanted: int) -> Iterator[tuple[int, int]]:
        """(second, calls) of each second in which the rollups know such calls, newest first; maybe too many."""
        horizons = self._horizons()
        first_s = max(conditions.first_s, horizons[1])  # before it no call is kept
        end_s, span = conditions.last_s + 1, FIRST_SPAN_S
        while end_s > first_s:
            begun_s = max(first_s, end_s - span, *(horizon for horizon in horizons.values() if horizon < end_s))
            tiers = [tier for tier in reversed(self._tiers) if horizons[tier] <= begun_s and tier < span]
            yield from self._counted(conditions, [(begun_s, end_s)], tiers, wanted)
            end_s, span = begun_s, span * SPAN_GROWTH

    def _counted(
        self, conditions: Conditions, bounds: Sequence[tuple[int, int]], tiers: Sequence[int], wanted: int
    ) -> Iterator[tuple[int, int]]:
        """The same of the seconds within `bounds`, [first, end) each, newest first, by the coarsest tier and then,
        a portion at a time, by the finer ones."""
        tier, *finer = tiers
        pieces = [Piece(tier, first - first % tier, end + -end % tier) for first, end in reversed(bounds)]
        table, values = self._rollup(pieces, None)
        calls = "sum(failed)" if "failed > 0" in conditions.rollup.sql else "sum(requests + releases + failed)"
        steps = iter(
            self._rows(
                f"SELECT begun, {calls}::UBIGINT FROM (SELECT second - mod(second, {tier}) AS begun, process_id,"  # noqa: S608
                f" requests, releases, failed FROM {table}) WHERE {conditions.rollup.sql}"
                " GROUP BY begun ORDER BY begun DESC",
                (*values, *conditions.rollup.values),
            )
        )
        if not finer:
            yield from steps
            return
        first, end = bounds[-1][0], bounds[0][1]
        clipped = ((max(begun, first), min(begun + tier, end), calls) for begun, calls in steps)
        shares = ((begun, calls * (last - begun) // tier, last) for begun, last, calls in clipped)
        while some := _portion(shares, wanted):
            yield from self._counted(conditions, [(begun, last) for begun, _, last in some], finer, wanted)


def _portion(steps: Iterator[Step], wanted: int, most: int = STEPS_AT_ONCE) -> list[Step]:
    """The next steps, (begin, calls, …) each, with `wanted` calls, if there are as many; no more than `most` steps."""
    some: list[Step] = []
    for step in steps:
        some.append(step)
        wanted -= max(step[1], 1)
        if wanted <= 0 or len(some) >= most:
            break
    return some


def _ranges(seconds: Sequence[int]) -> list[tuple[int, int]]:
    """Descending seconds as ranges of microseconds, both ends included, near ones in one."""
    out: list[tuple[int, int]] = []
    for second in seconds:
        first, last = second * SECOND_US, min(second * SECOND_US + SECOND_US - 1, GREATEST)
        near = out and out[-1][0] - last <= GAP_S * SECOND_US
        out.append((first, out.pop()[1]) if near else (first, last))
    return out
