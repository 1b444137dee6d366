"""A hash of the source that numbers follow from."""

import hashlib
from importlib.resources import files

OF_NUMBERS = ("m2m_rt.fem", "m2m_rt.efield", "m2m_rt.geometry")
"""Packages whose source decides what a build computes."""


def code_sha256(packages: tuple[str, ...] = ("m2m_rt.fem",)) -> str:
    """Return the hash of packages' source files."""
    digest = hashlib.sha256()
    for package in packages:
        sources = [f for f in files(package).iterdir() if f.name.endswith(".py")]
        for source in sorted(sources, key=lambda f: f.name):
            digest.update(source.name.encode())
            digest.update(source.read_bytes())
    return digest.hexdigest()
