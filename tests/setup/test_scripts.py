"""The set-up's own promises, as far as they can be seen without an empty machine."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NEEDS = (
    "compiler",
    "python",
    "bpftrace",
    "mariadb",
    "mariadb-headers",
    "chromium",
    "systemtap",
    "kernel-headers",
    "shellcheck",
    "clang",
)
BENCH_NEEDS = ("valgrind", "perf", "rsyslog-mysql")
CLOSED = "=== 3 passed in 0.12s ==="
FAILED = "=== 1 failed, 2 passed, 1 warning in 61.12s (0:01:01) ==="


def script(name, *arguments, **options):
    return subprocess.run([ROOT / name, *arguments], capture_output=True, text=True, timeout=300, **options)


def test_nothing_is_missing_where_the_tests_run():
    assert script("scripts/missing.sh", *NEEDS).stdout == ""


def test_what_is_missing_is_named():
    # a PATH in which nothing is but the tools of the script itself
    done = script("scripts/missing.sh", "shellcheck", env={"PATH": "/nonexistent"})
    assert "unknown need" in script("scripts/missing.sh", "sheelcheck").stderr
    assert done.stdout in ("shellcheck\n", "")  # it also looks where root's programs are


def test_the_python_it_finds_can_build_extensions():
    path = script("scripts/python.sh").stdout.strip()
    probe = "import sys, sysconfig, os; print(sys.version_info >= (3, 11), os.listdir(sysconfig.get_path('include')))"
    told = subprocess.run([path, "-c", probe], capture_output=True, text=True, check=True).stdout
    assert told.startswith("True ")
    assert "'Python.h'" in told


def test_without_a_fitting_python_it_says_so(tmp_path):
    (tmp_path / "command").mkdir()
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    source = (ROOT / "scripts/python.sh").read_text().replace("/usr/bin/python3 /usr/local/bin/python3", "")
    copy = tmp_path / "python.sh"
    copy.write_text(source)
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in ("sort", "head"):
        (tools / tool).symlink_to(f"/usr/bin/{tool}")
    done = subprocess.run(
        ["/bin/sh", copy], env={"PATH": f"{tmp_path}:{tools}"}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert done.stderr == "no Python 3.11 or later with venv and Python.h was found\n"


@pytest.mark.parametrize("family", ["debian", "fedora", "suse", "arch", "other"])
def test_every_need_has_a_name_in_every_distribution(family):
    needs = (*NEEDS, *BENCH_NEEDS)
    done = script("scripts/packages.sh", family, *needs)
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == len(needs)


@pytest.mark.parametrize(
    ("family", "told"),
    [
        ("debian", "apt-get install --no-install-recommends bpftrace"),
        ("fedora", "dnf install bpftrace"),
        ("other", "install bpftrace."),
    ],
)
def test_the_advice_is_one_command_and_what_is_done_without(family, told):
    packages = "bpftrace," if family == "other" else "bpftrace"
    said = script("scripts/packages.sh", "advice", family, "run", "bpftrace", packages).stdout
    assert told in said
    assert "a recording is shown instead of this machine" in said


@pytest.fixture
def build_machine(tmp_path):
    """Runs .ci/run with a `make` that prints the given lines and ends with the given status."""

    def run(output, status):
        (tmp_path / "out").write_text(output)
        make = tmp_path / "make"
        make.write_text(f"#!/bin/sh\n[ \"$CI\" = true ] || exit 9\ncat '{tmp_path}/out'\nexit {status}\n")
        make.chmod(0o755)
        return script(".ci/run", env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"})

    return run


@pytest.mark.parametrize(
    ("output", "make_status", "last", "status"),
    [
        pytest.param(f"setup\n{CLOSED}\n", 0, CLOSED, 0, id="passed"),
        pytest.param(f"{FAILED}\nmake: *** [Makefile:17: test] Error 1\n", 2, FAILED, 2, id="failed"),
        pytest.param("setup: failed\n", 2, "setup: failed", 2, id="set-up failed"),
        pytest.param("=== no tests ran in 0.01s ===\n", 0, "=== no tests ran in 0.01s ===", 1, id="no test"),
        pytest.param(f"{CLOSED}\n", 5, CLOSED, 5, id="a status that pytest did not explain"),
    ],
)
def test_a_build_ends_with_pytests_closing_line_and_its_status(build_machine, output, make_status, last, status):
    done = build_machine(output, make_status)
    assert done.stdout.splitlines()[-1] == last
    assert done.returncode == status
