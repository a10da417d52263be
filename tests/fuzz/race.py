"""Threads around a ring and a file, for ThreadSanitizer: `race SECONDS SEED`, in a Python that has the core in it.

Rings of one to three pages; writes of nothing, of one byte, of lines, of more than the ring; readers that wait and such
that drop; pulls of small batches, stops and closes at any moment, while a third thread looks at every count. Files of
some small windows, of which a second thread maps each next one.
"""

import os
import random
import sys
import threading
import time

from core import File, Parser, Reader, Ring


def line(number):
    return b"mmap2: PID=%d, process=storm, time=%d, length=%d\n" % (number % 90 + 1, 10**15 + number, number)


def pieces(chance, data, capacity):
    """The data, cut as `chance` likes: one byte, less than a line, some lines, more than the ring, nothing."""
    at = 0
    while at < len(data):
        most = chance.choice([0, 1, 1, 40, 400, capacity, 3 * capacity])
        size = chance.randint(min(most, 1), most)
        yield data[at : at + size]
        at += size


def looking(done, *objects):
    """Reads every count of these objects until it is told that all is done."""
    while not done.is_set():
        for thing, names in objects:
            for name in names:
                getattr(thing, name)


def pull_all(chance, ring, parser, slow):
    """Every call's length until the ring's end."""
    lengths = []
    outcome = ""
    while outcome != "ended":
        outcome = parser.pull(ring, chance.choice([0, 1, 20]))
        lengths += parser.seal().length
        if slow:
            time.sleep(chance.random() / 500)
    parser.finish(ring)
    return lengths


def run(chance, write, ring, reader=None, stop=False, slow=False):
    """One writer, one reading parser, one who looks. Returns the lengths that arrived, and the parser."""
    parser = Parser(rows=chance.choice([1, 8, 64, 4096]))
    done = threading.Event()
    counts = [(ring, ["pending", "dropped_lines", "dropped_bytes", "capacity"])]
    counts += [(reader, ["bytes_read"])] if reader else []
    threads = [threading.Thread(target=write), threading.Thread(target=looking, args=(done, *counts))]
    if stop:
        threads.append(threading.Timer(chance.random() / 200, reader.stop if reader else ring.stop))
    for thread in threads:
        thread.start()
    lengths = pull_all(chance, ring, parser, slow)
    done.set()
    for thread in threads:
        thread.join()
    assert parser.lines == parser.events + parser.rejected + parser.notices
    assert ring.pending == 0
    return lengths, parser


def straight(chance, count):
    """A thread writes to the ring itself."""
    ring = Ring(chance.randint(1, 12288))
    data = b"".join(map(line, range(count)))
    stop = chance.random() < 0.2

    def write():
        for piece in pieces(chance, data, ring.capacity):
            if ring.write(piece) < len(piece):
                break
        ring.close()

    lengths, _ = run(chance, write, ring, stop=stop, slow=chance.random() < 0.3)
    assert lengths == list(range(len(lengths))) and (stop or len(lengths) == count), "every line arrives, in order"
    return len(lengths), 0


def piped(chance, count):
    """A Reader drains a pipe; with `drop`, what it drops it counts."""
    drop = chance.random() < 0.5
    ring = Ring(chance.randint(1, 12288), drop=drop)
    output, source = os.pipe()
    reader = Reader(output, ring)
    data = b"".join(map(line, range(count)))
    stop = chance.random() < 0.2

    def feed():
        for piece in pieces(chance, data, ring.capacity):
            os.write(source, piece)
        os.close(source)

    def drain():
        feeding = threading.Thread(target=feed)
        feeding.start()
        assert reader.run() == 0
        ring.close()
        while feeding.is_alive() and stop:  # the rest of the pipe has no reader: make room for it
            os.read(output, 65536)
        feeding.join()

    lengths, parser = run(chance, drain, ring, reader, stop=stop, slow=chance.random() < 0.5)
    os.close(output)
    assert lengths == sorted(set(lengths)), "in order, none twice"
    if not stop:
        assert parser.rejected == 0, "what arrives is whole"
        assert len(lengths) + ring.dropped_lines == count, "what does not was counted"
        assert drop or ring.dropped_lines == 0
        assert parser.consumed + ring.dropped_bytes == reader.bytes_read == len(data)
    return len(lengths), ring.dropped_lines


def mapped(chance, count):
    """A thread maps a file ahead."""
    fd = os.memfd_create("race")
    with os.fdopen(fd, "wb") as written:
        written.write(b"".join(map(line, range(4 * count))))
        written.flush()
        file = File(fd, window=1)
        ahead = threading.Thread(target=file.map_ahead)
        ahead.start()
        lengths = pull_all(chance, file, Parser(rows=chance.choice([64, 4096])), chance.random() < 0.3)
        file.stop()
        ahead.join()
    assert lengths == list(range(4 * count)), "every line arrives, in order"
    return len(lengths), 0


def main(seconds, seed):
    chance = random.Random(seed)
    until = time.monotonic() + seconds
    rounds = arrived = dropped = 0
    while time.monotonic() < until or rounds < 10 or not dropped:
        taken, lost = chance.choice([straight, piped, mapped])(chance, chance.choice([1, 50, 600, 3000]))
        rounds, arrived, dropped = rounds + 1, arrived + taken, dropped + lost
    print(f"{rounds} rounds, {arrived} lines arrived, {dropped} were dropped and counted")


main(float(sys.argv[1]), int(sys.argv[2]))
