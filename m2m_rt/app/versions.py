"""What a session was made with: versions of what computes, and a hash of our code."""

import hashlib
import importlib.metadata
import platform
from pathlib import Path

import pylsl

from m2m_rt.app.threads import numeric_settings

COMPUTING = ("numpy", "scipy", "numba", "llvmlite", "onnxruntime", "msgspec", "pylsl")
"""Packages that recorded answers depend on, or that brought the data."""


def versions() -> dict[str, str]:
    """Return the versions of Python, the machine, liblsl and the computing packages.

    The settings of numpy's libraries belong to it: the last bits of sums depend on
    them.
    """
    packages = {name: importlib.metadata.version(name) for name in COMPUTING}
    return {
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "liblsl": str(pylsl.library_version()),
        **packages,
        **numeric_settings(),
    }


def code_hash() -> str:
    """Return the sha256 over names and contents of m2m_rt's Python files."""
    package = Path(__file__).parents[1]
    total = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        total.update(path.relative_to(package).as_posix().encode() + b"\0")
        total.update(path.read_bytes())
    return total.hexdigest()
