"""Root is for the tap alone: the rest of memtap becomes another user before it opens a store or answers anybody."""

from __future__ import annotations

import ctypes
import os
import pwd
import sys
from collections.abc import Callable, Iterable
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from memtap.errors import MemtapError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

ACCOUNT = "memtap"  # who memtap becomes where there is such a user
NOBODY = "nobody"
STATE = Path("/var/lib/memtap")  # of a memtap that root has started

_PR_SET_DUMPABLE = 4  # linux/prctl.h
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38


@dataclass(frozen=True, slots=True)
class User:
    """One of this machine's users."""

    name: str
    uid: int
    gid: int
    home: str


def behind_sudo() -> User | None:
    """Who has called memtap through sudo."""
    uid = os.environ.get("SUDO_UID", "")
    if os.geteuid() != 0 or not uid.isdecimal() or uid == "0":
        return None
    try:
        return _user(pwd.getpwuid(int(uid)))
    except KeyError:
        return None


def own_folder(variable: str, below_home: str) -> Path:
    """Where memtap keeps its files: in the XDG folder that the environment's `variable` names, else at `below_home` in
    the user's home; through sudo in that of who called it, and of a memtap that the machine starts as root in STATE."""
    named, caller = os.environ.get(variable, ""), behind_sudo()
    if named.startswith("/"):  # the XDG rule: a relative path there is to be ignored
        return Path(named) / "memtap"
    if os.geteuid() == 0 and not caller:
        return STATE
    return (Path(caller.home) if caller else Path.home()) / below_home / "memtap"


def choose(asked: str, is_fit: Callable[[User], str]) -> tuple[User | None, str]:
    """Whom memtap is to become, None: nobody else, and a line about it for people.

    `asked`: a user's name, "root" to stay, or "" to choose: who called sudo, else the user `memtap`, else `nobody`.
    `is_fit(user)` says what that user lacks to run memtap, "" for nothing. Raises UsageError for a user that was asked
    for and does not exist or cannot do, MemtapError for one that this process may not become.
    """
    if os.geteuid() != 0:
        if asked and asked != pwd.getpwuid(os.geteuid()).pw_name:
            raise MemtapError(f"--user {asked}: only root can become another user: use sudo, or leave it out")
        return None, ""
    if asked == "root":
        return None, "everything runs as root, as --user root says"
    if asked:
        try:
            user = _user(pwd.getpwnam(asked))
        except KeyError:
            raise UsageError(f"--user {asked}: there is no such user: use another, or useradd -r {asked}") from None
    else:
        found = behind_sudo() or _account()
        if found is None:
            return None, "everything runs as root: there is no other user here"
        user = found
    if user.uid == 0:
        return None, f"everything runs as root, which user {user.name} is"
    lacks = is_fit(user)
    if not lacks:
        return user, f"runs as user {user.name}; only the tap stays root"
    if asked:
        raise UsageError(f"--user {asked}: {lacks}")
    return None, f"everything runs as root, as user {user.name} could not: {lacks} (--user NAME tries another)"


def become(user: User) -> None:
    """For good: no capability and no way back. For a process with one thread."""
    libc = ctypes.CDLL(None, use_errno=True)
    for capability in range(64):
        if libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
            break  # past the last one that this kernel has
    os.initgroups(user.name, user.gid)
    os.setresgid(user.gid, user.gid, user.gid)
    os.setresuid(user.uid, user.uid, user.uid)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    # Linux hides /proc/self from a process that has changed its user; LOAD DATA reads a batch through it.
    libc.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)
    os.environ.update(HOME=user.home, USER=user.name, LOGNAME=user.name)
    if os.getresuid() != (user.uid,) * 3:
        raise MemtapError(f"could not become user {user.name}")


def unreadable(user: User, files: Iterable[Path]) -> str:
    """Of memtap itself and these: what the user cannot read."""
    ours = (Path(sys.executable), Path(os.__file__), Path(__file__))
    with _as(user):
        for path in (*ours, *files):
            if not os.access(path, os.R_OK, effective_ids=True):
                return f"{user.name} cannot read {path}: install memtap where everybody can read it"
    return ""


def unwritable(user: User, file: Path, *, make_folder: bool) -> str:
    """Why the user could not keep a file there, "" where it can. `make_folder`: it is memtap's own, so it is made; the
    machine's is given to the user with all that is in it."""
    folder = file.parent
    if folder == STATE:
        give_state(user)
    with _as(user):
        if make_folder:
            with suppress(OSError):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK, effective_ids=True):
            return f"{user.name} cannot write to {folder}: chown {user.name} {folder}, or use another store"
        for path in (file, file.with_name(f"{file.name}.wal")):
            if path.exists() and not os.access(path, os.W_OK, effective_ids=True):
                return f"{user.name} cannot write {path}: chown {user.name} {path}, or use another store"
    return ""


def give_state(user: User) -> None:
    """The machine's folder, made and with all that is in it the user's."""
    STATE.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Through descriptors: its owner, who is not root, could put a link in the way meanwhile.
    for _, folders, files, fd in os.fwalk(STATE):
        os.chown(fd, user.uid, user.gid)
        for name in (*folders, *files):
            os.chown(name, user.uid, user.gid, dir_fd=fd, follow_symlinks=False)


@contextmanager
def _as(user: User) -> Iterator[None]:
    groups, gid = os.getgroups(), os.getegid()
    os.initgroups(user.name, user.gid)
    os.setegid(user.gid)
    os.seteuid(user.uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(gid)
        os.setgroups(groups)


def _account() -> User | None:
    for name in (ACCOUNT, NOBODY):
        try:
            return _user(pwd.getpwnam(name))
        except KeyError:
            continue
    return None


def _user(entry: pwd.struct_passwd) -> User:
    return User(entry.pw_name, entry.pw_uid, entry.pw_gid, entry.pw_dir)
