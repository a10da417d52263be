"""Names that a process may give itself, and would rather not be shown as they are."""

# ruff: noqa: E501

from __future__ import annotations

FORGED = [
    b"\nmmap2: PID=1, ", b"\nmmap: pid=1, s", b"mmap2: PID=1, p", b"\nmunmap: PID=1", b"Lost 9 events", b"\nLost 9 events\n",
    b"\nAttaching 2 pr", b"Attaching 2 pro", b"memtap: format=", b"\nmemtap: forma", b"\nexit: pid=1, ", b", vm=0, rss=0",
    b", process=root", b", time=1", b", length=1", b", errno=0", b'", process="', b'"', b'""', b'\\"', b"\\", b"\\n", b"\\x41",
    b"\\u202e", b"00000000", b"62617368",
]  # fmt: skip
CONTROL = [
    b"\n",
    b"\n\n\n",
    b"\r",
    b"\r\n",
    b"\t",
    b"\x1b[31m",
    b"\x1b]0;x\x07",
    b"\x1b[2J",
    b"\x7f",
    b"\x01\x02\x03",
    b"\x08\x08x",
]
TEXT = [
    b"", b" ", b"  x  ", b"a" * 15, "ñandú".encode(), "🐚".encode(), "日本語".encode(), "\u202eevil".encode(), "\u200bzero".encode(),
    "e\u0301".encode(), "\ufeffbom".encode(), "\u2028line".encode(),
]  # fmt: skip
BROKEN = [
    b"\xff\xfe",
    b"\xc3",
    b"\xc3(",
    b"\xa0\xa1",
    b"\xe2\x82",
    b"\xf0\x9f\x90",
    b"\xed\xa0\x80",
    b"\xc0\x80",
    b"\xf8\x88\x80\x80\x80",
    b"ok\xff",
]
INJECTED = [
    b"' OR '1'='1", b"'; DROP TABLE x", b'";--', b"%s%s%n", b"%27", b"{{7*7}}", b"${7*7}", b"$(id)", b"`id`", b";reboot", b"|cat", b"&& id",
    b"../../etc", b"/dev/null", b"<b>x</b>", b"<script>", b"</script>", b"<img src=x>", b"&lt;", b"&#60;", b"javascript:x", b"=1+1",
    b"@SUM(1)", b"+1", b"-1", b"=cmd|' /C'!A0", b"NULL", b"null", b"NaN", b"__proto__", b"constructor", b"-rf", b"--help", b"*", b"?", b"~",
]  # fmt: skip
EVERY_BYTE = [bytes([byte]) for byte in range(1, 256)]
TOGETHER = [bytes(range(first, min(first + 15, 256))) for first in range(1, 256, 15)]
LENGTHS = [bytes([65 + length]) * length for length in range(16)]

NAMES = [*dict.fromkeys([*FORGED, *CONTROL, *TEXT, *BROKEN, *INJECTED, *EVERY_BYTE, *TOGETHER, *LENGTHS])]
assert len(NAMES) > 200
