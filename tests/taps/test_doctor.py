"""`memtap doctor`: what people and programs are told of this machine."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from memtap.checks.check import Check
from memtap.checks.report import Group, Report
from memtap.commands import doctor


def run_doctor(*arguments):
    command = [sys.executable, "-P", "-m", "memtap", "doctor", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def test_it_says_which_tap_and_store_would_be_used(tmp_path):
    done = run_doctor("--store", f"duckdb://{tmp_path}/new.duckdb")
    assert (done.returncode, done.stderr) == (0, "")
    assert "\nmemtap run would tap this machine with bpftrace.\n" in done.stdout
    assert f"duckdb://{tmp_path}/new.duckdb" in done.stdout
    assert "\x1b" not in done.stdout, "no colours in a pipe"
    assert list(tmp_path.iterdir()) == [], "it looks, and makes nothing"


def test_json_is_one_object_with_every_check(tmp_path):
    done = run_doctor("--json", "--store", f"duckdb://{tmp_path}/new.duckdb")
    told = json.loads(done.stdout)
    assert done.returncode == 0
    assert (told["works"], told["tap"]) == (True, "bpftrace")
    assert [group["name"] for group in told["groups"]] == ["memtap", "stap", "bpftrace", "replay", "store"]
    for group in told["groups"]:
        assert group["works"] == all(check["state"] != "bad" for check in group["checks"])
        for check in group["checks"]:
            assert set(check) == {"name", "state", "found", "fix"}
            assert check["found"]
            assert check["fix"] or check["state"] != "bad", check


def test_a_store_that_does_not_answer_is_status_1_and_no_password_is_shown(tmp_path):
    away = tmp_path / "url"
    away.write_text("mysql://memtap:se%2Fcret@localhost/proyecto1?unix_socket=/nonexistent/mysqld.sock\n")
    done = run_doctor("--store", f"@{away}")
    assert done.returncode == 1
    assert "memtap cannot run here" in done.stdout
    assert "cret" not in done.stdout + done.stderr


def test_an_existing_store_answers(tmp_path):
    url = f"duckdb://{tmp_path}/there.duckdb"
    subprocess.run([sys.executable, "-P", "-m", "memtap", "init", "--store", url], check=True, timeout=300)
    before = (tmp_path / "there.duckdb").read_bytes()
    done = run_doctor("--json", "--store", url)
    store = json.loads(done.stdout)["groups"][-1]
    assert store["works"]
    assert store["checks"][0]["found"] == f"{url} answers"
    assert (tmp_path / "there.duckdb").read_bytes() == before


@pytest.fixture
def report():
    bad = Check("loadable modules", "bad", "built without modules " * 6, "boot another kernel")
    note = Check("System.map", "note", "none", "cp /proc/kallsyms /boot/System.map")
    good = Group("store", "keeping what is seen", (Check("store", "ok", "answers"),))
    return Report("host", "Debian", "replay", (Group("stap", "tapping", (bad, note)), good))


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_the_page_fits_its_width_and_aligns_its_columns(report, columns):
    lines = list(doctor.page(report, columns=columns, colours=False))
    assert max(len(line) for line in lines if "→" not in line) <= columns
    [first] = [line for line in lines if "loadable modules" in line]
    [fix] = [line for line in lines if "boot another kernel" in line]
    assert first.startswith("  BAD   loadable modules  built without")
    assert fix.index("→") == first.index("built without")


def test_colours_change_nothing_but_colours(report):
    plain = "\n".join(doctor.page(report, columns=80, colours=False))
    coloured = "\n".join(doctor.page(report, columns=80, colours=True))
    assert coloured != plain
    for code in ("0", "1", "2", "31", "32", "33"):
        coloured = coloured.replace(f"\x1b[{code}m", "")
    assert coloured == plain


def test_it_works_where_only_the_recording_does_and_says_so(report):
    assert report.works
    assert "would replay the recording" in list(doctor.page(report, columns=200, colours=False))[-1]
