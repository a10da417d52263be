"""The store that counts and forgets."""

from __future__ import annotations

from counted import STREAM, batches, some_calls

from memtap.stores import open_store
from memtap.stores.contract import CallFilter, Cursor, Loss


def test_it_counts_every_batch_and_keeps_none() -> None:
    store = open_store("null://")
    assert store.migrate() == (1, 1)
    writer, reader = store.writer(), store.reader()
    cursor = writer.open_stream(STREAM)
    before = reader.version()
    for batch in batches(some_calls(2500)):
        assert writer.write(cursor.stream_no, batch)
    assert (reader.account().stored, reader.account().lines) == (2500, 2500)
    assert reader.version() != before
    assert reader.calls(CallFilter()) == reader.processes() == reader.losses() == reader.streams() == []
    assert writer.open_stream(STREAM) == Cursor(stream_no=2)
    assert writer.last_stream("") is None


def test_its_account_adds_losses_up() -> None:

    store = open_store("null://")
    (batch,) = batches(some_calls(10))
    store.writer().write(1, batch._replace(losses=(Loss(1, "ring", 4), Loss(2, "ring", 1), Loss(3, "tap", 0))))
    assert store.reader().account().lost == {"ring": 5}
    assert store.reader().account().emitted == 15
