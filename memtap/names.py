"""Process names for people. A comm is up to 15 bytes, any but NUL; nobody promised that they are text."""

from __future__ import annotations

_SHORT = {"\\": r"\\", "\n": r"\n", "\t": r"\t", "\r": r"\r"}


def display(comm: bytes) -> str:
    """The comm as printable text from which its bytes can be told again.

    Valid UTF-8 that prints stays as it is. A backslash is doubled; control characters, invisible and
    direction-changing ones and bytes that are not UTF-8 become ``\\n``, ``\\xff`` or ``\\u202e``.
    """
    text = comm.decode("utf-8", "surrogateescape")
    if text.isascii() and text.isprintable() and "\\" not in text:
        return text
    return "".join(map(_escape, text))


def _escape(char: str) -> str:
    if short := _SHORT.get(char):
        return short
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # surrogateescape: a byte that is not UTF-8
        return f"\\x{code - 0xDC00:02x}"
    if char == " ":
        return char
    import unicodedata  # takes its time to load, and few names need it

    # C*: control, format (bidi, zero width), private, unassigned; Z*: spaces that are not U+0020
    if unicodedata.category(char)[0] in "CZ":
        return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
    return char


def parse(shown: str) -> bytes:
    """The comm that `display` shows as `shown`. Raises ValueError for an escape it never writes."""
    out = bytearray()
    at = 0
    while at < len(shown):
        char = shown[at]
        if char != "\\":
            out += char.encode()
            at += 1
            continue
        kind = shown[at + 1 : at + 2]
        width = {"x": 2, "u": 4, "U": 8}.get(kind, 0)
        if width:
            digits = shown[at + 2 : at + 2 + width]
            if len(digits) != width:
                raise ValueError(f"name {shown!r}: escape cut short at character {at}")
            code = int(digits, 16)
            out += bytes([code]) if kind == "x" else chr(code).encode()
        elif kind and kind in "\\ntr":
            out += {"\\": b"\\", "n": b"\n", "t": b"\t", "r": b"\r"}[kind]
        else:
            raise ValueError(f"name {shown!r}: unknown escape at character {at}")
        at += 2 + width
    return bytes(out)
