"""Errors as the API answers them: an object that says what, which parameter, its value, what is allowed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.responses import Response

from memtap.api.encoding import dumps, printable
from memtap.api.headers import SECURITY_HEADERS
from memtap.errors import StoreAway

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

_VALUE_SHOWN = 200  # characters of an offending value that are echoed


class Problem(Exception):
    """A request that cannot be answered, with the status and the words for it."""

    def __init__(
        self,
        status: int,
        what: str,
        *,
        parameter: str | None = None,
        value: str | None = None,
        allowed: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(what)
        self.status = status
        self.what = what
        self.parameter = parameter
        self.value = value
        self.allowed = allowed
        self.headers = dict(headers or {})

    def response(self) -> Response:
        error = {
            "what": self.what,
            "parameter": None if self.parameter is None else printable(self.parameter[:_VALUE_SHOWN]),
            "value": None if self.value is None else printable(self.value[:_VALUE_SHOWN]),
            "allowed": self.allowed,
        }
        return Response(dumps({"error": error}), self.status, self.headers, "application/json")


def unauthorized() -> Problem:
    return Problem(
        401,
        "a token is needed: send it as 'Authorization: Bearer TOKEN', or log in at /login",
        headers={"WWW-Authenticate": 'Bearer realm="memtap"'},
    )


def problem_of(error: Exception) -> Problem:
    """What an expected error means for whoever asked."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, HTTPException):  # of the router and the static files: 404, 405
        return Problem(error.status_code, error.detail.lower(), headers=error.headers)
    if isinstance(error, StoreAway):
        return Problem(503, f"the store is away: {printable(str(error))}", headers={"Retry-After": "1"})
    return Problem(500, f"the store refuses: {printable(str(error))}")


async def problem_answer(_request: Request, error: Exception) -> Response:
    return problem_of(error).response()


async def failure_answer(_request: Request, _error: Exception) -> Response:
    """A defect of memtap. Starlette sends this from outside every middleware, then lets the server log it."""
    response = Problem(500, "memtap failed; its log says more").response()
    response.raw_headers.extend(SECURITY_HEADERS)
    return response
