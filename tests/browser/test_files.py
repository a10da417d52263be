"""The dashboard's files: vendored ones as recorded, messages in both languages, no way for markup to come in."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from memtap.frontend import ROOT

VENDOR = ROOT / "vendor"
TESTS_VENDOR = Path(__file__).parent / "vendor"
SCRIPTS = sorted(path for path in ROOT.rglob("*.js") if VENDOR not in path.parents)
STYLES = sorted(path for path in ROOT.rglob("*.css") if VENDOR not in path.parents)
WAYS_FOR_MARKUP = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|eval\(|new Function|srcdoc"
)


VENDORED = pytest.mark.parametrize("folder", [VENDOR, TESTS_VENDOR], ids=["dashboard", "tests"])


@VENDORED
def test_vendored_files_are_as_recorded(folder: Path) -> None:
    command = [sys.executable, str(VENDOR / "refresh.py"), "--check", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@VENDORED
def test_each_vendored_package_says_where_it_is_from(folder: Path) -> None:
    for package in json.loads((folder / "vendored.json").read_text()):
        assert package["package"] and package["version"] and package["license"]
        assert package["integrity"].startswith("sha512-")
        assert any(name.endswith("LICENSE") for name in package["files"])
        assert all((folder / name).stat().st_size < 1_000_000 for name in package["files"])


def test_both_languages_say_the_same_things() -> None:
    english, spanish = (messages(language) for language in ("en", "es"))
    assert english.keys() == spanish.keys()
    for key, text in english.items():
        assert set(re.findall(r"\{\w+\}", text)) == set(re.findall(r"\{\w+\}", spanish[key])), key


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_scripts_leave_markup_alone_and_say_only_known_messages(script: Path) -> None:
    text = script.read_text()
    assert not WAYS_FOR_MARKUP.search(text)
    known = messages("en").keys()
    said = re.findall(r"""(?:\bt\(|\bsay(?:Title|Label)?: |\bsay\(\w+(?:\.\w+)*, )"([\w.-]+)\"""", text)
    assert [key for key in said if key not in known] == []


def test_the_page_asks_for_every_file_at_once() -> None:
    """A module or a style that another one names is found one round trip later."""
    page = (ROOT / "index.html").read_text()
    asked = set(re.findall(r'(?:rel="(?:modulepreload|stylesheet)" href|<script type="module" src)="([^"]+)"', page))
    files = {str(path.relative_to(ROOT)) for path in ROOT.rglob("*") if path.suffix in (".js", ".css")}
    assert asked == files
    assert not any("@import" in path.read_text() for path in STYLES)


def test_no_address_of_another_host_is_loaded() -> None:
    for path in [*SCRIPTS, *STYLES, ROOT / "index.html"]:
        assert re.findall(r"(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}", text_without_names(path.read_text())) == [], path


def text_without_names(text: str) -> str:
    """Without the one address that is a name and is never asked: SVG's."""
    return text.replace("http://www.w3.org/2000/svg", "")


def messages(language: str) -> dict[str, str]:
    """The keys and texts of a messages file."""
    text = (ROOT / "lib" / "messages" / f"{language}.js").read_text()
    return dict(re.findall(r'^  "([\w.-]+)":\s+"((?:[^"\\]|\\.)*)",$', text, re.M))
