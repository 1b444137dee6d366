"""Torch networks, their training and export; never in a real-time process."""
