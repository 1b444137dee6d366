"""Errors that a person or the supervisor acts on, each saying where and what."""


class M2mError(Exception):
    """The root of every error that m2m_rt raises on purpose."""


class ConfigError(M2mError):
    """The set-up is wrong: nothing was started."""

    def __init__(self, where: str, found: str, expected: str) -> None:
        """Say where (file and field), what was found and what was expected."""
        super().__init__(f"{where}: found {found}, expected {expected}")
        self.where = where
        self.found = found
        self.expected = expected

    def __reduce__(self) -> tuple[type["ConfigError"], tuple[str, str, str]]:
        """Let it cross to another process, as from a cluster's worker."""
        return type(self), (self.where, self.found, self.expected)


class LinkLost(M2mError):  # noqa: N818 - the design's name for this condition
    """A stream or device went away."""


class DataError(M2mError):
    """A file, frame or array cannot be used; the text says where and why."""


class ModelRefused(M2mError):  # noqa: N818 - the design's name for this condition
    """A model file failed its hash, contract or golden check; it was not loaded."""


class DiskFault(M2mError):  # noqa: N818 - the design's name for this condition
    """The record can no longer be written: the disk is full, gone or too slow."""
