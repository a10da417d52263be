"""The HTTP API and the dashboard's server side, installed as `memtap.api`.

A request passes headers.py, gate.py and authentication.py; parameters.py reads its query; one of
processes.py, calls.py, totals.py, history.py and losses.py makes the document from a moment.py;
snapshots.py keeps it until the store's version changes. pulse.py and live.py are the clock.
"""

from __future__ import annotations

from memtap.api.app import create_app, one_time_code
from memtap.api.settings import Settings, is_loopback, token_from

__all__ = ["Settings", "create_app", "is_loopback", "one_time_code", "token_from"]
