"""What one server of the API is told: where it listens, who may ask, what it shows."""

from __future__ import annotations

import ipaddress
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote

from memtap.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

WEAK_TOKEN = 16  # characters; a shorter MEMTAP_TOKEN can be guessed over a network


def new_token() -> str:
    """A token nobody can guess: 256 random bits as URL-safe text."""
    return secrets.token_urlsafe(32)


def token_from(environ: Mapping[str, str]) -> str:
    """The token of MEMTAP_TOKEN, else a new one. Raises UsageError for one no header could carry."""
    token = environ.get("MEMTAP_TOKEN", "")
    if not token:
        return new_token()
    if not (token.isascii() and token.isprintable() and " " not in token):
        raise UsageError("MEMTAP_TOKEN: holds spaces or characters beyond printable ASCII; choose another")
    return token


def is_loopback(address: str) -> bool:
    """Whether only this machine can connect to a socket that listens on this address."""
    if address == "localhost":
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class Settings:
    """Of one server. Times in seconds."""

    store_url: str  # without any password: shown on the page
    listen: str = "127.0.0.1"  # the address the socket is bound to
    port: int = 7411
    token: str = field(default_factory=new_token, repr=False)
    allowed_hosts: tuple[str, ...] = ()  # Host names beside localhost and `listen`, such as a proxy's
    tick_s: float = 1.0  # between two snapshots on /api/v1/live
    heartbeat_s: float = 15.0  # silence on /api/v1/live after which a comment is sent
    slow_client_s: float = 10.0  # a live client that takes nothing for so long is dropped
    live_clients: int = 2000  # at once
    stale_s: float = 0.0  # for how long an answer may be given while a newer one is being made

    @property
    def listens_everywhere(self) -> bool:
        try:
            return ipaddress.ip_address(self.listen).is_unspecified
        except ValueError:
            return False

    @property
    def address(self) -> str:
        """The page's address on this machine, without the token."""
        host = "127.0.0.1" if self.listens_everywhere else self.listen
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}/"

    def login_address(self, token: str | None = None) -> str:
        """The page's address with the token (or a one-time code) in it: for the terminal, not for logs."""
        return f"{self.address}?token={quote(token or self.token, safe='')}"
