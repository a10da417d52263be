"""The dashboard's files, and nothing else that lies beside them."""

from __future__ import annotations

import gzip
import hashlib
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import Response

from memtap.api.snapshots import GZIP_FROM, matches, takes_gzip

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

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
COMPRESSED = (".png", ".woff2")  # as they are


class File:
    """One file, read again only when it has changed: a page is some sixty of them, asked for each time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._media_type = MEDIA_TYPES[path.suffix]
        self._stamp: tuple[int, int] | None = None  # time of its last change, size
        self._body = b""
        self._gzipped: bytes | None = None
        self._etag = ""

    def response(self, headers: Headers) -> Response:
        """Raises FileNotFoundError where it is gone."""
        self._read()
        told = {"ETag": self._etag, "Vary": "Accept-Encoding"}
        told["Cache-Control"] = "private, no-cache"  # asked for each time: an upgrade shows at once
        if matches(headers.get("if-none-match", ""), self._etag):
            return Response(status_code=304, headers=told)
        body = self._body
        if self._gzipped is not None and takes_gzip(headers.get("accept-encoding", "")):
            body = self._gzipped
            told["Content-Encoding"] = "gzip"
        return Response(body, headers={**told, "Content-Type": self._media_type})

    def _read(self) -> None:
        state = self._path.stat()
        stamp = state.st_mtime_ns, state.st_size
        if stamp == self._stamp:
            return
        self._body = self._path.read_bytes()
        small = len(self._body) < GZIP_FROM or self._path.suffix in COMPRESSED
        self._gzipped = None if small else gzip.compress(self._body, mtime=0)
        self._etag = f'W/"{hashlib.blake2b(self._body, digest_size=12).hexdigest()}"'
        self._stamp = stamp


class Frontend:
    """Knows every address that it answers: no other spelling leads to a file, and none out of the folder."""

    def __init__(self) -> None:
        folder = Path(str(files("memtap.frontend")))
        self._files: dict[str, File] = {}
        for path in folder.rglob("*"):
            parts = path.relative_to(folder).parts
            if path.suffix in MEDIA_TYPES and not any(part.startswith((".", "_")) for part in parts):
                self._files["/" + "/".join(parts)] = File(path)
        self._files["/"] = self._files["/index.html"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        file = self._files.get(scope["path"])
        if file is None:
            raise HTTPException(404)
        try:
            response = file.response(Headers(scope=scope))
        except FileNotFoundError:
            raise HTTPException(404) from None
        await response(scope, receive, send)
