"""Stands in for SimNIBS in tests: the calls of the adapter script, on our elements."""

__version__ = "stand-in"
