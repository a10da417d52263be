"""Where in a kernel structure a member is, as the running kernel says of itself: its types in BTF.

The format is documented in the kernel's Documentation/bpf/btf.rst.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

KERNEL = Path("/sys/kernel/btf/vmlinux")

_HEADER = struct.Struct("=HBBIIIII")
_TYPE = struct.Struct("=III")  # name, info, size or type
_MEMBER = struct.Struct("=III")  # name, type, offset in bits
_MAGIC = 0xEB9F
_ARRAY, _STRUCT, _UNION = 3, 4, 5
_OTHER_NAMES = (8, 9, 10, 11, 18)  # typedef, volatile, const, restrict, type_tag: of another type
# bytes that follow a type of each kind: in all, and for each of its members
_FIXED = {1: 4, 3: 12, 14: 4, 17: 4}  # int, array, var, decl_tag
_EACH = {4: 12, 5: 12, 6: 8, 13: 8, 15: 12, 19: 12}  # struct, union, enum, func_proto, datasec, enum64


class Member(NamedTuple):
    """Where a member is. `each` is the bytes of one element of an array; of anything else 0."""

    offset: int  # bytes from the beginning of the structure
    each: int = 0


def member(structure: str, name: str, types: Path = KERNEL) -> Member:
    """Where in `structure` a member is, be it in a nameless part of it.

    Raises OSError where the kernel has no BTF, LookupError where it has no such structure or member, ValueError
    for a file that is no BTF.
    """
    found = _read(types).find(structure, name)
    if found is None:
        raise LookupError(f"{types}: no {name} in struct {structure}")
    return found


class _Types:
    def __init__(self, data: bytes) -> None:
        magic, _, _, length, types_at, types_size, strings_at, strings_size = _HEADER.unpack_from(data)
        if magic != _MAGIC:
            raise ValueError(f"BTF begins with {magic:#x}, not with {_MAGIC:#x}")
        self._data = data
        self._strings = data[length + strings_at : length + strings_at + strings_size]
        self._at = list(_types(data, length + types_at, types_size))  # where type N begins; there is no type 0

    def find(self, structure: str, member: str) -> Member | None:
        wanted = structure.encode()
        for at in self._at[1:]:
            name, info, _ = _TYPE.unpack_from(self._data, at)
            if info >> 24 & 0x1F == _STRUCT and self._name(name) == wanted:
                found = self._within(at, member.encode())
                if found is not None:
                    bits, kind = found
                    return Member(bits // 8, self._element_bytes(kind))
        return None

    def _within(self, at: int, wanted: bytes) -> tuple[int, int] | None:
        """Bits to the member, and its type."""
        _, info, _ = _TYPE.unpack_from(self._data, at)
        for i in range(info & 0xFFFF):
            name, kind, bits = _MEMBER.unpack_from(self._data, at + _TYPE.size + i * _MEMBER.size)
            if info >> 31:  # the upper byte is a bit field's size
                bits &= 0xFFFFFF
            if self._name(name) == wanted:
                return int(bits), int(kind)
            inner = self._at[kind]
            if not name and _TYPE.unpack_from(self._data, inner)[1] >> 24 & 0x1F in (_STRUCT, _UNION):
                found = self._within(inner, wanted)
                if found is not None:
                    return int(bits) + found[0], found[1]
        return None

    def _element_bytes(self, kind: int) -> int:
        _, info, _ = _TYPE.unpack_from(self._data, self._at[kind])
        if info >> 24 & 0x1F != _ARRAY:
            return 0
        (element,) = struct.unpack_from("=I", self._data, self._at[kind] + _TYPE.size)
        while True:
            _, info, size_or_type = _TYPE.unpack_from(self._data, self._at[element])
            if info >> 24 & 0x1F not in _OTHER_NAMES:
                return int(size_or_type)
            element = size_or_type

    def _name(self, at: int) -> bytes:
        return self._strings[at : self._strings.index(0, at)]


@lru_cache(maxsize=1)
def _read(types: Path) -> _Types:
    return _Types(types.read_bytes())


def _types(data: bytes, at: int, size: int) -> Iterator[int]:
    yield 0
    end = at + size
    while at < end:
        yield at
        info = _TYPE.unpack_from(data, at)[1]
        kind = info >> 24 & 0x1F
        at += _TYPE.size + _FIXED.get(kind, 0) + _EACH.get(kind, 0) * (info & 0xFFFF)
