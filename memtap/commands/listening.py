"""Where the page listens: the options that `run` and `serve` share, and the page they open with them."""

from __future__ import annotations

import argparse
import os
import sys
import threading
import webbrowser
from dataclasses import dataclass
from typing import TYPE_CHECKING

from memtap.errors import UsageError

# The web server takes its time to load: commands that only share this parser do without.
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from memtap.api import Settings
    from memtap.server import Server
    from memtap.status import Status
    from memtap.stores.contract import Reader

PORT = 7411
STALE_S = 5.0  # an answer is given for so long while its successor is made, a tenth of a second where nothing is amiss


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--listen", metavar="ADDRESS", default="127.0.0.1", help="address to listen on (default: %(default)s)"
    )
    parser.add_argument(
        "--port",
        type=_port,
        default=PORT,
        help="port to listen on, 0 for any free one (default: %(default)s)",
    )
    parser.add_argument(
        "--insecure-listen",
        action="store_true",
        help="let --listen name an address that other machines reach, without TLS",
    )
    parser.add_argument(
        "--allow-host",
        metavar="NAME",
        action="append",
        default=[],
        help="answer requests for this host name too, such as a proxy's; may be repeated",
    )
    parser.add_argument(
        "--reader-store",
        metavar="URL",
        help="a mysql:// store again, by an account that can only read: the page and its API use it "
        "(default: MEMTAP_READER_STORE, else --store)",
    )
    parser.add_argument("--open", action="store_true", help="open the page in a browser")


def _port(text: str) -> int:
    if text.isascii() and text.isdigit() and int(text) <= 65535:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no port: give a number from 0 to 65535")


def listen(args: argparse.Namespace) -> socket.socket:
    """The socket that `args` ask for, before anything slow is begun.

    Raises UsageError for an address beyond loopback without --insecure-listen, MemtapError for none to be had.
    """
    from memtap.api import is_loopback
    from memtap.server import bind

    if is_loopback(args.listen):
        return bind(args.listen, args.port)
    if not args.insecure_listen:
        port = args.port or PORT
        raise UsageError(
            f"--listen {args.listen}: other machines would reach memtap without TLS and could read the token; "
            f"use 'ssh -L {port}:127.0.0.1:{port} HOST' or a TLS proxy, or add --insecure-listen"
        )
    listener = bind(args.listen, args.port)
    print(
        f"memtap: listening on {args.listen} without TLS: whoever is on the way can read the token",
        file=sys.stderr,
    )
    return listener


@dataclass(frozen=True, slots=True)
class Page:
    """The dashboard and its API, ready to be served."""

    server: Server
    settings: Settings
    code: str  # works once in place of the token

    @property
    def address(self) -> str:
        """With the token in it: for the terminal, not for logs."""
        return self.settings.login_address()

    def open_browser(self) -> None:
        """Show the page in the user's browser, whose command line other users can read: so not with the token."""
        address = self.settings.login_address(self.code)
        threading.Thread(target=webbrowser.open, args=(address,), name="memtap-browser", daemon=True).start()


def make_page(
    args: argparse.Namespace,
    listener: socket.socket,
    reader: Reader,
    status: Callable[[], Status],
    store_url: str,
) -> Page:
    """The page over a store. `store_url` is shown on it: `Store.url`, without any password."""
    from memtap.api import Settings, create_app, is_loopback, one_time_code, token_from
    from memtap.api.settings import WEAK_TOKEN
    from memtap.server import Server

    token = token_from(os.environ)
    if len(token) < WEAK_TOKEN and not is_loopback(args.listen):
        print(f"memtap: MEMTAP_TOKEN has fewer than {WEAK_TOKEN} characters: it can be guessed", file=sys.stderr)
    settings = Settings(
        store_url=store_url,
        listen=args.listen,
        port=listener.getsockname()[1],
        token=token,
        allowed_hosts=tuple(args.allow_host),
        stale_s=STALE_S,
    )
    app = create_app(reader, status, settings)
    return Page(Server(app, listener), settings, one_time_code(app))
