"""A damaged spool gives up what is damaged, counts it, and nothing else."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from memtap.spool.delivery import Delivery
from memtap.spool.record import SIZE, End, encode
from memtap.spool.spool import Spool
from memtap.stores.contract import SealedBatch

from .keeping import EARLIER, OWN, KeepingWriter, sealed

SIZES = (5, 1, 0, 40, 3, 300, 2, 7, 1, 1, 30, 12)


@contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as path:
        yield Path(path) / "spool"


def leave(path: Path, batches: list[SealedBatch], *, ended: bool, segment_bytes: int = 4096) -> list[bytes]:
    """A spool as an earlier memtap leaves it. Returns the bytes of each record."""
    spool = Spool(path, 1 << 30, segment_bytes=segment_bytes)
    spool.open()
    for batch in batches:
        assert spool.append(EARLIER, batch)
    if ended:
        last = batches[-1]
        assert spool.append(EARLIER, End(last.number + 1, last.first_ordinal + len(last.events)))
    spool.sync()
    records = []
    for segment in spool._segments:
        data = segment.path.read_bytes()
        starts = [at for at in range(len(data)) if data.startswith(segment.salt, at)]
        records += [data[start:end] for start, end in zip(starts, [*starts[1:], len(data)], strict=True)]
    assert len(records) == len(batches) + ended
    spool.close()
    return records


def drain(path: Path, writer: KeepingWriter, *, most: int | None = None) -> Spool:
    """As the loader does; `most`: so many records, then as if killed."""
    spool = Spool(path, 1 << 30)
    spool.open()
    delivery = Delivery(writer, OWN, writer.open_stream(OWN))
    while most != 0 and (found := spool.peek()):
        delivery.spooled(found)
        spool.pop()
        most = None if most is None else most - 1
    if most != 0:
        delivery.finish_spooled()
        assert spool.release()
    spool.close()
    return spool


def test_what_an_earlier_memtap_left_is_stored_as_it_was_and_the_folder_goes() -> None:
    with folder() as path:
        batches = list(sealed(SIZES))
        leave(path, batches, ended=True)
        assert len(list(path.iterdir())) > 3
        writer = KeepingWriter()
        spool = drain(path, writer)
        kept = writer[EARLIER]
        assert kept.lengths == list(range(sum(SIZES)))
        assert [kept.batches[batch.number].lines for batch in batches] == [batch.lines for batch in batches]
        assert (kept.lost, spool.damaged) == ({}, 0)
        assert not path.exists()


def test_killed_in_the_middle_of_draining_nothing_is_lost_or_twice() -> None:
    batches = list(sealed(SIZES))
    for killed_after in range(len(batches) + 1):
        with folder() as path:
            leave(path, batches, ended=True)
            writer = KeepingWriter()
            drain(path, writer, most=killed_after)
            drain(path, writer)
            assert writer[EARLIER].lengths == list(range(sum(SIZES)))
            assert not writer[EARLIER].lost
            assert not path.exists()


def test_a_stream_without_its_end_says_that_something_may_be_missing() -> None:
    with folder() as path:
        leave(path, list(sealed(SIZES)), ended=False)
        writer = KeepingWriter()
        drain(path, writer)
        *_, last = writer[EARLIER].batches.values()
        (loss,) = last.losses
        assert (loss.cause, loss.events) == ("spool", 0)
        assert loss.since_us


harm = st.one_of(
    st.tuples(st.just("flip"), st.floats(0, 1), st.integers(1, 255)),
    st.tuples(st.just("cut"), st.floats(0, 1), st.none()),
    st.tuples(st.just("take out"), st.floats(0, 1), st.integers(1, 3000)),
    st.tuples(st.just("put in"), st.floats(0, 1), st.binary(min_size=1, max_size=300)),
    st.tuples(st.just("blank"), st.floats(0, 1), st.integers(1, 5000)),
    st.tuples(st.just("remove"), st.floats(0, 1), st.none()),
)


def inflict(path: Path, what: str, where: float, how: object) -> None:
    """Damage at a place of all files' bytes together."""
    files = sorted(path.iterdir())
    at = int(where * (sum(file.stat().st_size for file in files) - 1))
    for file in files:
        data = bytearray(file.read_bytes())
        if at < len(data):
            break
        at -= len(data)
    if what == "remove":
        return file.unlink()
    if at >= len(data):  # nothing is left of any file
        return None
    if what == "flip":
        data[at] ^= how  # type: ignore[operator]
    elif what == "cut":
        del data[at:]
    elif what == "take out":
        del data[at : at + how]  # type: ignore[operator]
    elif what == "put in":
        data[at:at] = how  # type: ignore[assignment]
    else:
        data[at : at + how] = bytes(len(data[at : at + how]))  # type: ignore[operator]
    file.write_bytes(data)
    return None


