"""The READMEs' table says what is tested, and what the latest soak has found."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from benchmarks.section import put

from .runs import IN_MAKE_TEST
from .table import FAULTS, MARK, RESULTS, ROOT, lines
from .test_connection import CUTS
from .test_spool import FAILURES

HERE = Path(__file__).parent
NAMED = re.compile(r'(?:Runs|case)\(\s*(f?)"([^"]*)"')
PLACES = {"{store}": ["duckdb", "mysql"], "{'write' if operation == 'write' else 'fsync'}": ["write", "fsync"]}


def named() -> set[str]:
    """The faults that the tests repeat."""
    found = {*CUTS, *FAILURES}
    for file in HERE.glob("test_*.py"):
        for formatted, name in NAMED.findall(file.read_text()):
            place = next((place for place in PLACES if formatted and place in name), "")
            found |= {name.replace(place, each) for each in PLACES[place]} if place else {name}
    return found


@pytest.mark.parametrize(("language", "readme"), [(0, "README.md"), (1, "README.es.md")])
def test_the_readmes_table_is_the_one_of_the_tests_and_the_soak(language: int, readme: str) -> None:
    text = (ROOT / readme).read_text()
    assert put(text, MARK, lines(language)) == text, "run python -m tests.faults.table"


def test_it_names_each_fault_that_is_tested_and_no_other() -> None:
    assert named() == {*FAULTS}


def test_each_is_repeated_often_enough() -> None:
    assert IN_MAKE_TEST >= 20


def test_the_soak_knows_no_other_faults() -> None:
    assert {*json.loads(RESULTS.read_text())} <= {*FAULTS}
