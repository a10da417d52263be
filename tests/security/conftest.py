"""What an attacker meets."""

from __future__ import annotations

from web import counting, event, events, fresh, made, serve, site, tallies

__all__ = ["counting", "event", "events", "fresh", "made", "serve", "site", "tallies"]
