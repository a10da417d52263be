"""Every name the kernel allows comes through the live tap as it is, and none makes a line."""

from __future__ import annotations

import os
import random

import pytest

from memtap.taps import choice

from .calling import Caller, Listener, build, calls_of, parsed

WRITTEN = [
    b"",
    b"a",
    b"exactly 15 char",
    b" ",
    b"               ",
    b"\n",
    b"\n\n\n",
    b"\r\n",
    b"a\nb",
    b"\nmmap: pid=1, st",
    b"\nmunmap: pid=1,",
    b"mmap2: PID=1, p",
    b"x\nmmap2: PID=1,",
    b"munmap: PID=1",
    b"\nexit: pid=1, s",
    b"\nfork: pid=1",
    b"\nproc: pid=1",
    b", time=1, lengt",
    b", length=1\n",
    b", process=x",
    b", vm=0, rss=0",
    b"00000000000000",
    b"6c73\n6c73",
    b"Lost 5 events",
    b"\nLost 5 events\n",
    b"\nLost 999 event",
    b"Lost 1 events\n",
    b"\nAttaching 2 pr",
    b"Attaching 2...",
    b"\n\nAttaching 2\n",
    b"memtap: format=",
    b"\nmemtap: format",
    b"memtap: format2",
    b"@call[1]: 2",
    b"\x1b[2J",
    b"\x1b]0;x\x07",
    b"\x1b[31mred\x1b[0m",
    b"\x9b2J",
    b"\x08\x08\x08",
    b"\x7f",
    b"\xff",
    b"\xff\xfe",
    b"\xc3",
    b"\xc3\x28",
    b"\xed\xa0\x80",
    b"\xf0\x9f\x98",
    b"\xc0\xae",
    b"\xf4\x90\x80\x80",
    "ñandú".encode(),
    "日本語".encode(),
    "😀😀😀".encode(),
    "\u202egnp.exe".encode(),
    "\u200b\u200f\u2066".encode(),
    "\u2028\u2029\u0085".encode(),
    b'"',
    b'""',
    b"'",
    b"\\",
    b"\\\\",
    b"\\n",
    b"\\x41",
    b"\\101",
    b"\\u0041",
    b"\\",
    b'\\"',
    b'", process="x',
    b"`id`",
    b"$(id)",
    b";rm -rf /",
    b"| nc x 1",
    b"&& x",
    b"${IFS}",
    b"%s%n%d",
    b"%016lx",
    b"'; DROP TABLE x",
    b"' OR 1=1 --",
    b"x','y');--",
    b"\\'; --",
    b"/*x*/",
    b"<script>",
    b"<img src=x>",
    b"</td><b>",
    b"&lt;&#60;",
    b"javascript:x()",
    b"=1+1",
    b"+1",
    b"-1",
    b"@SUM(1)",
    b"=cmd|' /C'!A0",
    b"\t=1",
    b"a,b",
    b'a","b',
    b"a;b\tc",
    b"../../etc/x",
    b"(sd-pam)",
    b"(x) R 1 1 1",
    b"kworker/0:1",
    b"NULL",
    b"nan",
    b"0",
    b"-",
    b"{}",
    b"[]",
    b'{"a":1}',
    b"__proto__",
    b"constructor",
    b"\x01\x02\x03",
]
EVERY_BYTE = [bytes(range(at, min(at + 15, 256))) for at in range(1, 256, 15)]
SINGLE = [bytes([byte]) for byte in range(1, 256, 3)]


def drawn(count: int) -> list[bytes]:
    """Names of all lengths, of any byte but NUL; the same ones each time."""
    pick = random.Random(2)
    return [bytes(pick.choices(range(1, 256), k=number % 16)) for number in range(count)]


NAMES = [*dict.fromkeys([name[:15] for name in WRITTEN] + EVERY_BYTE + SINGLE + drawn(64))]
PAGE = os.sysconf("SC_PAGESIZE")


@pytest.fixture(scope="module")
def stream(tmp_path_factory):
    """What bpftrace printed while a process took one name after the other, and the process."""
    program = build(tmp_path_factory.mktemp("names"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BPFTRACE_PERF_RB_PAGES", "4096")  # the machine may be busy: nothing is to be lost here
        tap = choice.choose("bpftrace")
    caller, marker = Caller(program), Caller(program)
    listener = Listener(tap, marker)
    # under the name NAMES[i] it maps and unmaps i + 1 pages
    caller.tell("names 0 0 :" + " ".join(name.hex() or "-" for name in NAMES))
    listener.settle(marker)
    text = listener.stop()
    assert caller.close() == marker.close() == 0
    return text, caller.pid


def test_the_names_are_many_and_hold_every_byte_and_length():
    assert len(NAMES) >= 200
    assert {len(name) for name in NAMES} == set(range(16))
    assert set(b"".join(NAMES)) == set(range(1, 256))


def test_each_arrives_byte_for_byte_with_its_own_calls(stream):
    text, pid = stream
    parser, batch = parsed(text)
    assert (parser.rejected, parser.samples) == (0, [])
    calls = calls_of(batch, pid)
    for call in ("mmap", "munmap"):
        expected = {(i + 1) * PAGE: name for i, name in enumerate(NAMES)}
        arrived = {length: name for made, length, name in calls if made == call and name != b"memory_calls"}
        assert arrived == expected


def test_none_makes_a_line_or_a_notice_of_its_own(stream):
    text, _ = stream
    parser, batch = parsed(text)
    assert parser.lost == 0
    assert 1 not in set(batch.pid), "pid 1 made no call while we looked; only a name spells one"
    lines = text.split(b"\n")
    assert all(line.isascii() and line.decode().isprintable() for line in lines)
    assert parser.notices == 1 + lines[:-1].count(b""), "the header, and blank lines at the end"
