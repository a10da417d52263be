"""The names of users and the paths of cgroups, for ids of this machine; of another's nobody here knows them."""

from __future__ import annotations

import os
import pwd
import threading
import time
from functools import cache
from pathlib import Path

from memtap.host import this_host

_WALK_S = 5.0  # between two walks of the tree at least: ids that are gone would ask for one each time
_KEPT_PATHS = 10_000
_USER_S = 60.0  # a name is looked up again after so long

_users: dict[int, tuple[float, str | None]] = {}
_paths: dict[int, str] = {}
_walked_s = 0.0
_lock = threading.Lock()


@cache
def _here() -> tuple[str, str]:
    """Name and boot of this machine."""
    host = this_host()
    return host.name, host.boot_id


@cache
def cgroups() -> Path:
    """Where version 2's tree is mounted: beside version 1's it has a place of its own."""
    try:
        for mount in Path("/proc/self/mounts").read_text().splitlines():
            _, folder, kind, *_ = mount.split(" ")
            if kind == "cgroup2":
                return Path(folder)
    except (OSError, ValueError):
        pass
    return Path("/sys/fs/cgroup")


def is_here(host: str) -> bool:
    return host == _here()[0]


def is_this_boot(host: str, boot_id: str) -> bool:
    return (host, boot_id) == _here()


def user_name(uid: int) -> str | None:
    """Of a user of this machine; None where there is none. May wait for a directory: not for the event loop."""
    now_s = time.monotonic()
    known = _users.get(uid)
    if known is not None and now_s - known[0] < _USER_S:
        return known[1]
    try:
        name: str | None = pwd.getpwuid(uid).pw_name
    except (KeyError, OverflowError):
        name = None
    if len(_users) > _KEPT_PATHS:
        _users.clear()
    _users[uid] = now_s, name
    return name


def cgroup_path(number: int) -> str | None:
    """Of a cgroup of this boot: "/system.slice/cron.service". Remembered when it is gone."""
    global _walked_s
    with _lock:
        if number not in _paths and time.monotonic() - _walked_s > _WALK_S:
            if len(_paths) > _KEPT_PATHS:
                _paths.clear()
            _walk(str(cgroups()))
            _walked_s = time.monotonic()
        return _paths.get(number)


def _walk(root: str) -> None:
    # The id is the folder's inode (cgroup v2, 64 bits).
    for folder, _, _ in os.walk(root):
        try:
            number = os.stat(folder).st_ino  # noqa: PTH116
        except OSError:
            continue  # gone meanwhile
        _paths[number] = folder.removeprefix(root) or "/"
