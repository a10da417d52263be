"""The dashboard's files, and nothing else that lies beside them."""

from __future__ import annotations

from importlib.resources import files
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles

if TYPE_CHECKING:
    import os

    from starlette.responses import Response
    from starlette.types import Scope

# What a browser is told each file is. Only these are served: the folder is a Python package too.
MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".webmanifest": "application/manifest+json",
}


class Frontend(StaticFiles):
    """Starlette's static files keep requests inside the folder; this keeps them to pages' files."""

    def __init__(self) -> None:
        super().__init__(directory=str(files("memtap.frontend")))

    def lookup_path(self, path: str) -> tuple[str, os.stat_result | None]:
        pure = PurePosixPath(path)
        hidden = any(part.startswith((".", "_")) for part in pure.parts)
        if hidden or pure.suffix not in MEDIA_TYPES or "\0" in path:
            return "", None
        return super().lookup_path(path)

    async def get_response(self, path: str, scope: Scope) -> Response:
        if scope["path"] == "/":
            path = "index.html"
        elif scope["path"] != f"/{path}":
            raise HTTPException(404)  # a second spelling of some file's address, with dots or slashes to spare
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "private, no-cache"  # asked for each time: an upgrade shows at once
        if response.status_code == 200:
            response.headers["Content-Type"] = MEDIA_TYPES[PurePosixPath(path).suffix]
        return response
