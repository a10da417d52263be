"""Which tap is chosen, and what is said where one cannot be."""

from __future__ import annotations

import dataclasses

import pytest

from memtap.checks import kernel as kernel_facts
from memtap.errors import TapError, UsageError
from memtap.taps import choice


@pytest.fixture
def machine(monkeypatch):
    """Pretend to be on a machine that differs from this one in the given facts: other kernels cannot be had here."""
    here = kernel_facts.read()

    def pretend(**facts):
        there = dataclasses.replace(here, **facts)
        monkeypatch.setattr(kernel_facts, "read", lambda: there)

    return pretend


def test_auto_takes_bpftrace_where_modules_cannot_be_loaded(machine):
    machine(loads_modules=False)
    tap = choice.choose("auto")
    assert tap.name == "bpftrace"
    assert not tap.recording
    assert "not SystemTap (loadable modules: this kernel is built without them)" in tap.message


def test_auto_falls_back_to_the_recording_and_says_why_and_what_to_do(machine):
    machine(loads_modules=False, user_id=1000, capabilities=0, tracefs="", syscall_tracepoints=None)
    tap = choice.choose("auto")
    assert (tap.name, tap.recording) == ("replay", True)
    assert "not bpftrace (right to trace: not root, which bpftrace insists on)" in tap.message
    assert tap.message.endswith("To tap this machine: run memtap as root: sudo memtap run")
    assert "\n" not in tap.message


def test_a_forced_tap_that_cannot_work_is_an_error_of_one_line(machine):
    machine(loads_modules=False, lockdown="confidentiality")
    with pytest.raises(TapError, match=r"^tap stap cannot work here: loadable modules: .*CONFIG_MODULES.*$"):
        choice.choose("stap")
    with pytest.raises(TapError, match=r"^tap bpftrace cannot work here: lockdown: .*lockdown=integrity$"):
        choice.choose("bpftrace")


@pytest.mark.parametrize("spec", ["", "strace", "stap:x", "auto:x", "file:", "-:x"])
def test_an_unknown_tap_is_wrong_usage(spec):
    with pytest.raises(
        UsageError,
        match="use auto, stap, bpftrace, stap:original, bpftrace:original, replay, replay:PATH, file:PATH or -",
    ):
        choice.choose(spec)


def test_a_file_that_cannot_be_read_is_said_before_anything_starts(tmp_path):
    with pytest.raises(TapError, match="no such file"):
        choice.choose(f"file:{tmp_path}/none.log")
    with pytest.raises(TapError, match="is a directory"):
        choice.choose(f"replay:{tmp_path}")
    packed = tmp_path / "trace.log.gz"
    packed.write_bytes(b"\x1f\x8b\x08")
    with pytest.raises(TapError, match="is compressed; use memtap ingest"):
        choice.choose(f"file:{packed}")


def test_a_colon_in_a_path_is_part_of_it(tmp_path):
    path = tmp_path / "a:b.log"
    path.write_text("")
    assert choice.choose(f"file:{path}").path == str(path)
