"""BLAKE2b, without OpenSSL: `hashlib` loads that first, which takes longer than memtap's own core."""

try:
    from _blake2 import blake2b
except ImportError:  # where a Python keeps it is its own business
    from hashlib import blake2b

__all__ = ["blake2b"]
