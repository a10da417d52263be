"""What is read from /proc and /sys, and what the checks make of it."""

from __future__ import annotations

import dataclasses
import os

import pytest

from memtap.checks import bpftrace, first_bad, kernel, systemtap, verdict

RELEASE = "6.1.0-test-amd64"


@pytest.fixture
def tree(tmp_path):
    """The files of a kernel that can do everything."""
    files = {
        "proc/sys/kernel/osrelease": RELEASE + "\n",
        "proc/modules": "",
        "proc/sys/kernel/modules_disabled": "0\n",
        "proc/filesystems": "nodev\tsysfs\nnodev\ttracefs\n\text4\n",
        "proc/self/status": "Name:\tx\nCapEff:\t000001ffffffffff\n",
        "sys/kernel/security/lockdown": "[none] integrity confidentiality\n",
        "sys/module/module/parameters/sig_enforce": "N\n",
        "sys/kernel/btf/vmlinux": "",
        "sys/kernel/tracing/events/syscalls/sys_enter_mmap/id": "1\n",
        f"lib/modules/{RELEASE}/build/Makefile": "",
        f"boot/System.map-{RELEASE}": "",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_a_capable_kernel(tree):
    facts = kernel.read(tree)
    assert facts.release == RELEASE
    assert facts.loads_modules and facts.build_tree and facts.system_map and facts.btf and facts.tracefs_known
    assert facts.syscall_tracepoints is True
    assert not (facts.modules_disabled or facts.signatures_enforced or facts.locked_down)
    assert facts.tracefs == "/sys/kernel/tracing"
    assert facts.can(kernel.CAP_BPF) and facts.can(kernel.CAP_SYS_MODULE)


def test_an_empty_tree_can_do_nothing(tmp_path):
    facts = kernel.read(tmp_path)
    assert not (facts.loads_modules or facts.build_tree or facts.tracefs or facts.tracefs_known or facts.capabilities)
    assert facts.syscall_tracepoints is None


def test_this_kernel_is_the_one_that_uname_names():
    facts = kernel.read()
    assert facts.release == os.uname().release
    assert facts.user_id == os.geteuid()


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("proc/modules", None, "built without them"),
        ("proc/sys/kernel/modules_disabled", "1\n", "kernel.modules_disabled = 1"),
        ("sys/kernel/security/lockdown", "none [integrity] confidentiality\n", "locked down (integrity)"),
        ("sys/module/module/parameters/sig_enforce", "Y\n", "module.sig_enforce"),
        (f"lib/modules/{RELEASE}/build/Makefile", None, f"no /lib/modules/{RELEASE}/build"),
        ("proc/self/status", "CapEff:\t0000000000000000\n", "in the groups stapdev and stapusr"),
    ],
)
def test_what_stands_in_systemtaps_way_is_named_before_any_trial(tree, file, text, said):
    (tree / file).unlink()
    if text is not None:
        (tree / file).write_text(text)
    facts = dataclasses.replace(kernel.read(tree), user_id=1000, groups=frozenset())
    tried = []
    obstacle = first_bad(systemtap.checks(facts, before_trial=lambda: tried.append(1)))
    assert said in obstacle.found
    assert obstacle.fix
    assert tried == []


def test_a_missing_symbol_table_is_only_worth_a_note(tree):
    (tree / f"boot/System.map-{RELEASE}").unlink()
    checks = {
        check.name: check for check in systemtap.checks(dataclasses.replace(kernel.read(tree), modules_disabled=True))
    }
    assert checks["System.map"].state == "note"
    assert checks["System.map"].fix.startswith("cp /proc/kallsyms /boot/System.map-")


def test_a_trial_that_fails_is_remembered_and_can_be_repeated(tree, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    # these facts say that everything is there; the real stap finds that it is not
    facts = kernel.read(tree)
    tried = []

    def obstacle(**options):
        return first_bad(systemtap.checks(facts, before_trial=lambda: tried.append(1), **options))

    first = obstacle()
    assert first.name == "trial run"
    assert len(tried) == 1
    assert obstacle() == first
    assert len(tried) == 1, "the verdict was remembered"
    assert obstacle(fresh=True).name == "trial run"
    assert len(tried) == 2


def test_verdicts_differ_with_anything_they_depend_on():
    assert verdict.key("a", "bc") != verdict.key("ab", "c")


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"user_id": 1000}, "not root"),
        ({"capabilities": 0}, "as in a container"),
        ({"lockdown": "confidentiality"}, "the kernel lets nobody read it"),
        ({"syscall_tracepoints": False}, "built without them"),
        ({"tracefs": "", "syscall_tracepoints": None, "tracefs_known": False}, "tracefs is not mounted"),
    ],
)
def test_what_stands_in_bpftraces_way_is_named(tree, facts, said):
    capable = dataclasses.replace(kernel.read(tree), user_id=0)
    obstacle = first_bad(bpftrace.checks(dataclasses.replace(capable, **facts)))
    assert said in obstacle.found
    assert obstacle.fix


def test_bpftrace_attaches_on_this_machine():
    assert first_bad(bpftrace.checks(kernel.read())) is None
