"""The views that read as one what is folded and what is not yet: exact at every moment.

The later of two sums of one microsecond is the one that arrived later. What is folded arrived before what is fresh, and
within a table rows are in the order of their arrival.
"""

from __future__ import annotations

from memtap.stores.held import newest
from memtap.stores.schema import END_OF_TIME_US

TIERS = {1: "1s", 60: "1m", 3600: "1h"}
# Which tables make up a tier, the longest arrived first.
PARTS = {
    1: ("folded_1s", "activity"),
    60: ("folded_1m", "fresh_1m", "activity"),
    3600: ("folded_1h", "fresh_1h", "fresh_1m", "activity"),
}


def _order(time: str, source: str = "0") -> str:
    # No number of 128 bits: arg_max would compare it as DOUBLE.
    return f"{{'us': {time}, 'source': {source}, 'position': position}}"


NOT_HELD = "NULL::UBIGINT AS vm, NULL::UBIGINT AS resident, NULL::UBIGINT AS held_us"


def sums(source: str, *, held: bool = True) -> str:
    """The columns that add rows of activity up; `source` has its columns and `position`. Not `held`: none of its rows
    says what a process held, and it need not be looked for, which is half of the work."""
    vm, resident = (f"arg_max({column}, {_order('last_us')}) FILTER ({column} > 0)" for column in ("vm", "resident"))
    latest = f"{vm} AS vm, {resident} AS resident, max(last_us) FILTER (vm > 0) AS held_us" if held else NOT_HELD
    return f"""
    sum(requested) AS requested, sum(released) AS released, sum(requests) AS requests, sum(releases) AS releases,
    coalesce(sum(failed), 0) AS failed, {latest} FROM {source}
    """


ACTIVITY = "(SELECT *, rowid AS position FROM activity WHERE second IS NOT NULL)"


def of_processes(source: str, *, held: bool = True) -> str:
    """By process. Of format 1, when a process was last heard of says that it lives."""
    return f"""
(SELECT process_id, arg_max(name_id, {_order("last_us")}) AS name_id, min(first_us) AS first_us,
        max(last_us) AS last_us, max(last_us) FILTER (vm IS NULL) AS heard_us, {sums(source, held=held)}
 GROUP BY process_id)
"""


OF_PROCESSES = of_processes(ACTIVITY)
ENDS = "(SELECT process_id, min(ended_us) AS ended_us FROM activity WHERE ended_us IS NOT NULL GROUP BY process_id)"


_ROW = "process_id, {second}, requested, released, requests, releases, failed, vm, resident, held_us"
_OF_ACTIVITY = (
    "coalesce(failed, 0) AS failed, nullif(vm, 0) AS vm, nullif(resident, 0) AS resident,"
    " CASE WHEN vm > 0 THEN last_us END AS held_us"
)


def rows_of(table: str, *, source: int, where: str = "", tier: int = 1) -> str:
    """A table's rows as those of a rollup; `source` and `position` tell the later of two. `tier`: that of the rollup,
    as what a coarser one finds in a finer table belongs to the step that it lies in."""
    position = "position" if table == "folded_1s" else "rowid"  # the former has those of all parts
    columns = _ROW.format(second="second" if tier == 1 else f"second // {tier} * {tier} AS second")
    conditions = [where] if where else []
    if table == "activity":
        columns = columns.replace("failed, vm, resident, held_us", _OF_ACTIVITY)
        conditions.append("second IS NOT NULL")
    if conditions:
        table += f" WHERE {' AND '.join(conditions)}"
    return f"SELECT {columns}, {source} AS source, {position} AS position FROM {table}"  # noqa: S608


def _tier(tier: int) -> str:
    order = _order("coalesce(held_us, 0)", "source")
    rows = " UNION ALL ".join(
        rows_of(table, source=source, tier=1 if table.endswith(TIERS[tier]) else tier)
        for source, table in enumerate(PARTS[tier])
    )
    return f"""
    CREATE VIEW rollup_{TIERS[tier]} AS
    SELECT process_id, second, sum(requested) AS requested, sum(released) AS released, sum(requests) AS requests,
           sum(releases) AS releases, sum(failed) AS failed, arg_max(vm, {order}) AS vm,
           arg_max(resident, {order}) AS resident, max(held_us) AS held_us
    FROM ({rows}) GROUP BY process_id, second
    """  # noqa: S608


_PROCESSES = f"""
CREATE VIEW processes AS
SELECT p.id, p.host_id, p.pid, p.start_us,
       CASE WHEN b.last_us >= p.last_us THEN b.name_id ELSE p.name_id END AS name_id,
       p.requested + coalesce(b.requested, 0) AS requested, p.released + coalesce(b.released, 0) AS released,
       p.requests + coalesce(b.requests, 0) AS requests, p.releases + coalesce(b.releases, 0) AS releases,
       least(p.first_us, b.first_us) AS first_us, greatest(p.last_us, b.last_us) AS last_us,
       least(CASE WHEN p.ended_us < b.heard_us THEN NULL ELSE p.ended_us END, e.ended_us) AS ended_us,
       p.failed + coalesce(b.failed, 0) AS failed, {newest("p", "vm")} AS vm, {newest("p", "resident")} AS resident,
       greatest(p.held_us, b.held_us) AS held_us, p.uid, p.cgroup, p.parent
FROM folded_processes p LEFT JOIN {OF_PROCESSES} b ON b.process_id = p.id LEFT JOIN {ENDS} e ON e.process_id = p.id
"""  # noqa: S608

_STREAMS = """
CREATE VIEW streams AS
SELECT s.stream_no, s.name, s.tap, s.host_id, s.batches + coalesce(b.batches, 0) AS batches,
       s.lines_read + coalesce(b.lines_read, 0) AS lines_read, s.stored + coalesce(b.stored, 0) AS stored,
       s.rejected + coalesce(b.rejected, 0) AS rejected, s.notices + coalesce(b.notices, 0) AS notices,
       least(s.first_us, a.first_us) AS first_us, greatest(s.last_us, a.last_us) AS last_us,
       s.changes + coalesce(b.batches, 0) AS changes
FROM folded_streams s
LEFT JOIN (SELECT stream_no, count(*) AS batches, sum(lines_read) AS lines_read, sum(stored) AS stored,
                  sum(rejected) AS rejected, sum(notices) AS notices
           FROM fresh_batches GROUP BY stream_no) b USING (stream_no)
LEFT JOIN (SELECT stream_no, min(first_us) AS first_us, max(last_us) AS last_us
           FROM activity GROUP BY stream_no) a USING (stream_no)
"""

_HOSTS = f"""
CREATE VIEW hosts AS
SELECT h.id, h.name, h.boot_id, h.memory_bytes, h.page_size, greatest(h.last_us, a.last_us) AS last_us
FROM folded_hosts h
LEFT JOIN (SELECT s.host_id, max(a.last_us) AS last_us
           FROM activity a JOIN folded_streams s USING (stream_no) WHERE a.last_us < {END_OF_TIME_US}
           GROUP BY s.host_id) a ON a.host_id = h.id
"""  # noqa: S608

_BATCH = "stream_no, batch_no, first_ordinal, stored, source_offset, source_check, lines_read, rejected, notices"
BATCHES = f"""
CREATE OR REPLACE VIEW batches AS SELECT {_BATCH} FROM folded_batches UNION ALL SELECT {_BATCH} FROM fresh_batches
"""  # noqa: S608
SECONDS = _tier(1)  # of all parts: since version 5

STATEMENTS = (BATCHES, _STREAMS, _HOSTS, _PROCESSES, _tier(60), _tier(3600))
