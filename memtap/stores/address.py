"""A store's URL, taken apart: which store, where, and what may be shown of it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from memtap.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

FORMS = "duckdb:///PATH, mysql://USER@HOST:PORT/DATABASE or null://"
DATABASE = "proyecto1"
TLS_MODES = ("DISABLED", "PREFERRED", "REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_SSL = ("ssl_mode", "ssl_ca", "ssl_cert", "ssl_key")
_FILE_OPTIONS = ("unix_socket", "option_file", "tls_ca", "tls_cert", "tls_key")


class DuckDBAddress(NamedTuple):
    """A database file of DuckDB's."""

    url: str
    path: Path


class MySQLAddress(NamedTuple):
    """A database on a MySQL or MariaDB server. What is empty comes from the option file or the client library."""

    url: str  # without any password
    user: str
    password: str | None
    host: str
    port: int  # 0: the client library's own
    database: str
    unix_socket: str
    option_file: str
    tls_mode: str  # one of TLS_MODES
    tls: dict[str, str]  # ca, cert, key: paths

    def __repr__(self) -> str:
        return f"MySQLAddress({self.url!r})"

    @property
    def is_local(self) -> bool:
        """Whether the server is on this machine for certain."""
        return bool(self.unix_socket) or self.host in _LOOPBACK


class NullAddress(NamedTuple):
    """Nowhere: everything is counted and forgotten."""

    url: str = "null://"


Address = DuckDBAddress | MySQLAddress | NullAddress


def default_url() -> str:
    """`duckdb:///` and the path of the user's own store: through sudo that of who called it, and of a memtap that
    the machine starts as root the machine's."""
    from memtap import privileges

    folder = privileges.own_folder("XDG_DATA_HOME", ".local/share")
    return f"duckdb://{_quoted(folder / 'memtap.duckdb')}"


def store_url(argument: str | None) -> str:
    """The URL a command's `--store` means: the argument, else `MEMTAP_STORE`, else the user's own DuckDB file.

    Show `Store.url`, never this: from the environment or a file it may hold a password. Raises UsageError for
    a password in the argument itself, where every user of the machine could read it.
    """
    if argument is None or argument == "":
        return os.environ.get("MEMTAP_STORE") or default_url()
    if not argument.startswith("@") and _holds_password(argument):
        raise UsageError(
            "--store holds a password, which every user can read in the process list: "
            "put it in MEMTAP_MYSQL_PASSWORD, in an option file (?option_file=PATH),"
            " or the whole URL in a file (--store @PATH)"
        )
    return argument


def reader_url(argument: str | None) -> str | None:
    """The URL that a command's `--reader-store` means: the argument, else `MEMTAP_READER_STORE`, else None, the store
    that is written. It is the same database through an account that can only read. Raises UsageError for another kind
    of store, which has no accounts, and for a password in the argument."""
    url = store_url(argument) if argument else os.environ.get("MEMTAP_READER_STORE")
    if not url:
        return None
    if not isinstance(parse(url), MySQLAddress):
        raise UsageError(f"--reader-store {without_password(url)!r}: only a mysql:// store has an account to read with")
    return url


def parse(url: str) -> Address:
    """Take a URL apart; `@PATH` stands for the URL in the first line of that file. Raises UsageError."""
    if url.startswith("@"):
        from pathlib import Path

        url = _from_file(Path(url[1:]))
    scheme = url.partition(":")[0]
    if scheme == "duckdb":
        return _duckdb(url)
    if scheme == "mysql":
        return _mysql(url)
    if url == "null://":
        return NullAddress()
    raise UsageError(f"store {without_password(url)!r}: not a store's URL; use {FORMS}")


def without_password(url: str) -> str:
    """The URL as it may be shown. Whatever stands between a `:` and the last `@` of the authority is dropped."""
    scheme, mark, rest = url.partition("://")
    if not mark:
        return url
    end = next((at for at, char in enumerate(rest) if char in "/?#"), len(rest))
    # A password with a raw `/` in it moves the `@` behind what looks like the authority's end.
    at = rest.rfind("@") if ":" in rest[:end] and "@" not in rest[:end] else rest.rfind("@", 0, end)
    if at < 0:
        return url
    return f"{scheme}://{rest[:at].partition(':')[0]}{rest[at:]}"


