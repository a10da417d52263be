"""Who memtap is once root has started it: root where the tap is started, and nobody anywhere else."""

from __future__ import annotations

import json
import os
import pwd
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from users import NOBODY, in_a_fork, where_nobody_can_read
from waiting import alive, wait_until

from memtap import privileges
from memtap.errors import MemtapError, UsageError
from memtap.taps.keeper import Keeper
from memtap.taps.tap import Tap

CAPABILITIES = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
USER = privileges.User("nobody", NOBODY.pw_uid, NOBODY.pw_gid, NOBODY.pw_dir)


@pytest.fixture
def folder() -> Iterator[Path]:
    """One of nobody's, in a place that nobody can reach."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        Path(name).chmod(0o755)
        path = Path(name) / "nobody's"
        path.mkdir(mode=0o700)
        os.chown(path, NOBODY.pw_uid, NOBODY.pw_gid)
        yield path


def status(pid: int) -> dict[str, list[str]]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: values.split() for name, _, values in (line.partition(":") for line in lines)}


def descendants(pid: int) -> set[int]:
    children = {
        int(child) for task in Path(f"/proc/{pid}/task").glob("*/children") for child in task.read_text().split()
    }
    return children.union(*map(descendants, children)) if children else set()


def is_root(pid: int) -> bool:
    return "0" in status(pid)["Uid"] + status(pid)["Gid"]


class TestARunThatRootHasStarted:
    @pytest.fixture
    def running(self, folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
        command = [sys.executable, "-P", "-m", "memtap", "run", "--tap", "bpftrace", "--port", "0"]
        environment = {**os.environ, "XDG_DATA_HOME": str(folder), "MEMTAP_USER": "nobody"}
        environment.pop("MEMTAP_STORE", None)
        with subprocess.Popen(
            where_nobody_can_read(*command),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            cwd="/",
        ) as memtap:
            assert memtap.stdout
            assert memtap.stderr
            address = memtap.stdout.readline()
            assert address.startswith("http://"), memtap.stderr.read()
            yield memtap, address
            memtap.kill()

    def test_only_the_tap_and_what_starts_it_are_root(self, running, folder):
        memtap, _ = running
        wait_until(lambda: len(descendants(memtap.pid)) == 2)
        everybody = {memtap.pid, *descendants(memtap.pid)}
        wait_until(lambda: "bpftrace" in {status(pid)["Name"][0] for pid in everybody})  # python3 before its exec
        names = {pid: status(pid)["Name"][0] for pid in everybody}
        assert sorted(names[pid] for pid in everybody if is_root(pid)) == ["bpftrace", "memtap-keeper"]
        assert [pid for pid in everybody if not is_root(pid)] == [memtap.pid]

        told = status(memtap.pid)
        assert told["Uid"] == [str(NOBODY.pw_uid)] * 4
        assert told["Gid"] == [str(NOBODY.pw_gid)] * 4
        assert {int(told[name][0], 16) for name in CAPABILITIES} == {0}
        assert told["NoNewPrivs"] == ["1"]
        threads = [int(task.name) for task in Path(f"/proc/{memtap.pid}/task").iterdir()]
        assert len(threads) > 3, "reader, loader, server"
        assert not any(map(is_root, threads))
        store = folder / "memtap/memtap.duckdb"
        assert store.stat().st_uid == NOBODY.pw_uid

        memtap.send_signal(signal.SIGTERM)
        _, said = memtap.communicate(timeout=60)
        assert memtap.returncode == 0, said
        assert "runs as user nobody; only the tap stays root" in said
        wait_until(lambda: not any(map(alive, everybody)))

    def test_nothing_of_root_outlives_a_memtap_that_was_killed(self, running):
        memtap, _ = running
        wait_until(lambda: len(descendants(memtap.pid)) == 2)
        others = descendants(memtap.pid)
        memtap.kill()
        memtap.wait()
        wait_until(lambda: not any(map(alive, others)))


class TestTheKeeper:
    def test_it_starts_the_tap_it_was_told_of_first_and_nothing_else(self, tmp_path):
        keeper = Keeper()
        stolen = tmp_path / "stolen"
        try:
            keeper.hold(Tap("bpftrace", argv=("echo", "the tap")))
            with pytest.raises(OSError, match="not understood"):
                keeper.hold(Tap("stap", argv=("touch", str(stolen))))
            child = keeper.launch(Tap("stap", argv=("touch", str(stolen))))
            with os.fdopen(child.stdout, "rb") as output:
                assert output.read() == b"the tap\n"
            os.close(child.stderr)
            wait_until(child.is_dead)
            assert child.reap() == 0
        finally:
            keeper.close()
        assert not stolen.exists()

    @pytest.mark.parametrize(
        "words",
        [
            b"x",
            b"{}",
            b"[]",
            b'{"do": "start"}',
            b'{"do": "exec", "argv": ["id"]}',
            b'{"do": "signal", "number": 9}',
            b'{"do": "hold", "tap": {"argv": 1}}',
            b"\xff" * 1000,
        ],
    )
    def test_it_survives_whatever_it_is_told(self, words):
        keeper = Keeper()
        try:
            keeper._socket.send(words)
            assert "not understood" in json.loads(keeper._socket.recv(1 << 16))["error"]
            keeper.hold(Tap("bpftrace", argv=("true",)))
        finally:
            keeper.close()

    def test_it_signals_nobody_but_its_tap_and_only_to_end_it(self):
        keeper = Keeper()
        try:
            keeper.hold(Tap("bpftrace", argv=("sleep", "1000")))
            child = keeper.launch(Tap("bpftrace"))
            keeper._ask("signal", number=int(signal.SIGSTOP))
            assert not child.is_dead()
            child.signal(signal.SIGTERM)
            wait_until(child.is_dead)
            assert child.reap() == -signal.SIGTERM
            os.close(child.stdout)
            os.close(child.stderr)
        finally:
            keeper.close()

    def test_a_command_that_does_not_exist_is_said(self):
        keeper = Keeper()
        try:
            keeper.hold(Tap("bpftrace", argv=("/no/such/tap",)))
            child = keeper.launch(Tap("bpftrace"))
            with os.fdopen(child.stderr) as stderr:
                assert "cannot start /no/such/tap" in stderr.read()
            wait_until(child.is_dead)
            assert child.reap() == 1
            os.close(child.stdout)
        finally:
            keeper.close()

    def test_it_holds_nothing_that_memtap_opened(self):
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            keeper = Keeper()
            try:
                keeper.hold(Tap("bpftrace"))  # answered: it has closed the rest
                held = [fd.name for fd in Path(f"/proc/{keeper.pid}/fd").iterdir() if int(fd.name) > 2]
            finally:
                keeper.close()
        assert len(held) == 1


class TestBecomingSomebody:
    def test_there_is_no_way_back(self):
        def become() -> str:
            privileges.become(USER)
            for back in (lambda: os.setuid(0), lambda: os.setgid(0), lambda: os.setgroups([0])):
                with pytest.raises(PermissionError):
                    back()
            batch = os.memfd_create("batch")
            os.write(batch, b"rows")
            through = Path(f"/proc/self/fd/{batch}").read_bytes()  # as LOAD DATA reads it
            return f"{os.getresuid()} {os.getresgid()} {os.getgroups()} {through!r} {os.environ['HOME']}"

        uid, gid = NOBODY.pw_uid, NOBODY.pw_gid
        assert in_a_fork(become) == f"({uid}, {uid}, {uid}) ({gid}, {gid}, {gid}) [{gid}] b'rows' {NOBODY.pw_dir}"

    def test_only_root_becomes_somebody_else(self):
        def ask() -> str:
            with pytest.raises(MemtapError, match="only root can become another user"):
                privileges.choose("root", lambda user: "")
            return str(privileges.choose("", lambda user: ""))

        assert in_a_fork(ask, NOBODY.pw_uid) == "(None, '')"

    def test_who_calls_sudo_is_asked_before_any_other(self, monkeypatch):
        games = pwd.getpwnam("games")
        monkeypatch.setenv("SUDO_UID", str(games.pw_uid))
        user, message = privileges.choose("", lambda user: "")
        assert user
        assert (user.uid, message) == (games.pw_uid, "runs as user games; only the tap stays root")

    def test_who_could_not_do_it_is_named_with_the_reason(self, monkeypatch):
        monkeypatch.delenv("SUDO_UID", raising=False)
        user, message = privileges.choose("", lambda user: "nobody cannot read X: do Y")
        assert user is None
        assert message.startswith("everything runs as root, as user ")
        assert "nobody cannot read X: do Y" in message
        with pytest.raises(UsageError, match=re.escape("--user nobody: nobody cannot read X: do Y")):
            privileges.choose("nobody", lambda user: "nobody cannot read X: do Y")
        with pytest.raises(UsageError, match="no such user"):
            privileges.choose("not-here", lambda user: "")

    def test_what_cannot_be_read_or_written_is_found_as_that_user(self, tmp_path, folder):
        closed = tmp_path / "closed"
        closed.mkdir(mode=0o700)
        assert str(closed) in privileges.unreadable(USER, [closed]) or "install memtap" in privileges.unreadable(
            USER, []
        )
        assert f"cannot write to {closed}" in privileges.unwritable(USER, closed / "x.duckdb", make_folder=False)
        assert privileges.unwritable(USER, folder / "x.duckdb", make_folder=False) == ""
        (folder / "x.duckdb").touch(mode=0o644)
        assert f"cannot write {folder}/x.duckdb" in privileges.unwritable(USER, folder / "x.duckdb", make_folder=False)
        assert privileges.unwritable(USER, folder / "memtap/x.duckdb", make_folder=True) == ""
        assert os.geteuid() == 0
