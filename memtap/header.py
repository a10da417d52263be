"""The header of a format-2 stream: stap/FORMAT.md. Format 1 has none."""

from __future__ import annotations

import re
from typing import NamedTuple

import memtap
from memtap.errors import MemtapError
from memtap.stores.streams import Host

MARK = b"memtap: format="
_MOST_BYTES = 1024  # HEADER_MAX in native/parse.pxi
# Compiled when they are first asked for: most files have no header.
_FIELD = rb', ([a-z]+)=("(?:[^"\\]|\\.)*"|[^,"]*)'
_NOTICE = rb"|Attaching [0-9]+ probes?\.\.\.|Lost [0-9]+ events"


class Header(NamedTuple):
    """Who printed a stream, and where. `line` is the whole of it, without its newline."""

    line: bytes
    tap: str
    version: str
    host: Host


def parse(line: bytes) -> Header:
    """Raises MemtapError for a header that lacks what it must have, or is of a format this memtap does not know."""
    shown = line[:80].decode("ascii", "backslashreplace")
    if not line.startswith(MARK + b"2,"):
        raise MemtapError(f"header {shown!r}: not a format that this memtap reads; it reads 1 and 2")
    if len(line) > _MOST_BYTES:
        raise MemtapError(f"header {shown!r}…: has {len(line):,} bytes, where {_MOST_BYTES:,} are the most")
    fields = {key.decode(): value.decode("ascii", "backslashreplace") for key, value in re.findall(_FIELD, line)}
    try:
        host = Host(
            name=fields["host"].strip('"'),
            boot_id=_boot(fields["boot"]),
            memory_bytes=_bytes(fields["memory"]),
            page_size=_bytes(fields["page"]),
        )
        return Header(line, fields["tap"], fields["version"], host)
    except (KeyError, ValueError) as error:
        raise MemtapError(f"header {shown!r}: {error} is missing or wrong; see stap/FORMAT.md") from None


def compose(tap: str, host: Host) -> str:
    """The header that a tap of this memtap prints, without its newline; at most 250 ASCII characters."""
    name = re.sub(r"[^ !#-\[\]-~]", "?", host.name[:64])  # HOST_NAME_MAX; a host's name may be anything
    return (
        f'memtap: format=2, tap={tap}, version={memtap.__version__[:24]}, host="{name}", boot={host.boot_id}, '
        f"clock=realtime, page={host.page_size}, memory={host.memory_bytes}"
    )


def _boot(text: str) -> str:
    if not 1 <= len(text) <= 64:
        raise ValueError(f"boot={text}")
    return text


def _bytes(text: str) -> int:
    if not text.isdecimal() or len(text) > 18 or int(text) == 0:
        raise ValueError(f"{text!r}, where a number of bytes should be,")
    return int(text)


def find(beginning: bytes) -> tuple[bool, Header | None]:
    """Whether a stream's first lines say what it is, and its header: None for format 1. Notices say nothing."""
    for line in beginning.split(b"\n")[:-1]:
        if line.startswith(MARK):
            return True, parse(line)
        if not re.fullmatch(_NOTICE, line):
            return True, None
    return False, None
