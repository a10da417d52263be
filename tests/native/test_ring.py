"""Ring and reader: every byte in order, or whole lines dropped and counted."""

import os
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memtap.native import Parser, Reader, Ring

from .pulling import line, pull_all


@given(st.lists(st.integers(1, 9000), min_size=1, max_size=40), st.integers(1, 20_000))
@settings(max_examples=40)
def test_bytes_arrive_in_order_whatever_the_sizes(sizes: list[int], capacity: int) -> None:
    data = b"".join(map(line, range(sum(sizes) // 60 + 1)))
    ring = Ring(capacity)

    def write() -> None:
        at = 0
        while at < len(data):
            for size in sizes:
                ring.write(data[at : at + size])
                at += size
        ring.close()

    writer = threading.Thread(target=write)
    writer.start()
    assert pull_all(Parser(rows=500), ring) == list(range(sum(sizes) // 60 + 1))
    writer.join()
    assert ring.pending == 0


def test_capacity_is_whole_pages_and_a_full_ring_makes_the_writer_wait() -> None:
    ring = Ring(1)
    assert ring.capacity == os.sysconf("SC_PAGESIZE")
    assert ring.write(b"x" * ring.capacity) == ring.capacity
    writer = threading.Thread(target=ring.write, args=(b"y",))
    writer.start()
    time.sleep(0.05)
    assert writer.is_alive(), "it must wait for room"
    ring.stop()
    writer.join(5)
    assert not writer.is_alive(), "once nobody reads any more it gives up"
    assert ring.pending == ring.capacity


def test_a_closed_ring_takes_nothing() -> None:
    ring = Ring(1)
    ring.close()
    with pytest.raises(ValueError, match="closed"):
        ring.write(b"x")


@pytest.mark.parametrize("capacity", [0, -1, 2**50])
def test_no_sensible_capacity_is_refused(capacity: int) -> None:
    with pytest.raises((ValueError, OverflowError)):
        Ring(capacity)


def reading(ring: Ring, fd: int) -> tuple[Reader, threading.Thread]:
    reader = Reader(fd, ring)

    def run() -> None:
        reader.run()
        ring.close()

    thread = threading.Thread(target=run)
    thread.start()
    return reader, thread


def test_a_reader_without_room_waits_and_loses_nothing() -> None:
    output, source = os.pipe()
    ring = Ring(8192)
    reader, thread = reading(ring, output)

    def write() -> None:
        for first in range(0, 20_000, 100):
            os.write(source, b"".join(map(line, range(first, first + 100))))
        os.close(source)

    writer = threading.Thread(target=write)
    writer.start()
    assert pull_all(Parser(), ring) == list(range(20_000))
    thread.join()
    writer.join()
    os.close(output)
    assert ring.dropped_lines == 0
    assert reader.bytes_read == sum(len(line(i)) for i in range(20_000))


@pytest.mark.parametrize("chunk", [1, 37, 4096, 65_536])
def test_a_reader_that_may_drop_never_waits_and_drops_whole_lines(chunk: int) -> None:
    """Nobody parses while 20,000 lines come, then somebody does: what is not there was counted."""
    output, source = os.pipe()
    ring = Ring(16_384, drop=True)
    _, thread = reading(ring, output)
    count = 20_000 if chunk > 1 else 1000
    data = b"".join(map(line, range(count)))
    for at in range(0, len(data), chunk):
        os.write(source, data[at : at + chunk])  # would block for ever if the reader waited
    while ring.dropped_lines == 0 and ring.pending < ring.capacity // 2:
        time.sleep(0.01)
    parser = Parser()
    puller: list[int] = []
    pulling = threading.Thread(target=lambda: puller.extend(pull_all(parser, ring)))
    pulling.start()
    tail = b"".join(map(line, range(count, count + 300)))
    os.write(source, tail)
    os.close(source)
    pulling.join()
    thread.join()
    os.close(output)
    assert parser.rejected == 0, "what arrives is whole"
    assert len(puller) + ring.dropped_lines == count + 300
    assert puller == sorted(set(puller))
    assert ring.dropped_lines > 0


def test_stop_ends_a_reader_of_a_silent_pipe() -> None:
    output, source = os.pipe()
    reader, thread = reading(Ring(1), output)
    reader.stop()
    thread.join(5)
    assert not thread.is_alive()
    os.close(source)
    os.close(output)


def test_a_bad_descriptor_is_an_errno() -> None:
    with Path("/dev/null").open("wb") as sink:
        assert Reader(sink.fileno(), Ring(1)).run() != 0


def test_the_beginning_of_a_line_behind_dropped_ones_is_kept_only_where_it_fits() -> None:
    """It was copied into the ring whole, over what lies behind it."""
    output, source = os.pipe()
    ring = Ring(1, drop=True)
    _, thread = reading(ring, output)

    def write(data: bytes) -> None:
        os.write(source, data)
        time.sleep(0.05)  # the reader takes what is there in one read

    parser = Parser()
    write(b"a" * (ring.capacity - 1) + b"\n")
    write(b"b" * 10)  # finds no room
    parser.pull(ring, 10)
    write(b"b")  # the reader learns that there is room again
    write(b"\n" + b"c" * 60_000)
    write(b"\n")
    write(line(1))
    os.close(source)
    thread.join()
    os.close(output)
    assert pull_all(parser, ring) == [1]
    assert (parser.lines, ring.dropped_lines, ring.dropped_bytes) == (2, 2, 11 + 1 + 60_000 + 1)


def test_a_ring_has_one_writer_and_one_reader() -> None:
    """A second one would move the same position, beyond what the other has checked."""
    ring = Ring(1)
    ring.write(b"x" * ring.capacity)
    writer = threading.Thread(target=ring.write, args=(b"y",))
    writer.start()
    while writer.is_alive():
        try:
            ring.write(b"")
        except RuntimeError as error:
            assert "another thread is writing" in str(error)
            break
    ring.stop()
    writer.join()
    puller = threading.Thread(target=Parser().pull, args=(Ring(1), 0))
    puller.start()
    puller.join()
    ring = Ring(1)
    puller = threading.Thread(target=Parser().pull, args=(ring, 5000))
    puller.start()
    with pytest.raises(RuntimeError, match="another thread is reading"):
        while puller.is_alive():
            Parser().pull(ring, 0)
    ring.close()
    puller.join()


def test_a_descriptor_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="-1 is no descriptor"):
        Reader(-1, Ring(1))
