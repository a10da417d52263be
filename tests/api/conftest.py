"""The API over a store."""

from __future__ import annotations

from web import counting, event, events, fresh, made, serve, site, tallies

__all__ = ["counting", "event", "events", "fresh", "made", "serve", "site", "tallies"]
