"""The systemd units: how much they let go of, and that memtap works with what is left."""

from __future__ import annotations

import configparser
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from users import NOBODY, ROOT, where_nobody_can_read
from waiting import wait_until

UNITS = ROOT / "scripts/systemd"
MEMTAP = Path(sys.executable).with_name("memtap")
TOKEN = "a-token-of-the-tests"
FILTER = Path(__file__).with_name("syscall_filter.py")
MOST_EXPOSED = 20  # tenths
# What MemoryDenyWriteExecute=yes asks for, then the command: PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN of linux/prctl.h.
DENY_WRITE_EXECUTE = """
import ctypes, os, sys
assert ctypes.CDLL(None, use_errno=True).prctl(65, 1, 0, 0, 0) == 0, "Linux 6.3 or later knows it"
os.execvp(sys.argv[1], sys.argv[1:])
"""
# What systemd has done on every host before it starts the tap, which waits for it.
TRACEFS = """
mountpoint -q /sys/kernel/tracing || mount -t tracefs tracefs /sys/kernel/tracing
exec "$@"
"""


def unit(name: str) -> configparser.SectionProxy:
    parser = configparser.RawConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string((UNITS / name).read_text().replace("\\\n", " "))
    return parser["Service"]


@pytest.mark.parametrize("name", ["memtap.service", "memtap-tap.service"])
class TestEachUnit:
    def test_it_is_barely_exposed(self, name):
        done = subprocess.run(
            [
                "systemd-analyze",
                "security",
                "--offline=true",
                "--no-pager",
                f"--threshold={MOST_EXPOSED}",
                UNITS / name,
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert re.search(r"Overall exposure level for .*: \d\.\d", done.stdout)

    def test_systemd_understands_every_line(self, name, tmp_path):
        for path in UNITS.iterdir():
            text = re.sub(r"(?m)^ExecStart=memtap", f"ExecStart={MEMTAP}", path.read_text())
            (tmp_path / path.name).write_text(text)
        done = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", tmp_path / name], capture_output=True, text=True, check=False
        )
        assert [line for line in done.stderr.splitlines() if name in line] == []


@contextmanager
def with_the_rights_of(name: str, command: str, *, uid: int = 0, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A unit's command with no more than its capabilities and system calls, and nothing that can be written and
    executed."""
    kept = unit(name)["CapabilityBoundingSet"].lower().replace("cap_", "").split()
    bounds = ",".join(["-all", *(f"+{capability}" for capability in kept)])
    rights = ["sh", "-c", TRACEFS, "sh", "setpriv", f"--bounding-set={bounds}", "--inh-caps=-all", "--no-new-privs"]
    if uid:
        rights += [f"--reuid={uid}", f"--regid={NOBODY.pw_gid}", "--clear-groups"]
    words = [*rights, sys.executable, "-c", DENY_WRITE_EXECUTE, sys.executable, str(FILTER), str(UNITS / name)]
    words += ["sh", "-c", f"exec {command}"]
    environment = {**os.environ, "PATH": f"{MEMTAP.parent}:{os.environ['PATH']}", "XDG_DATA_HOME": str(log.parent)}
    environment["MEMTAP_TOKEN"] = TOKEN
    for variable in ("MEMTAP_STORE", "MEMTAP_USER"):
        environment.pop(variable, None)
    with (
        log.open("wb") as said,
        subprocess.Popen(where_nobody_can_read(*words), stdout=said, stderr=said, env=environment, cwd="/") as process,
    ):
        try:
            yield process
        finally:
            process.terminate()
            process.wait(60)


def test_the_pair_taps_and_stores_with_the_rights_that_its_units_leave():
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o711)
        state = folder / "state"
        state.mkdir(mode=0o700)
        calls = state / "calls"
        os.mkfifo(calls, 0o600)
        for path in (state, calls):
            os.chown(path, NOBODY.pw_uid, NOBODY.pw_gid)
        run = unit("memtap.service")["ExecStart"].replace("/run/memtap/calls", str(calls)).replace("7411", "0")
        tap = unit("memtap-tap.service")["ExecStart"].replace("/run/memtap/calls", str(calls)).replace("$$", "$")
        shell, option, script = shlex.split(tap)
        assert (shell, option) == ("/bin/sh", "-c")
        with with_the_rights_of("memtap.service", run, uid=NOBODY.pw_uid, log=state / "run.log") as memtap:
            # as systemctl would say
            script = re.sub(r"\$\(systemctl show [^)]*\)", str(memtap.pid), script.removeprefix("exec "))
            wait_until(lambda: b"http://" in (state / "run.log").read_bytes())
            address = re.search(r"http://[^?]+", (state / "run.log").read_text())
            assert address
            with with_the_rights_of("memtap-tap.service", script, log=state / "tap.log"):
                wait_until(lambda: stored_of("true", address[0]))


def stored_of(command: str, page: str) -> bool:
    """Whether a call of such a process, which is run now, has come to the page."""
    subprocess.run([command], check=True)
    asked = urllib.request.Request(
        f"{page}api/v1/calls?process_name={command}", headers={"Authorization": f"Bearer {TOKEN}"}
    )
    with urllib.request.urlopen(asked, timeout=30) as answer:
        return bool(json.load(answer)["count"])
