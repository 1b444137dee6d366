"""Factories that tests of several parts share."""
