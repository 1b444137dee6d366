"""Reads users' coil files, `.ccd` and `.tcd`, without ever running what they hold."""

from pathlib import Path

from m2m_rt.adapters.ccd_file import read_ccd
from m2m_rt.adapters.coil_parts import CoilFile, SampledPotential
from m2m_rt.adapters.tcd_file import read_tcd
from m2m_rt.errors import ConfigError

__all__ = ["CoilFile", "SampledPotential", "read_coil"]

_READERS = {".ccd": read_ccd, ".tcd": read_tcd}


def read_coil(path: Path) -> CoilFile:
    """Return the coil of a `.ccd` or `.tcd` file.

    Raises
    ------
    ConfigError
        If there is no such file, or its name ends otherwise.
    DataError
        If it is damaged or holds what is not supported; naming line or field.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise ConfigError(str(path), f"a file {path.suffix!r}", ".ccd or .tcd")
    if not path.is_file():
        raise ConfigError(str(path), "no file", "a coil file")
    return reader(path)
