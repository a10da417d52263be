"""Recordings of real machines, in format 1."""
