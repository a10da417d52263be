"""The two READMEs: one content in two languages, and nothing named in them that is not there."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from memtap import cli

ROOT = Path(__file__).parents[2]
ENGLISH, SPANISH = "README.md", "README.es.md"
BOTH = pytest.mark.parametrize("name", [ENGLISH, SPANISH])

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# What a program writes between its marks: in Spanish a link to the English figures will do.
GENERATED = re.compile(r"^<!-- (\w+) -->\n(.*?)^<!-- /\1 -->$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
COMMENT = re.compile(r"[ \t]*# .*")  # only where `#` begins one: in blocks of shell and Python
CELL_EDGE = re.compile(r"(?<!\\)\|")
COMMAND = re.compile(r"\bmemtap ([a-z]+)\b")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def code(name: str) -> list[tuple[str, str]]:
    """Language and text of each fenced block, its comments left out."""
    return [
        (language, COMMENT.sub("", body) if language in ("sh", "python") else body)
        for language, body in FENCE.findall(text(name))
    ]


def prose(name: str) -> str:
    """What a translator writes: all but fenced blocks and generated sections, whose places stay visible."""
    without_figures = GENERATED.sub(r"<!-- \1 -->", text(name))
    return FENCE.sub("(code)", without_figures)


def blocks(markdown: str) -> list[list[str]]:
    return [block.splitlines() for block in re.split(r"\n{2,}", markdown.strip())]


def columns(line: str) -> int:
    return len(CELL_EDGE.split(line)) - 2


def shape(block: list[str]) -> str:
    """A block without its words: a heading's level, a table's rows and columns, a list's items."""
    first = block[0]
    if first.startswith("#"):
        return first.split()[0]
    if first.startswith("|"):
        return f"table {block[1]} of {[columns(line) for line in block]}"
    if first.startswith("- "):
        return f"list of {sum(line.startswith('- ') for line in block)}"
    if first.startswith("!["):
        return f"image {LINK.findall(first)}"
    return first if first.startswith("<!--") or first == "(code)" else "paragraph"


def sections(name: str) -> list[str]:
    return re.split(r"^#+ .*$", prose(name), flags=re.MULTILINE)


def headings(name: str) -> list[str]:
    return re.findall(r"^#+ (.*)$", FENCE.sub("", text(name)), flags=re.MULTILINE)


def anchor(heading: str) -> str:
    """As GitHub makes it: lower case, spaces to hyphens, punctuation gone."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def commands(name: str) -> set[str]:
    """The code of a README, inline or fenced: what somebody may type."""
    return {*INLINE.findall(FENCE.sub("", text(name))), *(body for _, body in code(name))}


def test_both_have_the_same_headings():
    levels = [
        [block[0].split()[0] for block in blocks(prose(name)) if block[0].startswith("#")]
        for name in (ENGLISH, SPANISH)
    ]
    assert levels[0] == levels[1]
    assert levels[0][0] == "#" and levels[0].count("#") == 1


def test_both_have_the_same_paragraphs_lists_and_tables_in_the_same_order():
    assert [shape(block) for block in blocks(prose(SPANISH))] == [shape(block) for block in blocks(prose(ENGLISH))]


def test_both_have_the_same_code_but_for_comments():
    assert code(SPANISH) == code(ENGLISH)
    assert code(ENGLISH)
    comments = [[len(COMMENT.findall(body)) for _, body in FENCE.findall(text(name))] for name in (ENGLISH, SPANISH)]
    assert comments[0] == comments[1]


def test_each_section_names_the_same_commands_fields_and_options():
    for english, spanish in zip(sections(ENGLISH), sections(SPANISH), strict=True):
        named = [sorted(" ".join(span.split()) for span in INLINE.findall(section)) for section in (english, spanish)]
        assert named[0] == named[1]


def test_each_links_to_the_other_at_the_same_place():
    places = [
        [number for number, block in enumerate(blocks(prose(name))) if f"({other})" in " ".join(block)]
        for name, other in ((ENGLISH, SPANISH), (SPANISH, ENGLISH))
    ]
    assert places[0] == places[1]
    assert len(places[0]) == 1


def test_each_links_to_the_same_pages():
    def pages(name: str) -> list[str]:
        return [link for link in LINK.findall(prose(name)) if link not in (ENGLISH, SPANISH)]

    assert pages(SPANISH) == pages(ENGLISH)


def test_generated_figures_are_in_both_or_linked():
    english, spanish = (dict(GENERATED.findall(text(name))) for name in (ENGLISH, SPANISH))
    assert list(english) == list(spanish)
    for name, figures in spanish.items():
        shapes = [[shape(block) for block in blocks(each)] for each in (figures, english[name])]
        assert shapes[0] == shapes[1] or f"({ENGLISH}#" in figures, f"the section {name} of {SPANISH}"


@BOTH
def test_every_relative_link_leads_somewhere(name):
    for link in LINK.findall(FENCE.sub("", text(name))):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, fragment = link.partition("#")
        assert (ROOT / (path or name)).exists(), link
        if fragment:
            assert fragment in map(anchor, headings(path or name)), link


@BOTH
def test_every_make_target_that_is_named_exists(name):
    told = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60).stdout
    exist = set(re.findall(r"^  make ([a-z]+) ", told, flags=re.MULTILINE))
    named = {target for typed in commands(name) for target in re.findall(r"\bmake ([a-z]+)\b", typed)}
    assert {"run", "test"} <= named <= exist


@BOTH
def test_the_commands_that_are_named_are_those_that_exist(name):
    named = {command for typed in commands(name) for command in COMMAND.findall(typed)}
    assert named == set(cli.COMMANDS)


@BOTH
def test_every_option_in_the_table_of_commands_is_one_of_its_command(name, capsys):
    rows = re.findall(r"^\| `memtap ([a-z]+)(.*?)` \|", prose(name), flags=re.MULTILINE)
    assert [command for command, _ in rows] == list(cli.COMMANDS)
    for command, usage in rows:
        with pytest.raises(SystemExit, match="0"):
            cli.parser().parse_args([command, "--help"])
        assert set(OPTION.findall(usage)) <= set(OPTION.findall(capsys.readouterr().out)), command
