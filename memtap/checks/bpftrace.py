"""Whether bpftrace can attach memtap's script here."""

from __future__ import annotations

import resource
import signal
from typing import TYPE_CHECKING

from memtap.checks import program
from memtap.checks.check import Check
from memtap.checks.kernel import CAP_BPF, CAP_PERFMON, CAP_SYS_ADMIN, Kernel
from memtap.checks.packages import install
from memtap.taps import exec_tap

if TYPE_CHECKING:
    from collections.abc import Iterator

_OLDEST = (0, 17)
_MEMLOCK_BYTES = 64 << 20  # what bpftrace asks for itself
_TRIAL_S = 30  # about half a second on a small machine, some seconds where the kernel has many probes
_TRIAL = (
    "interval:ms:1 { exit(); } "
    'tracepoint:syscalls:sys_enter_mmap { printf("%s %d", strftime("%s%f", nsecs), args->len); }'
)


def checks(kernel: Kernel) -> Iterator[Check]:
    """Cheapest first, and last a trial, if nothing stands in its way: the tracepoint is attached for real."""
    looks = (_privileges, _lockdown, _tracepoints, _types, _memlock)
    found = [_program(), *(look(kernel) for look in looks)]
    yield from found
    if all(check.state != "bad" for check in found):
        yield _trial(kernel)


def _memlock(kernel: Kernel) -> Check:
    """Since Linux 5.11 what BPF holds counts as a control group's memory, not as locked memory."""
    version = tuple(int(part) for part in kernel.release.split("-")[0].split(".")[:2] if part.isdigit())
    limit, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    if version >= (5, 11):
        return Check("memlock", "ok", "no limit to BPF since Linux 5.11")
    if limit == resource.RLIM_INFINITY or limit >= _MEMLOCK_BYTES:
        return Check("memlock", "ok", "enough")
    return Check("memlock", "note", f"{limit:,} bytes: bpftrace may fail to load", "ulimit -l unlimited")


def _program() -> Check:
    path = program.find("bpftrace")
    if not path:
        return Check("bpftrace", "bad", "not installed", install("bpftrace"))
    version = program.version(path, r"v([\d.]+)")
    shown = ".".join(map(str, version)) or "unknown version"
    if version and version < _OLDEST:
        return Check("bpftrace", "bad", f"{shown}, too old", "install bpftrace 0.17 or later")
    return Check("bpftrace", "ok", f"{shown} ({path})")


def _privileges(kernel: Kernel) -> Check:
    name = "right to trace"
    if kernel.user_id != 0:
        return Check(name, "bad", "not root, which bpftrace insists on", "run memtap as root: sudo memtap run")
    if kernel.can(CAP_SYS_ADMIN) or (kernel.can(CAP_BPF) and kernel.can(CAP_PERFMON)):
        return Check(name, "ok", "root")
    fix = "run memtap on the host, or the container with --privileged"
    return Check(name, "bad", "root without CAP_SYS_ADMIN, as in a container", fix)


def _lockdown(kernel: Kernel) -> Check:
    if kernel.lockdown == "confidentiality":
        return Check(
            "lockdown",
            "bad",
            "confidentiality: the kernel lets nobody read it",
            "boot with lockdown=integrity",
        )
    return Check("lockdown", "ok", kernel.lockdown or "none")


def _tracepoints(kernel: Kernel) -> Check:
    name = "syscall tracepoints"
    if kernel.syscall_tracepoints:
        return Check(name, "ok", f"{kernel.tracefs}/events/syscalls")
    if kernel.syscall_tracepoints is False:
        fix = "boot a kernel with CONFIG_FTRACE_SYSCALLS, as distributions ship"
        return Check(name, "bad", "this kernel is built without them", fix)
    if kernel.user_id != 0:
        return Check(name, "note", "only root can tell")
    if kernel.tracefs_known and kernel.can(CAP_SYS_ADMIN):
        return Check(name, "ok", "tracefs is not mounted; the tap gets one of its own")
    return Check(name, "bad", "tracefs is not mounted", "mount -t tracefs tracefs /sys/kernel/tracing")


def _types(kernel: Kernel) -> Check:
    if kernel.btf:
        return Check("kernel types (BTF)", "ok", "/sys/kernel/btf/vmlinux")
    return Check("kernel types (BTF)", "note", "none; the tap of format 1 needs none")


def _trial(kernel: Kernel) -> Check:
    command = [program.find("bpftrace"), "-q", "-e", _TRIAL]
    tied = exec_tap.wrapped(command, death_signal=signal.SIGKILL, mount_tracefs=not kernel.tracefs)
    status, printed = program.run(tied, _TRIAL_S)
    if status == 0:
        return Check("trial run", "ok", "attached and ended")
    errors = [line for line in printed.splitlines() if "ERROR" in line and "RLIMIT_MEMLOCK" not in line]
    reason = program.last_line(errors[0] if errors else printed) or f"exit status {status}"
    return Check("trial run", "bad", reason, f"see what it says: bpftrace -e '{_TRIAL}'")
