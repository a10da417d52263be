"""All checks of this machine together, and what they come to."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from memtap.checks import bpftrace, installation, recording, store, systemtap
from memtap.checks import kernel as kernel_facts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from memtap.checks.check import Check


@dataclass(frozen=True, slots=True)
class Group:
    """Checks that serve one purpose."""

    name: str
    purpose: str
    checks: tuple[Check, ...]

    @property
    def works(self) -> bool:
        return all(check.state != "bad" for check in self.checks)


@dataclass(frozen=True, slots=True)
class Report:
    """What this machine can do for memtap."""

    host: str
    system: str  # distribution, kernel and architecture, for people
    tap: str  # what `memtap run --tap auto` would use; "" nothing
    groups: tuple[Group, ...]

    @property
    def works(self) -> bool:
        """Whether memtap can run here at all, be it with the recording."""
        needed = {"memtap", "store"}
        return bool(self.tap) and all(group.works for group in self.groups if group.name in needed)

    def as_json(self) -> dict[str, Any]:
        groups = [
            {
                "name": group.name,
                "works": group.works,
                "checks": [
                    {"name": check.name, "state": check.state, "found": check.found, "fix": check.fix}
                    for check in group.checks
                ],
            }
            for group in self.groups
        ]
        return {
            "works": self.works,
            "tap": self.tap,
            "host": self.host,
            "system": self.system,
            "groups": groups,
        }


def examine(store_url: str) -> Report:
    """Run every check, trials included. Takes seconds; a minute where SystemTap's script is compiled."""
    facts = kernel_facts.read()
    groups = (
        _group("memtap", "this installation", installation.checks()),
        _group("stap", "tapping with SystemTap", systemtap.checks(facts, fresh=True)),
        _group("bpftrace", "tapping with bpftrace", bpftrace.checks(facts)),
        _group("replay", "showing a recording where nothing can be tapped", [recording.check()]),
        _group("store", "keeping what is seen", store.checks(store_url)),
    )
    taps = [group.name for group in groups if group.name in ("stap", "bpftrace", "replay") and group.works]
    return Report(platform.node(), _system(facts.release), taps[0] if taps else "", groups)


def _group(name: str, purpose: str, checks: Iterable[Check]) -> Group:
    return Group(name, purpose, tuple(checks))


def _system(release: str) -> str:
    try:
        distribution = platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        distribution = "unknown distribution"
    return f"{distribution}, Linux {release}, {platform.machine()}"
