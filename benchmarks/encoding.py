"""Columns to LOAD DATA text, on one core, against parsing the same calls."""

from __future__ import annotations

import io
import time
from array import array
from hashlib import blake2b

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from benchmarks.parsing import Memtap
from benchmarks.race import Comparison, Contender, Measurement, compare, one_core, race
from benchmarks.tally import Wrong
from benchmarks.traces import Trace
from memtap.native import Batch


class Encoder:
    """Every batch of a trace to text. Ids are the local ones plus 1,000, as a store's are some other numbers."""

    def __init__(self, trace: Trace) -> None:
        self._batches = list(Memtap(trace).batches([]))
        last = self._batches[-1]
        self._processes = array("I", range(1000, 1000 + last.process_count))
        self._names = array("I", range(1000, 1000 + last.name_count))
        self._expected: list[bytes] = []

    def run(self) -> float:
        seconds = 0.0
        first_id = 0
        digests = []
        for batch in self._batches:
            begun = time.perf_counter()
            text = batch.events_text(self._processes, self._names, first_id)
            seconds += time.perf_counter() - begun
            if not self._expected:
                check_text(text, batch, first_id, batch.events_columns(self._names))
            digests.append(blake2b(text).digest())
            # As a store does: a text that is held on to keeps its block, and the next one would take another.
            del text
            first_id += len(batch)
        if not self._expected:
            self._expected = digests
        if digests != self._expected:
            raise Wrong("LOAD DATA text: not the same as the first time")
        return seconds


def check_text(text: memoryview, batch: Batch, first_id: int, fields: tuple[str, ...]) -> None:
    """Read back by another reader, every number of a batch of format 1 is the column's. Rows are in the order of time;
    a length beyond 24 bits stands in a column of its own."""
    table = csv.read_csv(
        io.BytesIO(text),
        csv.ReadOptions(column_names=fields),
        csv.ParseOptions(delimiter="\t", quote_char=False),
        csv.ConvertOptions(
            column_types={field: pa.uint64() for field in fields}, null_values=["\\N"], quoted_strings_can_be_null=False
        ),
    ).sort_by("id")
    found = {field: table[field].combine_chunks() for field in fields}
    for wide in ("length_wide", "name_wide"):
        if wide in found:
            field = {"length_wide": "length", "name_wide": "name_id"}[wide]
            found[field] = pc.coalesce(found[field], found[wide])
    columns = {
        "id": np.arange(first_id, first_id + len(batch)),
        "time_us": np.asarray(batch.time_us),
        "process_id": np.asarray(batch.process) + 1000,
        "name_id": np.asarray(batch.name) + 1000,
        "what": np.asarray(batch.call),
        "length": np.asarray(batch.length),
    }
    for field, expected in columns.items():
        if found[field].null_count or not np.array_equal(found[field].to_numpy(), expected):
            raise Wrong(f"LOAD DATA text: column {field} is not the batch's")


def load_data_text(trace: Trace, repetitions: int) -> tuple[list[Measurement], list[Comparison]]:
    with one_core():
        measured = race(
            "LOAD DATA text",
            [
                Memtap(trace).contender("memtap, parse and ledger"),
                Memtap(trace, ledger=False).contender("memtap, parse alone"),
                Contender("memtap, columns to LOAD DATA text", Encoder(trace).run, {"lines": trace.lines}),
            ],
            repetitions,
        )
    parse, alone, text = measured
    return measured, [
        compare("columns to LOAD DATA text", text, parse, "lines", 0.8),
        compare("columns to LOAD DATA text", text, alone, "lines"),
    ]
