"""Coils."""