def _holds_password(url: str) -> bool:
    return without_password(url) != url or "password=" in url or "passwd=" in url


def _from_file(path: Path) -> str:
    try:
        lines = path.read_text().split("\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise UsageError(f"store @{path}: cannot read the URL from this file: {reason}; check the path") from error
    url = lines[0].strip()
    if not url or url.startswith("@"):
        raise UsageError(f"store @{path}: its first line is no store's URL; write one of {FORMS} there")
    return url


def _duckdb(url: str) -> DuckDBAddress:
    from pathlib import Path
    from urllib.parse import unquote

    rest = url.removeprefix("duckdb://")
    if rest == url or not rest.startswith("/") or rest == "/" or "?" in rest or "#" in rest:
        raise UsageError(
            f"store {url!r}: not a DuckDB URL; use duckdb:///ABSOLUTE/PATH or duckdb:///./RELATIVE (%3F for a ?)"
        )
    text = "/" + unquote(rest).lstrip("/")  # a fourth slash, as SQLAlchemy has it, changes nothing
    if "\0" in text:
        raise UsageError(f"store {url!r}: a path cannot hold a NUL byte")
    path = Path(text[1:] if text.startswith(("/./", "/../")) else text).absolute()
    return DuckDBAddress(url=f"duckdb://{_quoted(path)}", path=path)


def _mysql(url: str) -> MySQLAddress:
    from urllib.parse import parse_qsl, unquote, urlsplit

    shown = without_password(url)
    try:
        parts = urlsplit(url)
        port = parts.port or 0
        options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    except ValueError as error:
        raise UsageError(f"store {shown!r}: not a MySQL URL: {without_value(error)}; use {FORMS}") from None
    if not url.startswith("mysql://") or parts.fragment:
        raise UsageError(f"store {shown!r}: not a MySQL URL; use {FORMS}")
    database = unquote(parts.path.removeprefix("/")) or DATABASE
    if "/" in database or "\0" in database or len(database) > 64:
        raise UsageError(f"store {shown!r}: {database!r} is no database name; use mysql://USER@HOST:PORT/DATABASE")
    # As option files and other clients spell them.
    options = {name.replace("ssl_", "tls_") if name in _SSL else name: value for name, value in options.items()}
    mode = options.pop("tls_mode", "").upper()
    unknown = set(options) - set(_FILE_OPTIONS)
    if unknown:
        allowed = ", ".join((*_FILE_OPTIONS, "tls_mode"))
        raise UsageError(f"store {shown.partition('?')[0]!r}: unknown option {min(unknown)!r}; there are {allowed}")
    host = parts.hostname or ""
    socket = options.get("unix_socket", "")
    if mode and mode not in TLS_MODES:
        raise UsageError(f"store {shown!r}: tls_mode {mode!r} is none of {', '.join(TLS_MODES)}")
    return MySQLAddress(
        url=shown,
        user=unquote(parts.username or ""),
        password=_password(parts.password),
        host=host,
        port=port,
        database=database,
        unix_socket=socket,
        option_file=options.get("option_file", ""),
        tls_mode=mode or _tls_mode(host, socket, options.get("option_file", "")),
        tls={name[4:]: options[name] for name in ("tls_ca", "tls_cert", "tls_key") if options.get(name)},
    )


def without_value(error: ValueError) -> str:
    """What urllib found wrong, without the value it quotes: it may be part of a password."""
    text = str(error)
    return "the port is not a number from 0 to 65535" if "port" in text.lower() else "it cannot be taken apart"


def _password(in_url: str | None) -> str | None:
    if in_url is not None:
        from urllib.parse import unquote

        return unquote(in_url)
    # The client library itself falls back to MYSQL_PWD, after the option file.
    return os.environ.get("MEMTAP_MYSQL_PASSWORD")


def _tls_mode(host: str, unix_socket: str, option_file: str) -> str:
    """Whoever can read what passes loopback or a socket is root already; any other way is verified."""
    if unix_socket or host in _LOOPBACK or (not host and not option_file):
        return "PREFERRED"
    return "VERIFY_IDENTITY"


def _quoted(path: Path) -> str:
    return str(path).replace("%", "%25").replace("?", "%3F").replace("#", "%23")
