"""Where the configuration files that come with the project are."""

from pathlib import Path

from m2m_rt.errors import ConfigError


def config_path(name: str) -> Path:
    """Return a file of `configs`, in the working directory or in the repository.

    Raises
    ------
    ConfigError
        If it is in neither.
    """
    for root in (Path.cwd(), Path(__file__).parents[2]):
        if (root / "configs" / name).is_file():
            return root / "configs" / name
    raise ConfigError(name, "no such file", "a file in configs")
