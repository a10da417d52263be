"""What memtap raises. Only `memtap.cli.main` prints them and chooses the exit status."""


class MemtapError(Exception):
    """Something failed. The message says what, the value, where, and what to do, in one line."""


class UsageError(MemtapError):
    """The caller asked for something that makes no sense: exit status 2."""


class TapError(MemtapError):
    """A tap cannot start or has died."""


class StoreError(MemtapError):
    """The store refuses, and will refuse again."""


class OlderSchema(StoreError):
    """The store has the schema of an older memtap, or none yet: `memtap init` brings it up to date."""


class StoreAway(StoreError):
    """The store cannot be reached or is full now; the same batch may be tried again."""
