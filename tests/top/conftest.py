"""A memtap to look at."""

from __future__ import annotations

from web import events, fresh, made, serve, site

__all__ = ["events", "fresh", "made", "serve", "site"]
