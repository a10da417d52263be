"""memtap's classes of values are what `dataclasses` makes, but sooner made."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import subprocess
import sys
from types import ModuleType
from typing import Any

import pytest

from memtap import values


def made(maker: ModuleType | Any, *, frozen: bool = True) -> Any:
    @maker.dataclass(frozen=frozen, slots=True)
    class Loss:
        """Of calls."""

        time_us: int
        cause: str
        events: int = 0
        by: dict[str, int] = maker.field(default_factory=dict)
        secret: str | None = maker.field(default=None, repr=False)
        failed: int = maker.field(default=0, kw_only=True)

        @property
        def known(self) -> bool:
            return self.events > 0

    return Loss


@pytest.mark.parametrize("frozen", [True, False])
def test_it_does_what_dataclasses_do(frozen: bool) -> None:
    ours, theirs = made(values, frozen=frozen), made(dataclasses, frozen=frozen)
    for words, named in [
        ((1, "tap"), {}),
        ((1, "tap", 3, {"a": 1}, "x"), {"failed": 2}),
        ((), {"time_us": 1, "cause": ""}),
    ]:
        one, other = ours(*words, **named), theirs(*words, **named)
        assert repr(one) == repr(other)
        assert dataclasses.asdict(one) == dataclasses.asdict(other)
        assert one == ours(*words, **named)
        assert one != other
        assert one != ours(2, "ring")
        assert one.known == other.known
        assert copy.deepcopy(one) == one
        for replace in (values.replace, dataclasses.replace):
            assert dataclasses.asdict(replace(one, events=9)) == dataclasses.asdict(replace(other, events=9))
        assert [f.name for f in dataclasses.fields(one)] == [f.name for f in dataclasses.fields(other)]
    assert ours(1, "").by is not ours(1, "").by
    for name in ("__doc__", "__qualname__", "__module__", "__match_args__", "__slots__"):
        assert getattr(ours, name) == getattr(theirs, name)
    with pytest.raises(TypeError):
        ours(1)
    with pytest.raises(TypeError):
        ours(1, "", 2, {}, None, 3)
    with pytest.raises(AttributeError):
        ours(1, "").other = 1


def test_a_frozen_value_stays_what_it_is_and_is_a_key() -> None:
    @values.dataclass(frozen=True, slots=True)
    class Place:
        number: int
        ordinal: int = 0

    place = Place(3)
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'number'"):
        place.number = 4  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot delete field 'number'"):
        del place.number
    assert {place: 1}[Place(3, 0)] == 1
    match place:
        case Place(3, ordinal):
            assert ordinal == 0
        case _:
            raise AssertionError(place)


def test_values_are_pickled() -> None:
    from memtap.stores.contract import Loss

    loss = Loss(1, "tap", 2, "why")
    assert pickle.loads(pickle.dumps(loss)) == loss


def test_an_ingest_starts_without_what_takes_long_to_load() -> None:
    """Each of these takes as long as a hundred thousand lines, or longer."""
    slow = "dataclasses inspect orjson pathlib urllib.parse socket hashlib gzip shutil ctypes duckdb MySQLdb rich"
    code = (
        "import sys; before = set(sys.modules); from memtap.cli import main\n"
        "status = main(['ingest', '/dev/null', '--store', 'null://'])\n"
        f"print(status, sorted(set('{slow}'.split()) & (set(sys.modules) - before)))"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 []"
