"""Every request but those for the login page needs the token or its cookie."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.requests import Request

from memtap.api.login import PUBLIC_PATHS, LoginPage
from memtap.api.problems import unauthorized

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from memtap.api.access import Access


class Authentication:
    """Asks for the token, and exchanges one in the address of the page."""

    def __init__(self, app: ASGIApp, access: Access, login: LoginPage) -> None:
        self.app = app
        self.access = access
        self.login = login

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in PUBLIC_PATHS:
            await self.app(scope, receive, send)
            return
        request = Request(scope, receive)
        if scope["path"] == "/" and "token" in request.query_params:
            response = await self.login.exchange(request)
        elif self.access.accepts(Headers(scope=scope)):
            await self.app(scope, receive, send)
            return
        elif scope["path"] == "/":
            response = self.login.page(request)
        else:
            response = unauthorized().response()
        await response(scope, receive, send)
