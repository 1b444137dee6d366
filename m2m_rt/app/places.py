"""Where results go: made, or refused, before anything is computed."""

from pathlib import Path

from m2m_rt.errors import ConfigError


def make_places(json_out: Path | None, report: Path | None) -> None:
    """Make the folders that results will go into, before hours are spent on them.

    Raises
    ------
    ConfigError
        If there can be no such file or folder.
    """
    for folder in (report, json_out.parent if json_out else None):
        if folder is None:
            continue
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as err:
            raise ConfigError(str(folder), str(err), "a folder to write to") from err
    if json_out is not None and json_out.is_dir():
        raise ConfigError(str(json_out), "a folder", "a file to write")
