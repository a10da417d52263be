"""What to type to install something: each distribution has its own words."""

from __future__ import annotations

from typing import Final

from memtap.checks import program

_COMMANDS: Final = (
    ("apt-get", "apt install"),
    ("dnf", "dnf install"),
    ("zypper", "zypper install"),
    ("pacman", "pacman -S"),
)

_NAMES: Final[dict[str, dict[str, str]]] = {
    "mariadb-headers": {
        "apt-get": "libmariadb-dev pkg-config gcc python3-dev",
        "dnf": "mariadb-connector-c-devel pkgconf gcc python3-devel",
        "zypper": "libmariadb-devel pkg-config gcc python3-devel",
        "pacman": "mariadb-libs pkgconf gcc",
    },
    "kernel-headers": {
        "apt-get": "linux-headers-{release}",
        "dnf": "kernel-devel-{release}",
        "zypper": "kernel-default-devel",
        "pacman": "linux-headers",
    },
}


def install(what: str, *, release: str = "") -> str:
    """The command that installs `what` here, for people; `release` is the kernel's."""
    for manager, command in _COMMANDS:
        if program.find(manager):
            return f"{command} {_NAMES.get(what, {}).get(manager, what).format(release=release)}"
    return f"install {what}"
