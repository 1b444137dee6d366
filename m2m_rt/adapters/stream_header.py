"""What a stream says about itself, and the checks on it that every reader shares."""

from dataclasses import dataclass, field

from m2m_rt.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamHeader:
    """A stream's own description; equal when a reader may treat two as the same."""

    name: str
    type: str
    source_id: str
    fs_hz: float
    """Nominal rate; 0 for an irregular stream."""

    is_text: bool
    n_channels: int
    labels: tuple[str, ...] = ()
    """One a channel, empty where the sender gave none."""

    units: tuple[str, ...] = ()
    """One a channel, empty where the sender gave none."""

    frame: str = ""
    """`<desc><frame>`: a pose stream's coordinates."""

    unit: str = ""
    """`<desc><unit>`: a pose stream's length unit."""

    convention: str = ""
    """`<desc><convention>`: a pose stream's coil axes."""

    hostname: str = field(default="", compare=False)
    uid: str = field(default="", compare=False)
    """Differs for each start of the sender."""

    def __str__(self) -> str:
        """Return what tells it from other streams."""
        rate = f"{self.fs_hz:g} Hz" if self.fs_hz else "irregular"
        return (
            f"{self.name} (type {self.type!r}, source_id {self.source_id!r}, "
            f"on {self.hostname}, {self.n_channels} channels, {rate})"
        )


def require_rate(header: StreamHeader, where: str, fs_hz: float) -> None:
    """Raise ConfigError unless the stream has the expected rate."""
    if abs(header.fs_hz - fs_hz) > 1e-6 * fs_hz:
        raise ConfigError(
            f"{where}.fs_hz",
            f"{header.fs_hz:g} Hz in stream {header.name}",
            f"{fs_hz:g}",
        )


def require_channels(
    header: StreamHeader, where: str, allowed: tuple[int, ...]
) -> None:
    """Raise ConfigError unless the stream has one of the channel counts, of numbers."""
    expected = " or ".join(str(count) for count in allowed) + " numeric channels"
    if header.is_text:
        raise ConfigError(where, f"text in stream {header.name}", expected)
    if header.n_channels not in allowed:
        found = f"{header.n_channels} channels in stream {header.name}"
        raise ConfigError(where, found, expected)


def channels_of(
    header: StreamHeader, where: str, wanted: tuple[str, ...]
) -> tuple[int, ...]:
    """Return the index of each wanted label.

    Raises
    ------
    ConfigError
        If a label is missing or there twice, or not each channel is described.
    """
    if header.labels and len(header.labels) != header.n_channels:
        found = f"{len(header.labels)} described"
        raise ConfigError(
            f"{where}: channels of {header.name}", found, f"all {header.n_channels}"
        )
    missing = [label for label in wanted if header.labels.count(label) != 1]
    if missing:
        counts = [f"{label} {header.labels.count(label)} times" for label in missing]
        found = f"{', '.join(counts)} among {' '.join(header.labels) or 'no labels'}"
        raise ConfigError(f"{where}: channels of {header.name}", found, "each once")
    return tuple(header.labels.index(label) for label in wanted)


def difference(first: StreamHeader, now: StreamHeader) -> str:
    """Return the fields in which two headers differ, old and new; empty if none.

    >>> a = StreamHeader(name="a", type="EMG", source_id="", fs_hz=1000.0,
    ...                  is_text=False, n_channels=1)
    >>> from dataclasses import replace
    >>> difference(a, replace(a, fs_hz=2000.0))
    'fs_hz was 1000.0, is 2000.0'
    """
    names = [
        name
        for name, spec in StreamHeader.__dataclass_fields__.items()
        if spec.compare and getattr(first, name) != getattr(now, name)
    ]
    return "; ".join(
        f"{name} was {getattr(first, name)}, is {getattr(now, name)}" for name in names
    )
