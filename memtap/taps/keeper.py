"""The one process that stays root: it starts the tap and hands its output to a memtap that may do nothing else.

It is forked off before anything is opened, is told once which tap it may start, and answers four requests: start it,
signal it, has it ended, collect its exit status. When memtap is gone, however it went, it ends the tap and itself.
"""

from __future__ import annotations

import ctypes
import dataclasses
import json
import os
import signal
import socket
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn

from memtap.taps.child import OwnChild
from memtap.taps.tap import Tap

if TYPE_CHECKING:
    from collections.abc import Sequence

_PR_SET_NAME = 15  # linux/prctl.h
_MESSAGE_BYTES = 1 << 17
_FAREWELL_S = 2.0  # for a tap to end by itself once memtap has gone
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)


class Keeper:
    """Memtap's side. Make it before there is a second thread; close it once the tap has ended."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._asking = threading.Lock()
        self.pid = os.fork()
        if self.pid == 0:
            self._socket.close()
            _keep(theirs)
        theirs.close()

    def hold(self, tap: Tap) -> None:
        """The tap that it will start, and no other: say so while memtap itself is still root."""
        self._ask("hold", tap=dataclasses.asdict(tap))

    def launch(self, tap: Tap) -> KeptChild:
        """Start the tap that it holds. Raises OSError where it cannot be started."""
        del tap  # it was told
        answer, (stdout, stderr) = self._ask("start", descriptors=2)
        return KeptChild(self, int(answer["pid"]), stdout, stderr)

    def close(self) -> None:
        """Let it go: what it started ends with it."""
        self._socket.close()
        with suppress(ChildProcessError):
            os.waitpid(self.pid, 0)

    def _ask(self, what: str, *, descriptors: int = 0, **more: object) -> tuple[dict[str, Any], Sequence[int]]:
        with self._asking:
            try:
                self._socket.send(json.dumps({"do": what, **more}).encode())
                data, fds, _, _ = socket.recv_fds(self._socket, _MESSAGE_BYTES, descriptors)
            except OSError as error:
                raise OSError(error.errno, f"the process that keeps root does not answer: {error.strerror}") from error
        if not data:
            raise OSError("the process that keeps root has gone: start memtap again")
        answer: dict[str, Any] = json.loads(data)
        if "error" in answer:
            raise OSError(answer["errno"], answer["error"])
        for fd in fds:
            os.set_inheritable(fd, False)
        return answer, fds


class KeptChild:
    """The tap's command, a child of the keeper."""

    def __init__(self, keeper: Keeper, pid: int, stdout: int, stderr: int) -> None:
        self._keeper = keeper
        self.pid, self.stdout, self.stderr = pid, stdout, stderr

    def signal(self, number: int) -> None:
        with suppress(OSError):  # gone, and the tap with it
            self._keeper._ask("signal", number=int(number))

    def is_dead(self) -> bool:
        try:
            return bool(self._keeper._ask("dead")[0]["dead"])
        except OSError:
            return True

    def reap(self) -> int:
        try:
            return int(self._keeper._ask("reap")[0]["status"])
        except OSError:
            return -int(signal.SIGKILL)


def _keep(asker: socket.socket) -> NoReturn:
    """The keeper's whole life, in the forked process."""
    status = 1
    try:
        # A terminal's Ctrl-C is memtap's: we end when it has ended. Not SIG_IGN, which the tap would begin with.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: None)
        _name_this_process(b"memtap-keeper")
        _keep_few_descriptors(asker.fileno())
        _Holder(asker).serve()
        status = 0
    finally:
        os._exit(status)


def _name_this_process(name: bytes) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_NAME, name, 0, 0, 0)


def _keep_few_descriptors(kept: int) -> None:
    os.closerange(3, kept)
    os.closerange(kept + 1, os.sysconf("SC_OPEN_MAX"))


class _Holder:
    def __init__(self, asker: socket.socket) -> None:
        self._asker = asker
        self._tap: Tap | None = None
        self._child: OwnChild | None = None

    def serve(self) -> None:
        try:
            while data := self._asker.recv(_MESSAGE_BYTES):
                descriptors: tuple[int, ...] = ()
                try:
                    answer, descriptors = self._answer(json.loads(data))
                except OSError as error:
                    answer = {"error": error.strerror or str(error), "errno": error.errno}
                except (ValueError, KeyError, TypeError) as error:
                    answer = {"error": f"not understood: {error!r}", "errno": 0}
                socket.send_fds(self._asker, [json.dumps(answer).encode()], descriptors)
                for fd in descriptors:
                    os.close(fd)
        except OSError:
            pass  # memtap has gone in the middle of a word
        finally:
            self._end()

    def _answer(self, request: dict[str, Any]) -> tuple[dict[str, Any], tuple[int, ...]]:
        match request["do"]:
            case "hold" if self._tap is None:
                self._tap = _tap(request["tap"])
                return {}, ()
            case "start" if self._tap and self._child is None:
                child = self._child = OwnChild(self._tap)
                return {"pid": child.pid}, (child.stdout, child.stderr)
            case "signal" if self._child:
                if request["number"] in _SIGNALS:
                    self._child.signal(request["number"])
                return {}, ()
            case "dead":
                return {"dead": self._child is None or self._child.is_dead()}, ()
            case "reap" if self._child:
                child, self._child = self._child, None
                return {"status": child.reap()}, ()
        raise ValueError(f"{request['do']!r} now")

    def _end(self) -> None:
        if self._child and self._tap:
            self._child.signal(self._tap.death_signal)
            deadline = time.monotonic() + _FAREWELL_S
            while not self._child.is_dead() and time.monotonic() < deadline:
                time.sleep(0.01)
            self._child.reap()


def _tap(told: dict[str, Any]) -> Tap:
    return Tap(**{**told, "argv": tuple(told["argv"]), "left_out": tuple(told["left_out"])})
