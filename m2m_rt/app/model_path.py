"""Where the shipped models are: a name under `models`, or a folder."""

from pathlib import Path

from m2m_rt.app.table_path import tables_folder
from m2m_rt.errors import ConfigError

MANIFEST = "manifest.toml"


def model_folder(model: str) -> Path:
    """Return the folder of a model given as a name, `name/version`, or a path.

    A name alone is its newest version.

    Raises
    ------
    ConfigError
        If there is no such model.
    """
    models = tables_folder().parent
    for place in (models / model, Path(model)):
        if (place / MANIFEST).is_file():
            return place
        versions = [path.parent for path in place.glob(f"*/{MANIFEST}")]
        if versions:
            return max(versions, key=_version)
    raise ConfigError("model", repr(model), f"a name in {models} or a folder")


def _version(folder: Path) -> tuple[int, ...]:
    return tuple(int(part) for part in folder.name.split(".") if part.isdigit())
