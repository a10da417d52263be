"""Batches on disk while the store does not take them: records in files, each one readable by itself."""

from memtap.spool.delivery import Delivery
from memtap.spool.record import End, Ended, Entry
from memtap.spool.segment import Damage
from memtap.spool.spool import Spool

__all__ = ["Damage", "Delivery", "End", "Ended", "Entry", "Spool"]
