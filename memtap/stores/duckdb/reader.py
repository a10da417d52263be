"""The DuckDB store's reading side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from memtap.stores.duckdb.database import Database
from memtap.stores.duckdb.views import rows_of
from memtap.stores.reading import GREATEST, Conditions, Row, SqlReader
from memtap.stores.tiers import Piece

SECOND_US = 1_000_000
HOUR_S = 3600
FIRST_SPAN_S = 64  # looked through at first for a page; then 16 times as much, again and again
SPAN_GROWTH = 16
ROWS_AT_ONCE = 100  # made into Python's objects: all other threads wait meanwhile, half a millisecond
ROWS_GROWTH = 8  # more calls are looked through each time that too few of them passed the filter


class DuckDBReader(SqlReader):
    """Reads while the writer writes: each question sees the store as of one moment."""

    _tiers = (1, 60, 3600)

    def __init__(self, database: Database) -> None:
        self.database = database
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
            while some := answer.fetchmany(ROWS_AT_ONCE):
                found += some
        return found

    def close(self) -> None:
        pass

    def _horizons(self) -> dict[int, int]:
        return dict(self._rows("SELECT tier, second FROM horizons"))

    def _rollup(self, found: Sequence[Piece], process_id: int | None) -> tuple[str, list[object]]:
        """Each table once or twice: what is not folded yet belongs to all tiers."""
        spans = [("folded_1s", piece.first, piece.last) for piece in found if piece.tier == 1]
        spans += [("folded_1m", piece.first, piece.last) for piece in found if piece.tier == 60]
        spans += [("folded_1h", piece.first, piece.last) for piece in found if piece.tier == HOUR_S]
        for table, tier in (("fresh_1h", HOUR_S), ("fresh_1m", 60), ("activity", 1)):
            if inside := [piece for piece in found if piece.tier >= tier]:
                spans.append((table, inside[0].first, inside[-1].last))
        parts, values = [], list[object]()
        for source, (table, first, last) in enumerate(spans):
            where = "second >= ? AND second < ?"
            values += [first, last]
            if process_id is not None:
                where += " AND process_id = ?"
                values.append(process_id)
            parts.append(rows_of(table, source=source, where=where))
        return f"({' UNION ALL '.join(parts)}) r", values

    def _page(self, conditions: Conditions, limit: int) -> list[Row]:
        """No index leads to the newest calls: how many there were in which seconds is asked first, so that only the row
        groups of these seconds are read."""
        found: list[Row] = []
        wanted = limit
        last_s = conditions.last_s
        while len(found) < limit and last_s >= conditions.first_s:
            first_s = self._since(conditions, last_s, wanted)
            if first_s is None:
                if conditions.rare:
                    break
                first_s = 0  # what nobody counted, if anything
            narrowed = conditions.copy()
            narrowed.add_least("e.time_us", first_s * SECOND_US)
            narrowed.add_most("e.time_us", min(last_s * SECOND_US + SECOND_US - 1, GREATEST))
            found += super()._page(narrowed, limit - len(found))
            last_s = first_s - 1
            wanted *= ROWS_GROWTH
        return found

    def _since(self, conditions: Conditions, last_s: int, wanted: int) -> int | None:
        """The latest second from which on to `last_s` there may be `wanted` such calls; the first of all where there
        are fewer. None: there are none."""
        counted = self._by_process if conditions.rare else self._of_all
        since, calls = None, 0
        for second, count in counted(conditions, last_s, wanted):
            since, calls = second, calls + max(count, 1)
            if calls >= wanted:
                break
        return since

    def _of_all(self, conditions: Conditions, last_s: int, _wanted: int) -> Iterator[tuple[int, int]]:
        """(second, calls), newest first."""
        bounds = self._rows("SELECT min(second), max(second) FROM account_1s WHERE stored > 0")[0]
        if bounds[0] is None:
            return
        first_s, end, span = max(bounds[0], conditions.first_s), min(bounds[1], last_s) + 1, FIRST_SPAN_S
        while end > first_s:
            begin = max(first_s, end - span)
            yield from self._rows(
                "SELECT second, sum(stored)::UBIGINT FROM account_1s WHERE second >= ? AND second < ? AND stored > 0"
                " GROUP BY second ORDER BY second DESC",
                (begin, end),
            )
            end, span = begin, span * SPAN_GROWTH

    def _by_process(self, conditions: Conditions, last_s: int, wanted: int) -> Iterator[tuple[int, int]]:
        """(second, calls), newest first, of the processes and results that the rollups know; maybe too many."""
        calls = "sum(failed)" if "failed > 0" in conditions.rollup.sql else "sum(requests + releases + failed)"
        where, values = conditions.rollup.sql, conditions.rollup.values

        def counted(tier: int, first: int, last: int) -> list[Row]:
            table, bounds = self._rollup([Piece(tier, first, last)], None)
            return self._rows(
                f"SELECT second, {calls}::UBIGINT FROM (SELECT second - mod(second, {tier}) AS second, process_id,"  # noqa: S608
                f" requests, releases, failed FROM {table}) WHERE {where} GROUP BY second ORDER BY second DESC",
                (*bounds, *values),
            )

        first_hour = conditions.first_s - conditions.first_s % HOUR_S
        end: int | None = None  # of the hours to be looked into
        expected = 0
        hours = counted(HOUR_S, first_hour, last_s - last_s % HOUR_S + HOUR_S)
        for at, (hour, count) in enumerate(hours):
            end = end or min(hour + HOUR_S, last_s + 1)
            expected += max(count, 1)
            # The newest hour may lie after `last_s` for the most part.
            if (expected >= wanted and at > 0) or at == len(hours) - 1:
                yield from counted(1, max(hour, conditions.first_s), end)
                end, expected = None, 0
