"""Whether SystemTap can load memtap's script here."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from memtap.checks import program, verdict
from memtap.checks.check import Check
from memtap.checks.kernel import CAP_SYS_MODULE, Kernel
from memtap.checks.packages import install
from memtap.taps.scripts import script

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_OLDEST = (4, 8)
_TRIAL_S = 180  # the first compilation on a small machine takes about a minute


def checks(kernel: Kernel, *, fresh: bool = False, before_trial: Callable[[], None] = lambda: None) -> Iterator[Check]:
    """Cheapest first, and last a trial, if nothing stands in its way: the script is compiled, loaded and
    ended at once. A trial that failed is remembered; `fresh` tries it again."""
    # where no module can ever be loaded, nothing else is worth mending
    looks = (_signatures, _build_tree, _privileges, _symbols, _debuginfo) if kernel.loads_modules else ()
    found = [_program(), _modules(kernel), *(look(kernel) for look in looks)]
    yield from found
    if all(check.state != "bad" for check in found):
        yield _trial(kernel, fresh, before_trial)


def _program() -> Check:
    path = program.find("stap")
    if not path:
        return Check("stap", "bad", "not installed", install("systemtap"))
    with TemporaryDirectory(prefix="memtap-") as folder:  # it makes one, even to say its version
        version = program.version(path, r"version ([\d.]+)", SYSTEMTAP_DIR=folder)
    shown = ".".join(map(str, version)) or "unknown version"
    if version and version < _OLDEST:
        return Check("stap", "bad", f"{shown}, too old", "install SystemTap 4.8 or later")
    return Check("stap", "ok", f"{shown} ({path})")


def _modules(kernel: Kernel) -> Check:
    name = "loadable modules"
    if not kernel.loads_modules:
        fix = "boot a kernel with CONFIG_MODULES, as distributions ship; SystemTap's scripts become modules"
        return Check(name, "bad", "this kernel is built without them", fix)
    if kernel.modules_disabled:
        return Check(name, "bad", "switched off (kernel.modules_disabled = 1)", "boot without that setting")
    return Check(name, "ok", "yes")


def _signatures(kernel: Kernel) -> Check:
    name = "unsigned modules"
    if kernel.locked_down:
        fix = "switch Secure Boot off, or see `man error::sign` for a key of your own (MOK)"
        return Check(name, "bad", f"refused: the kernel is locked down ({kernel.lockdown})", fix)
    if kernel.signatures_enforced:
        return Check(name, "bad", "refused (module.sig_enforce)", "boot without module.sig_enforce=1")
    return Check(name, "ok", "accepted")


def _build_tree(kernel: Kernel) -> Check:
    where = f"/lib/modules/{kernel.release}/build"
    if kernel.build_tree:
        return Check("kernel headers", "ok", where)
    return Check("kernel headers", "bad", f"no {where}", install("kernel-headers", release=kernel.release))


def _privileges(kernel: Kernel) -> Check:
    name = "right to load"
    if kernel.can(CAP_SYS_MODULE):
        return Check(name, "ok", "CAP_SYS_MODULE")
    if kernel.user_id == 0:
        return Check(name, "bad", "root without CAP_SYS_MODULE, as in a container", "run memtap on the host")
    if {"stapdev", "stapusr"} <= kernel.groups:
        return Check(name, "ok", "groups stapdev and stapusr")
    fix = "run memtap as root, or: adduser $USER stapdev; adduser $USER stapusr, and log in again"
    return Check(name, "bad", "neither root nor in the groups stapdev and stapusr", fix)


def _symbols(kernel: Kernel) -> Check:
    where = f"/boot/System.map-{kernel.release}"
    if kernel.system_map:
        return Check("System.map", "ok", where)
    fix = f"cp /proc/kallsyms {where}   (as root)"
    return Check("System.map", "note", f"no {where}: every system call is slowed, not only mmap and munmap", fix)


def _debuginfo(kernel: Kernel) -> Check:
    there = Path(f"/usr/lib/debug/boot/vmlinux-{kernel.release}").exists()
    return Check("debuginfo", "ok", "installed" if there else "not installed; memtap's scripts do without")


def _trial(kernel: Kernel, fresh: bool, before_trial: Callable[[], None]) -> Check:
    name = "trial run"
    source = script("memtap.stp")
    stap = program.find("stap")
    key = verdict.key(kernel.release, program.run([stap, "--version"], 20)[1], source.read_text())
    refusal = "" if fresh else verdict.recall(key)
    if not refusal:
        before_trial()
        # -E adds a script to the script: the same module, loaded for real, that ends as it begins
        status, printed = program.run([stap, "-E", "probe begin { exit() }", str(source)], _TRIAL_S)
        if status == 0:
            verdict.forget(key)
            return Check(name, "ok", "compiled, loaded and ended")
        refusal = _reason(printed) or f"exit status {status}"
        verdict.remember(key, refusal)
    fix = f"see what it says: stap {source}; a kernel newer than this stap needs a newer stap"
    return Check(name, "bad", refusal, fix)


def _reason(printed: str) -> str:
    """Which pass failed: the compiler's own words before it fill screens."""
    passes = [line for line in printed.splitlines() if line.startswith("Pass ") and "failed" in line]
    return program.last_line(passes[-1] if passes else printed).partition("  [man")[0]
