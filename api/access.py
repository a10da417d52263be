"""Who may ask: the token, the cookie it is exchanged for, and codes that work once."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import TYPE_CHECKING

from starlette.requests import cookie_parser

if TYPE_CHECKING:
    from starlette.datastructures import Headers

    from memtap.api.settings import Settings


class Access:
    """Compares in constant time, and keeps no state but the codes not used yet."""

    def __init__(self, settings: Settings) -> None:
        self._token = settings.token.encode()
        # Browsers send a cookie to every port of a host: two memtaps must not overwrite each other's, and
        # another local server that sees this one must not get the token from it, however short: scrypt.
        self.cookie_name = f"memtap-{settings.port}"
        salt = f"memtap session {settings.port}".encode()
        self.session = hashlib.scrypt(self._token, salt=salt, n=2**14, r=8, p=1, dklen=32).hex()
        self._codes: set[bytes] = set()

    def issue_code(self) -> str:
        """A stand-in for the token that works once: safe on a browser's command line."""
        code = secrets.token_urlsafe(32)
        self._codes.add(code.encode())
        return code

    def accepts_token(self, given: str) -> bool:
        """Whether this is the token, or a code; a code is used up by asking."""
        candidate = given.encode("utf-8", "surrogatepass")
        if hmac.compare_digest(candidate, self._token):
            return True
        for code in tuple(self._codes):
            if hmac.compare_digest(candidate, code):
                self._codes.discard(code)
                return True
        return False

    def accepts(self, headers: Headers) -> bool:
        """Whether a request's headers carry the token or the session's cookie."""
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), self._token):
            return True
        session = cookie_parser(headers.get("cookie", "")).get(self.cookie_name, "")
        return hmac.compare_digest(session.encode("utf-8", "surrogatepass"), self.session.encode())
