"""The first thing a request meets: is it addressed to us, in a method we know, from our own page?

A web page anywhere can make a browser send requests to 127.0.0.1, and can point its own domain name
there (DNS rebinding) to read the answers. The Host header tells: it still names the attacker's domain.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

from starlette.datastructures import Headers

from memtap.api.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import ASGIApp, Receive, Scope, Send

    from memtap.api.settings import Settings

_HOST = re.compile(r"(?P<name>\[[0-9a-fA-F:.]{2,45}\]|[A-Za-z0-9._-]{1,255})(?::[0-9]{0,5})?", re.ASCII)


def host_name(header: str) -> str | None:
    """The name in a Host header, in the one spelling that is compared; None where it is no host."""
    match = _HOST.fullmatch(header)
    return None if match is None else normal_name(match["name"])


def normal_name(name: str) -> str:
    """Lower case, without brackets or the root's dot; an IPv6 address in its shortest spelling."""
    name = name.lower().removesuffix(".")
    try:
        return str(ipaddress.ip_address(name.strip("[]")))
    except ValueError:
        return name


class Gate:
    """Refuses what is not ours to answer, before anything reads it."""

    def __init__(self, app: ASGIApp, settings: Settings, post_paths: Iterable[str]) -> None:
        self.app = app
        self.post_paths = frozenset(post_paths)
        self.listens_everywhere = settings.listens_everywhere
        own = () if settings.listens_everywhere else (settings.listen,)
        self.names = {normal_name(name) for name in ("localhost", "127.0.0.1", "::1", *own, *settings.allowed_hosts)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] == "http":
            problem = self.problem(scope)
            if problem is not None:
                await problem.response()(scope, receive, send)
                return
        await self.app(scope, receive, send)

    def problem(self, scope: Scope) -> Problem | None:
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self.is_ours(hosts[0], scope):
            return Problem(
                421,
                "this Host is not served here; memtap's --allow-host NAME allows one more",
                parameter="Host",
                value=", ".join(hosts),
                allowed=", ".join(sorted(self.names)),
            )
        allowed = ("GET", "HEAD", "POST") if scope["path"] in self.post_paths else ("GET", "HEAD")
        if scope["method"] not in allowed:
            return Problem(
                405,
                "method not allowed",
                parameter="method",
                value=scope["method"],
                allowed=", ".join(allowed),
                headers={"Allow": ", ".join(allowed)},
            )
        if scope["method"] == "POST" and not is_same_origin(headers):
            return Problem(403, "this was sent from another site's page")
        return None

    def is_ours(self, header: str, scope: Scope) -> bool:
        name = host_name(header)
        if name is None:
            return False
        if name in self.names:
            return True
        # Listening on every address, the one this connection came in on is ours too. A literal address
        # cannot be rebound by any DNS server.
        server = scope.get("server")
        return self.listens_everywhere and server is not None and name == normal_name(str(server[0]))


def is_same_origin(headers: Headers) -> bool:
    """Whether a request that changes something comes from our own page, or from no browser at all."""
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    host = headers["host"].lower()
    return all(origin.lower() in (f"http://{host}", f"https://{host}") for origin in headers.getlist("origin"))
