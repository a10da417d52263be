"""The API over a store."""

from __future__ import annotations

from web import counting, event, events, fresh, fresh_wide, made, serve, site, tallies, wide_calls, wide_site

__all__ = [
    "counting",
    "event",
    "events",
    "fresh",
    "fresh_wide",
    "made",
    "serve",
    "site",
    "tallies",
    "wide_calls",
    "wide_site",
]