@settings(max_examples=60)
@given(st.lists(harm, min_size=1, max_size=4), st.booleans(), st.sampled_from([600, 4096, 1 << 20]), st.integers(0, 9))
def test_every_record_that_is_not_damaged_arrives_once_and_the_rest_is_counted(
    harms: list[tuple[str, float, object]], ended: bool, segment_bytes: int, killed_after: int
) -> None:
    batches = list(sealed(SIZES))
    with folder() as path:
        records = leave(path, batches, ended=ended, segment_bytes=segment_bytes)
        for what, where, how in harms:
            if any(path.iterdir()):
                inflict(path, what, where, how)
        left = [file.read_bytes() for file in sorted(path.iterdir())]
        whole = [any(record in data for data in left) for record in records]
        writer = KeepingWriter()
        drain(path, writer, most=killed_after)
        drain(path, writer)
        if EARLIER.name not in writer.streams:
            assert not any(whole)
            return
        kept = writer[EARLIER]
        expected = [
            length for batch, fine in zip(batches, whole, strict=False) if fine for length in batch.events.length
        ]
        assert kept.lengths == expected
        missing = sum(SIZES) - len(expected)
        assert set(kept.lost) <= {"spool"}
        if ended and whole[-1]:
            assert kept.lost["spool"] == missing
        else:
            assert kept.lost["spool"] <= missing
            assert any(batch.losses for batch in kept.batches.values()), "it says that something may be missing"
        assert not path.exists()


def test_of_a_record_whose_calls_are_damaged_the_rest_is_kept() -> None:
    batches = list(sealed((3, 4, 5)))
    with folder() as path:
        leave(path, batches, ended=True)
        (file,) = path.iterdir()
        data = file.read_bytes()
        record = b"".join(encode(EARLIER, batches[1]).pieces(bytes(8)))[SIZE:]
        at = data.index(record) + len(record) - 1
        file.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        writer = KeepingWriter()
        spool = drain(path, writer)
        kept = writer[EARLIER]
        assert kept.lengths == [0, 1, 2, 7, 8, 9, 10, 11]
        assert kept.batches[1].lines == 4
        (loss,) = kept.batches[1].losses
        assert (loss.cause, loss.events, spool.damaged) == ("spool", 4, 1)
        assert loss.since_us <= batches[1].events.time_us[0] <= batches[1].events.time_us[-1] <= loss.time_us


def test_a_file_of_another_version_is_given_up_and_said_once() -> None:
    with folder() as path:
        path.mkdir()
        (path / "00000003-0123456789abcdef.spool").write_bytes(b"memtap spool  9\n" + b"something new" * 100)
        writer = KeepingWriter()
        shutil.copytree(path, path.with_name("again"))
        drain(path, writer)
        drain(path.with_name("again"), writer)  # killed before it was gone
        (given_up,) = (kept for name, kept in writer.streams.items() if name.startswith("spool:"))
        (loss,) = given_up.batches[0].losses
        assert (loss.cause, loss.events) == ("spool", 0)
        assert "00000003-0123456789abcdef.spool" in loss.detail
        assert not path.exists()


def test_what_may_not_be_read_is_not_damaged(tmp_path: Path) -> None:
    """Left by root, found by another user: nothing is given up, and it is stored once it can be read."""
    path = tmp_path / "spool"
    leave(path, list(sealed((3, 4))), ended=True)
    (file,) = path.iterdir()
    data = file.read_bytes()
    file.unlink()
    file.symlink_to(file.name)  # a loop: nobody can open it, root neither
    spool = Spool(path, 1 << 30)
    spool.open()
    assert "symbolic links" in spool.error
    assert not spool.append(OWN, next(sealed((1,)))), "not before what is older"
    spool.close()
    assert file.is_symlink()
    file.unlink()
    file.write_bytes(data)
    writer = KeepingWriter()
    drain(path, writer)
    assert writer[EARLIER].lengths == list(range(7))
