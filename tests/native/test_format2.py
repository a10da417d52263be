"""Format 2: the native parser reads what a plain parser reads, and the ledger counts what was granted."""

import threading
from collections import defaultdict

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from memtap.native import CALLS, KINDS, SCANS, Batch, FormatError, Parser, Ring

from .plain2 import Event, read
from .test_parser import junk, notices, numbers

HEADER = b'memtap: format=2, tap=bpftrace, version=0.1.0, host="vm", boot=6ab3, clock=realtime, page=4096, memory=1'
SHORT = {7: "a", 8: "b", 9: "t", 10: "n", 11: "v", 12: "f", 13: "r", 34: '"', 92: "\\"}


def quoted(comm: bytes) -> bytes:
    """As SystemTap's string_quoted writes it."""
    out = ""
    for char in comm.decode("utf-8", "surrogateescape"):
        code = ord(char)
        if code in SHORT:
            out += "\\" + SHORT[code]
        elif 0x20 <= code < 0x7F:
            out += char
        elif code < 0x80 or 0xDC80 <= code <= 0xDCFF:
            out += f"\\{code & 0xFF:03o}"
        else:
            out += f"\\u{code:04X}" if code < 0x10000 else f"\\U{code:08X}"
    return b'"' + out.encode() + b'"'


def in_hex(comm: bytes) -> bytes:
    return comm.ljust(16, b"\0").hex().encode()


comms = st.one_of(
    st.sampled_from(
        [b"", b"bash", b"\xff\xfe", "na\u00efve".encode(), b"a\nb", b'q"\\', b"fifteen-bytes-x", b"\xf0\x9f\x90\x9a"]
    ),
    st.binary(max_size=15).map(lambda comm: comm.replace(b"\0", b"\1")),
)
names = st.one_of(comms.map(quoted), comms.map(in_hex), comms.map(in_hex))
odd_names = st.sampled_from(
    [b"bash", b'"', b'""', b'"\\', b'"\\"', b'"\\u00e9"', b'"\\ud800"', b'"\\U00110000"', b'"\\000"', b'"\\400"',
     b'"\\q"', b'"\t"', b'"sixteen-bytes-xx"', b"00" * 16, b"61" * 16, b"61" * 15 + b"00", b"6G" * 16, b"6A" * 16,
     b"61000062" + b"00" * 12, b"6" * 31, b"6" * 33]
)  # fmt: skip


@st.composite
def lines(draw: st.DrawFn) -> bytes:
    odd = draw(st.integers(0, 9)) == 0
    number = numbers if odd else st.integers(0, 10**13)
    call = draw(st.sampled_from(["mmap", "munmap", "brk", "mremap", "shmat", "shmdt", "fork", "exec", "exit"]))
    pid = draw(numbers if odd else st.integers(1, 6))
    start = draw(numbers if odd else st.integers(1, 2))
    text = f"{call}: pid={pid}, start={start}, uid={draw(number) % 2**33}, cgroup={draw(number)}, time="
    text += str(draw(numbers if odd else st.integers(1795411501000000, 1795411503000000)))
    if call == "fork":
        text += f", parent={draw(number) % 2**23}"
    elif call == "exit":
        text += f", status={draw(number) % 2**33}"
    elif call != "exec":
        kind = draw(st.sampled_from([*KINDS, "stack"] if odd else KINDS))
        errno = draw(st.sampled_from([0, 0, 0, 12, 4095, 4096] if odd else [0, 0, 12]))
        text += f", length={draw(number)}, freed={draw(number)}, errno={errno}, kind={kind}"
    text += f", vm={draw(number)}, rss={draw(number)}, process="
    line = bytearray(text.encode() + draw(odd_names if odd else names))
    if draw(st.integers(0, 5)) == 0:
        at = draw(st.integers(0, len(line) - 1))
        line[at : at + draw(st.integers(0, 2))] = draw(st.binary(max_size=2))
    return bytes(line) + b"\n"


streams = st.builds(
    lambda parts, cut: (data := b"".join(parts))[: max(len(data) - cut, 0)],
    st.lists(st.one_of(lines(), lines(), lines(), notices, junk, st.just(HEADER + b"\n")), max_size=12),
    st.integers(0, 3),
)


def rows(batch: Batch) -> list[Event]:
    table = pa.table(batch)
    columns = {name: table[name].to_pylist() for name in table.column_names}
    assert [CALLS[code] for code in batch.call] == columns["call"]
    assert list(batch.freed or ()) == columns["freed"]
    assert list(batch.errno or ()) == columns["errno"]
    assert [KINDS[code] for code in batch.kind or ()] == columns["kind"]
    assert list(batch.vm or ()) == columns["vm"]
    assert list(batch.resident or ()) == columns["resident"]
    return [
        Event(call, pid, start, 0, 0, time_us, length, freed, errno, kind, vm, rss, comm)
        for call, pid, start, time_us, length, freed, errno, kind, vm, rss, comm in zip(
            *(columns[name] for name in ("call", "pid")),
            batch.process,
            *(columns[name] for name in ("time_us", "length", "freed", "errno", "kind", "vm", "resident", "process")),
            strict=True,
        )
    ]


