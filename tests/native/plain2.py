"""Format 2, read the plain way: what the native parser is held against."""

import re
from typing import NamedTuple

N = rb"(\d{1,20})"
WHO = rb"pid=%b, start=%b, uid=%b, cgroup=%b, time=%b" % (N, N, N, N, N)
CALL = rb"(mmap|munmap|mremap|brk|shmat|shmdt): %b, length=%b, freed=%b, errno=%b, kind=(anonymous|file|reserved|none)"
HELD = rb", vm=%b, rss=%b, process=(.*)" % (N, N)
CALL_LINE = re.compile(CALL % (WHO, N, N, N) + HELD, re.S)
FORK_LINE = re.compile(rb"(fork): %b, parent=%b" % (WHO, N) + HELD, re.S)
EXEC_LINE = re.compile(rb"(exec|proc): %b" % WHO + HELD, re.S)
EXIT_LINE = re.compile(rb"(exit): %b, status=%b" % (WHO, N) + HELD, re.S)
NOTICE = re.compile(rb"|Attaching \d{1,20} probes?\.\.\.|Lost (\d{1,20}) events")
ESCAPE = re.compile(rb'\\(["\\abtnvfr]|[0-3][0-7]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8})|([ !#-\[\]-~])', re.S)
SHORT = {b"a": 7, b"b": 8, b"t": 9, b"n": 10, b"v": 11, b"f": 12, b"r": 13, b'"': 34, b"\\": 92}
MOST = [2**22, 2**64 - 1, 2**32 - 1, 2**64 - 1, 2**64 - 1]


class Event(NamedTuple):
    call: str
    pid: int
    start: int
    uid: int
    cgroup: int
    time_us: int
    length: int
    freed: int
    errno: int
    kind: str
    vm: int
    rss: int
    comm: bytes


def comm_of(text: bytes) -> bytes | None:
    """The name's bytes; None where it is no name."""
    if re.fullmatch(rb"[0-9a-f]{32}", text):
        raw, ended, _ = bytes.fromhex(text.decode()).partition(b"\0")
        return raw if ended else None
    if len(text) < 2 or text[:1] != b'"' or text[-1:] != b'"':
        return None
    out, inner, at = b"", text[1:-1], 0
    while at < len(inner):
        if not (found := ESCAPE.match(inner, at)):
            return None
        code, plain = found.groups()
        if plain:
            out += plain
        elif code[:1] in b"uU":
            value = int(code[1:], 16)
            if value > 0x10FFFF or 0xD800 <= value <= 0xDFFF:
                return None
            out += chr(value).encode()
        else:
            out += bytes([SHORT[code] if code in SHORT else int(code, 8)])
        at = found.end()
    return out if len(out) <= 15 and b"\0" not in out else None


def event_of(line: bytes) -> Event | None:
    length, freed, errno, detail, kind = b"0", b"0", b"0", b"0", b"none"
    if found := CALL_LINE.fullmatch(line):
        call, *who, length, freed, errno, kind, vm, rss, name = found.groups()
    elif found := FORK_LINE.fullmatch(line) or EXIT_LINE.fullmatch(line):
        call, *who, detail, vm, rss, name = found.groups()
    elif found := EXEC_LINE.fullmatch(line):
        call, *who, vm, rss, name = found.groups()
    else:
        return None
    comm = comm_of(name)
    numbers = [*map(int, who), int(length), int(freed), int(errno), int(vm), int(rss), int(detail)]
    most = [*MOST, 2**64 - 1, 2**64 - 1, 4095, 2**64 - 1, 2**64 - 1, 2**22 if call == b"fork" else 2**32 - 1]
    if comm is None or any(number > limit for number, limit in zip(numbers, most, strict=True)):
        return None
    return Event(call.decode(), *numbers[:8], kind.decode(), *numbers[8:10], comm)


def read(data: bytes, header: bytes) -> tuple[list[Event], list[bytes], int, int]:
    """Events, rejected lines, notices, events lost."""
    events, rejected, notices, lost = [], [], 0, 0
    *lines, cut = data.split(b"\n")
    for line in lines:
        if event := event_of(line):
            events.append(event)
        elif line == header or ((found := NOTICE.fullmatch(line)) and int(found[1] or 0) < 2**64):
            notices += 1
            lost += int(found[1] or 0) if line != header and found else 0
        else:
            rejected.append(line)
    return events, rejected + ([cut] if cut else []), notices, lost
