"""The page that asks for the token, and the exchange of a token for the session's cookie."""

from __future__ import annotations

from html import escape
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response

from memtap.api.problems import Problem

if TYPE_CHECKING:
    from starlette.requests import Request

    from memtap.api.access import Access

STATIC = Path(__file__).parent / "static"
PUBLIC_PATHS = frozenset(("/login", "/login.css"))

_FORM_BYTES = 4096  # of a login form's body: a token and nothing else

_WORDS = {
    "en": {
        "lang": "en",
        "title": "memtap: log in",
        "what": "Every process's memory calls on this machine, as they happen.",
        "label": "Token",
        "where": "memtap printed it when it started, at the end of its address:",
        "button": "Open the dashboard",
        "wrong": "That is not the token of this memtap. Each start makes a new one, unless MEMTAP_TOKEN sets it.",
    },
    "es": {
        "lang": "es",
        "title": "memtap: entrar",
        "what": "Las llamadas de memoria de cada proceso de esta máquina, según ocurren.",
        "label": "Token",
        "where": "memtap lo mostró al arrancar, al final de su dirección:",
        "button": "Abrir el panel",
        "wrong": "Ese no es el token de este memtap. Cada arranque crea uno nuevo, salvo que MEMTAP_TOKEN lo fije.",
    },
}


def language(accept: str) -> str:
    """The page's language that an Accept-Language header puts first: en unless es comes before it."""
    for choice in accept.lower().split(","):
        code = choice.split(";")[0].strip()[:2]
        if code in _WORDS:
            return code
    return "en"


class LoginPage:
    """Needs no script: a form, and an answer with a cookie."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._template = Template((STATIC / "login.html").read_text("utf-8"))

    def page(self, request: Request, *, wrong: bool = False) -> Response:
        words = _WORDS[language(request.headers.get("accept-language", ""))]
        shown = {key: escape(text) for key, text in words.items()}
        shown["wrong_hidden"] = "" if wrong else "hidden"
        # 'no-referrer' would make browsers send this form with 'Origin: null'.
        return HTMLResponse(
            self._template.substitute(shown),
            401,
            {
                "WWW-Authenticate": 'Bearer realm="memtap"',
                "Referrer-Policy": "same-origin",
                "Vary": "Accept-Language, Cookie",
            },
        )

    async def exchange(self, request: Request) -> Response:
        """The token in the query or the form becomes a cookie, and the address loses it."""
        token = await _form_token(request) if request.method == "POST" else request.query_params.get("token")
        if token is not None and self._access.accepts_token(token):
            return self._welcome()
        if self._access.accepts(request.headers):
            return RedirectResponse("/", 303)
        return self.page(request, wrong=token is not None)

    def _welcome(self) -> Response:
        response = RedirectResponse("/", 303)
        response.set_cookie(self._access.cookie_name, self._access.session, path="/", httponly=True, samesite="strict")
        return response

    async def stylesheet(self, _request: Request) -> Response:
        return FileResponse(STATIC / "login.css", headers={"Cache-Control": "no-cache"})


async def _form_token(request: Request) -> str | None:
    """The form's token; None where it holds none. Raises Problem for what no login form sends."""
    if request.headers.get("content-type", "").split(";")[0].strip() != "application/x-www-form-urlencoded":
        raise Problem(415, "the login form is sent as application/x-www-form-urlencoded")
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _FORM_BYTES:
            raise Problem(413, "the login form is too long", allowed=f"{_FORM_BYTES} bytes")
    try:
        fields = parse_qs(body.decode("ascii"), max_num_fields=4)
    except ValueError:
        raise Problem(400, "the login form cannot be read") from None
    return fields.get("token", [None])[0]