def seen(events: list[Event]) -> list[Event]:
    """As a batch shows them: the process by number, in order of appearance; uid and cgroup are not columns."""
    known: dict[tuple[int, int], int] = {}
    return [
        event._replace(start=known.setdefault((event.pid, event.start), len(known)), uid=0, cgroup=0)
        for event in events
    ]


@pytest.mark.parametrize("scan", SCANS)
@given(data=streams)
@settings(max_examples=250)
@example(data=b'exec: pid=1, start=0, uid=0, cgroup=0, time=0, vm=0, rss=0, process=""\n')
@example(data=b"exec: pid=" + bytes(96) + b"0, vm=0, rss=0, process=" + bytes(32) + b"\n")
@example(data=b"exec: pid=1, start=0, uid=0, cgroup=0, time=0, vm=0, rss=0, process=\n")
@example(
    data=b"brk: pid=1, start=0, uid=0, cgroup=0, time=0, length=0, freed=0, errno=0, kind=none, vm=0, rss=0, process=\n"
)
def test_reads_what_the_plain_parser_reads(scan: str, data: bytes) -> None:
    parser = Parser(scan=scan)
    parser.feed(HEADER + b"\n" + data)
    parser.finish()
    events, rejected, notice_count, lost = read(data, HEADER)
    assert rows(parser.seal()) == seen(events)
    assert parser.samples == [line[:160] for line in rejected[-16:]]
    assert (parser.events, parser.rejected, parser.notices) == (len(events), len(rejected), notice_count + 1)
    assert parser.lost == lost % 2**64
    assert (parser.format, parser.header, parser.consumed) == (2, HEADER, len(HEADER) + 1 + len(data))


@pytest.mark.parametrize("name", [in_hex(b"bash"), in_hex(b""), b'"a name \\\\ \\"q\\""', b'"fifteen bytes o"', b'""'])
def test_a_line_is_read_alike_whatever_the_one_before_was(name: bytes) -> None:
    """Who it is of is not read again where the text is the same: any other byte in its place must be seen."""
    for line in (
        b"mmap: pid=4194303, start=18446744073709551615, uid=4294967295, cgroup=18446744073709551615, "
        b"time=1795411501956689, length=4096, freed=0, errno=0, kind=file, vm=8192, rss=4096, process=" + name,
        b"exec: pid=1, start=2, uid=3, cgroup=4, time=5, vm=6, rss=7, process=" + name,
    ):
        changed = [
            line[:at] + byte + line[at + 1 :] for at in range(len(line)) for byte in (b"1", b"\0", b"\x8a", b'"')
        ]
        changed += [line[:at] + b"1" + line[at:] for at in range(len(line))]
        for before in (b"", line + b"\n", line.replace(b"pid=", b"pid=0") + b"\n"):
            data = before + b"".join(each + b"\n" + before for each in [line, *changed])
            parser = Parser()
            parser.feed(HEADER + b"\n" + data)
            events, rejected, _, _ = read(data, HEADER)
            assert rows(parser.seal()) == seen(events)
            assert (parser.events, parser.rejected) == (len(events), len(rejected))


@given(streams)
@settings(max_examples=40)
def test_every_split_of_the_bytes_gives_the_same(data: bytes) -> None:
    data = HEADER + b"\n" + data
    whole = Parser()
    whole.feed(data)
    whole.finish()
    expected = rows(whole.seal())
    for at in range(len(data) + 1):
        parser = Parser(rows=8)
        parser.feed(data[:at])
        parser.feed(data[at:])
        parser.finish()
        assert rows(parser.seal()) == expected
        assert (parser.lines, parser.rejected_by, parser.notices) == (whole.lines, whole.rejected_by, whole.notices)


@given(st.lists(st.tuples(lines(), st.booleans()), max_size=40))
@settings(max_examples=200)
def test_the_ledger_counts_what_was_granted_and_given_back(parts: list[tuple[bytes, bool]]) -> None:
    parser = Parser()
    parser.feed(HEADER + b"\n")
    sums: dict[tuple[int, int], list[int]] = defaultdict(lambda: [0, 0, 0, 0, 0])
    ended = set()
    latest: dict[int, int] = {}
    for line, seal in parts:
        parser.feed(line)
        if seal:
            parser.seal()
        for event in read(line, HEADER)[0]:
            if (event.pid, event.start) not in sums:
                if event.pid in latest:  # two processes cannot have one pid
                    ended.add((event.pid, min(event.start, latest[event.pid])))
                latest[event.pid] = max(event.start, latest.get(event.pid, 0))
            total = sums[event.pid, event.start]
            change = event.length - event.freed
            if event.errno:
                total[4] += 1
            elif event.call in ("munmap", "shmdt"):
                total[1] += event.freed
                total[3] += 1
            elif event.call == "exit":
                ended.add((event.pid, event.start))
            elif event.call not in ("fork", "exec"):
                total[0 if change >= 0 else 1] += abs(change)
                total[2 if change >= 0 else 3] += 1
    found = parser.ledger()
    assert sorted(
        (row.pid, row.requested, row.released, row.requests, row.releases, row.failed, row.ended) for row in found
    ) == sorted((pid, *total, (pid, start) in ended) for (pid, start), total in sums.items())


