"""Columns to LOAD DATA text, on one core, against parsing the same calls."""

from __future__ import annotations

import io
import time
from array import array
from hashlib import blake2b

import numpy as np
import pyarrow as pa
from pyarrow import csv

from benchmarks.parsing import Memtap
from benchmarks.race import Comparison, Contender, Measurement, compare, one_core, race
from benchmarks.tally import Wrong
from benchmarks.traces import Trace
from memtap.native import Batch

FIELDS = ("id", "time_us", "process_id", "name_id", "call", "length")


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
                check_text(text, batch, first_id)
            digests.append(blake2b(text).digest())
            first_id += len(batch)
        if not self._expected:
            self._expected = digests
        if digests != self._expected:
            raise Wrong("LOAD DATA text: not the same as the first time")
        return seconds


def check_text(text: bytes, batch: Batch, first_id: int) -> None:
    """Read back by another reader, every number is the column's."""
    table = csv.read_csv(
        io.BytesIO(text),
        csv.ReadOptions(column_names=FIELDS),
        csv.ParseOptions(delimiter="\t", quote_char=False),
        csv.ConvertOptions(column_types={field: pa.uint64() for field in FIELDS}),
    )
    columns = {
        "id": np.arange(first_id, first_id + len(batch)),
        "time_us": np.asarray(batch.time_us),
        "process_id": np.asarray(batch.process) + 1000,
        "name_id": np.asarray(batch.name) + 1000,
        "call": np.asarray(batch.call),
        "length": np.asarray(batch.length),
    }
    for field, expected in columns.items():
        if not np.array_equal(table[field].to_numpy(), expected):
            raise Wrong(f"LOAD DATA text: column {field} is not the batch's")


def load_data_text(trace: Trace, repetitions: int) -> tuple[list[Measurement], list[Comparison]]:
    with one_core():
        measured = race(
            "LOAD DATA text",
            [
                Memtap(trace).contender("memtap, parse"),
                Contender("memtap, columns to LOAD DATA text", Encoder(trace).run, {"lines": trace.lines}),
            ],
            repetitions,
        )
    return measured, [compare("columns to LOAD DATA text", measured[1], measured[0], "lines", 0.8)]
