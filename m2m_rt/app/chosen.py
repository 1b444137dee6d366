"""Names that a user picks from a list, with commas."""

from m2m_rt.errors import ConfigError


def chosen(option: str, given: str | None, known: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names picked, all that are known where none is given.

    Raises
    ------
    ConfigError
        If a name is not known, or is given twice.
    """
    if given is None:
        return known
    names = tuple(name.strip() for name in given.split(","))
    unknown = [name for name in names if name not in known]
    if unknown or len(set(names)) < len(names):
        raise ConfigError(option, repr(given), f"some of {', '.join(known)}, once each")
    return names
