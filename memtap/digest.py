"""BLAKE2b as `hashlib` has it, without OpenSSL: `hashlib` loads that first, which takes longer than the native core."""

try:
    from _blake2 import blake2b  # hashlib.blake2b is this one
except ImportError:  # a Python that was built without it
    from hashlib import blake2b

__all__ = ["blake2b"]
