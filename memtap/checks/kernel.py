"""What the running kernel has, read from /proc and /sys."""

from __future__ import annotations

import grp
import os
import re
from dataclasses import dataclass
from pathlib import Path

CAP_SYS_MODULE = 16  # linux/capability.h
CAP_SYS_ADMIN = 21
CAP_PERFMON = 38
CAP_BPF = 39

_TRACEFS_MOUNTS = ("sys/kernel/tracing", "sys/kernel/debug/tracing")


@dataclass(frozen=True, slots=True)
class Kernel:
    """What decides which taps work, as far as files can tell."""

    release: str  # uname -r
    loads_modules: bool  # built with CONFIG_MODULES
    modules_disabled: bool  # kernel.modules_disabled: none may be loaded until the next boot
    signatures_enforced: bool  # only signed modules
    lockdown: str  # "none", "integrity", "confidentiality"; "" without the security module
    build_tree: bool  # /lib/modules/RELEASE/build: the headers modules are built with
    system_map: bool  # /boot/System.map-RELEASE
    btf: bool  # /sys/kernel/btf/vmlinux
    tracefs: str  # where it is mounted; "" nowhere that can be seen
    tracefs_known: bool  # the kernel has it, so that it can be mounted
    syscall_tracepoints: bool | None  # None: unknown, as no tracefs can be read
    capabilities: int  # this process's effective set, a bit each
    user_id: int
    groups: frozenset[str]  # names

    def can(self, capability: int) -> bool:
        return bool(self.capabilities >> capability & 1)

    @property
    def locked_down(self) -> bool:
        return self.lockdown in ("integrity", "confidentiality")


def read(root: Path = Path("/")) -> Kernel:
    """This machine's kernel, or that of a tree which looks like one."""
    release = _text(root / "proc/sys/kernel/osrelease")
    tracefs = next((at for at in _TRACEFS_MOUNTS if _readable(root / at / "events")), "")
    lockdown = re.search(r"\[(\w+)\]", _text(root / "sys/kernel/security/lockdown"))
    return Kernel(
        release=release,
        loads_modules=(root / "proc/modules").exists(),
        modules_disabled=_text(root / "proc/sys/kernel/modules_disabled") == "1",
        signatures_enforced=_text(root / "sys/module/module/parameters/sig_enforce") == "Y",
        lockdown=lockdown[1] if lockdown else "",
        build_tree=(root / f"lib/modules/{release}/build/Makefile").exists(),
        system_map=(root / f"boot/System.map-{release}").exists(),
        btf=(root / "sys/kernel/btf/vmlinux").exists(),
        tracefs=f"/{tracefs}" if tracefs else "",
        tracefs_known="\ttracefs\n" in _text(root / "proc/filesystems") + "\n",
        syscall_tracepoints=_readable(root / tracefs / "events/syscalls/sys_enter_mmap") if tracefs else None,
        capabilities=_capabilities(root),
        user_id=os.geteuid(),
        groups=_groups(),
    )


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""


def _readable(path: Path) -> bool:
    return os.access(path, os.R_OK | os.X_OK)


def _capabilities(root: Path) -> int:
    found = re.search(r"^CapEff:\s*([0-9a-f]+)", _text(root / "proc/self/status"), re.MULTILINE)
    return int(found[1], 16) if found else 0


def _groups() -> frozenset[str]:
    known = {group.gr_gid: group.gr_name for group in grp.getgrall()}
    return frozenset(known[gid] for gid in {os.getegid(), *os.getgroups()} if gid in known)