GRANTED = "length=4096, freed=0, errno=0, kind=anonymous"


def call(
    name: str,
    pid: int,
    start: int,
    time_us: int,
    rest: str = GRANTED,
    vm: int = 0,
) -> bytes:
    who = f"pid={pid}, start={start}, uid=0, cgroup=0, time={time_us}"
    return f'{name}: {who}{rest and f", {rest}"}, vm={vm}, rss=0, process="x"\n'.encode()


def test_a_late_line_of_an_ended_process_is_not_its_successors() -> None:
    """Two processors' lines change places around the reuse of a pid."""
    parser = Parser()
    parser.feed(HEADER + b"\n")
    parser.feed(call("mmap", 7, 1000, 1_000_000))
    parser.feed(call("exit", 7, 1000, 1_000_010, "status=0"))
    parser.feed(call("mmap", 7, 9000, 1_000_020))
    parser.feed(call("munmap", 7, 1000, 1_000_005, "length=4096, freed=4096, errno=0, kind=none"))
    first, second = parser.ledger()
    assert (first.requested, first.released, first.ended) == (4096, 4096, True)
    assert (second.requested, second.released, second.ended) == (4096, 0, False)
    assert parser.seal().ended == [(0, 1_000_010)]
    parser.feed(call("mmap", 7, 9000, 1_000_030))
    assert parser.seal().ended == []


def test_vm_is_the_latest_in_time_not_in_order_of_arrival() -> None:
    parser = Parser()
    parser.feed(HEADER + b"\n" + call("mmap", 7, 1, 2_000_000, vm=20) + call("mmap", 7, 1, 1_999_999, vm=10))
    (row,) = parser.ledger()
    assert row.vm == 20


def test_proc_and_a_tap_tell_of_the_same_process() -> None:
    """/proc has a start in ticks of 10 ms; the tap has it in nanoseconds. Whoever comes first, it is one process."""
    exact, tick = 51_234_567_890, 51_230_000_000
    for first, second in ((tick, exact), (exact, tick)):
        parser = Parser()
        parser.feed(HEADER + b"\n")
        parser.feed(call("proc" if first == tick else "mmap", 7, first, 1, "" if first == tick else GRANTED, vm=10))
        parser.feed(call("proc" if second == tick else "mmap", 7, second, 2, "" if second == tick else GRANTED, vm=20))
        (row,) = parser.ledger()
        assert (row.requested, row.vm) == (4096, 20)
        assert list(parser.seal().process_starts) == [tick // 1000]


def test_processes_with_one_pid_and_one_tick_are_told_apart() -> None:
    parser = Parser()
    parser.feed(HEADER + b"\n")
    for start in (10_000_001, 10_000_002, 10_000_003, 10_000_002):
        parser.feed(call("mmap", 7, start, 1))
    assert [row.requested for row in parser.ledger()] == [4096, 8192, 4096]
    assert list(parser.seal().process_starts) == [10_000, 10_001, 10_002]


@pytest.mark.parametrize("before", [b"", b"Attaching 12 probes...\n", b"\n\n"])
def test_notices_may_come_before_the_header(before: bytes) -> None:
    parser = Parser()
    parser.feed(before + HEADER + b"\n" + call("mmap", 7, 1, 1))
    assert (parser.format, parser.events, parser.rejected) == (2, 1, 0)


def test_a_header_behind_the_first_line_is_not_believed() -> None:
    parser = Parser()
    parser.feed(b"mmap2: PID=1, process=x, time=1, length=1\n" + HEADER + b"\n")
    assert (parser.format, parser.rejected) == (1, 1)
    second = Parser()
    second.feed(HEADER + b"\n" + HEADER.replace(b"6ab3", b"ffff") + b"\n" + HEADER + b"\n")
    assert (second.rejected_by, second.notices) == ({"header": 1}, 2)


@pytest.mark.parametrize("pulled", [False, True])
def test_an_unknown_version_is_refused_by_name(pulled: bool) -> None:
    parser = Parser()
    line = b"memtap: format=3, tap=x\nmmap: pid=1\n"
    ring = Ring(1)
    ring.write(line)
    ring.close()
    with pytest.raises(FormatError, match=r"header b'memtap: format=3, tap=x': not a format .* reads 1 and 2"):
        if pulled:
            parser.pull(ring, 100)
        else:
            parser.feed(line)


def test_format_2_through_a_small_ring() -> None:
    data = HEADER + b"\n" + b"".join(call("mmap", i % 50 + 1, 1, 10**15 + i, vm=i) for i in range(3000))
    ring = Ring(4096)
    writer = threading.Thread(target=lambda: (ring.write(data), ring.close()))
    writer.start()
    parser = Parser(rows=100)
    held = []
    outcome = ""
    while outcome != "ended":
        outcome = parser.pull(ring, 100)
        held += parser.seal().vm or []
    writer.join()
    assert held == list(range(3000))
