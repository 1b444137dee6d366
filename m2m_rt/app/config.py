"""Rig and session files: what they may say; these and protocols read and checked."""

import math
import tomllib
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from m2m_rt.adapters.session_folder import SessionFolder
from m2m_rt.adapters.stream_choice import StreamChoice
from m2m_rt.app.protocol_config import ProtocolConfig
from m2m_rt.efield import rated_output_fault
from m2m_rt.emg import (
    EmgReader,
    EmgSettings,
    FilterSettings,
    GapSettings,
    MepSettings,
    MuscleSettings,
    TriggerSettings,
    default_muscles,
)
from m2m_rt.errors import ConfigError
from m2m_rt.geometry import Rows
from m2m_rt.nodes import PoseRegistration, PoseSettings

Positive = Annotated[float, Meta(gt=0)]
Read = TypeVar("Read")


class _Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A part of a file: unknown keys are refused."""


class MuscleRig(_Section, frozen=True):
    """One muscle and the stream's channel that shows it."""

    name: str
    """Short name in capitals; one of the model's muscles."""

    channel: str = ""
    """The channel's label in the stream; empty: the same as the name."""

    window_ms: tuple[Positive, Positive] | None = None
    """After the pulse; absent: the muscle's default window."""

    @property
    def label(self) -> str:
        """The channel's label."""
        return self.channel or self.name


class EmgRig(_Section, frozen=True):
    """The amplifier."""

    stream: StreamChoice
    fs_hz: Positive
    trigger_channel: str = "TRIG"
    muscles: tuple[MuscleRig, ...] = msgspec.field(
        default_factory=lambda: tuple(MuscleRig(name=m.name) for m in default_muscles())
    )
    trigger: TriggerSettings = TriggerSettings()
    filter: FilterSettings = FilterSettings()
    gaps: GapSettings = GapSettings()
    mep: MepSettings = MepSettings()
    stale_ms: Positive = 250.0

    def reading(self) -> EmgSettings:
        """Return how the EMG is read; `read_rig` has tried it."""
        return EmgSettings(
            muscles=tuple(_muscle_settings(muscle) for muscle in self.muscles),
            trigger=self.trigger,
            filter=self.filter,
            gaps=self.gaps,
            mep=self.mep,
        )


class PoseRig(_Section, frozen=True):
    """The navigator."""

    stream: StreamChoice
    registration: PoseRegistration = PoseRegistration()
    limits: PoseSettings = PoseSettings()


class StimulatorRig(_Section, frozen=True):
    """The stimulator and its coil."""

    stream: StreamChoice
    coil: str
    """The coil that the E-field table was made for."""

    didt_at_100_pct_mso_a_per_us: Positive
    """Rated output of this stimulator through this coil."""

    waveform: str
    """`monophasic` or `biphasic`, as the maker calls it: kept with the session."""

    current_direction: str
    """In the cortex, such as `PA`: kept with the session."""

    coil_didt_max_a_per_us: Positive | None = None
    """The coil file's limit, as `m2m coil` shows it; a rated output above it is
    refused."""

    def __post_init__(self) -> None:
        """Refuse a rated output that the coil's file rules out."""
        fault = rated_output_fault(
            didt_at_100_pct_mso_a_per_us=self.didt_at_100_pct_mso_a_per_us,
            coil_didt_max_a_per_us=self.coil_didt_max_a_per_us,
        )
        if fault is not None:
            raise ValueError(f"didt_at_100_pct_mso_a_per_us: {fault}")


class MarkerRig(_Section, frozen=True):
    """The lab's pulse markers."""

    stream: StreamChoice
    wait_ms: Positive = 150.0
    """How long after the edge a marker may come."""


class RigConfig(_Section, frozen=True):
    """A laboratory: which streams, which table, which model."""

    name: str
    table: str
    """A name under `models/tables`, or a path."""

    model: str
    """A name under `models`, or a path."""

    emg: EmgRig
    pose: PoseRig
    stimulator: StimulatorRig
    markers: MarkerRig | None = None


class SessionConfig(_Section, frozen=True):
    """All that a session's daemons were started with: `session.toml`."""

    version: str
    """m2m_rt's."""

    rig: RigConfig
    protocol: ProtocolConfig
    table_path: str
    table_hash: str
    model_hash: str
    """sha256 of the shipped model; its file is in the session's folder."""

    planned_head_from_coil: Rows | None = None
    """The table's planned pose: about where the coil, and so the head, must be."""

    protocol_hash: str = ""
    """sha256 of the protocol as it is resolved here, in JSON."""

    code_hash: str = ""
    """sha256 over m2m_rt's own source files."""

    versions: dict[str, str] = {}
    """Of Python, the machine, and what the answers' last digits may depend on.

    Packages by name, limits of threads by the variable that sets them.
    """

    rng_seed: int = 0


def read_rig(path: Path) -> RigConfig:
    """Return a rig file.

    Raises
    ------
    ConfigError
        If it is missing, is not TOML, or says what a rig cannot be.
    """
    rig = _read(path, RigConfig)
    _refuse_unreadable(rig.emg, path)
    return rig


def read_protocol(path: Path) -> ProtocolConfig:
    """Return a protocol file.

    Raises
    ------
    ConfigError
        As for a rig file.
    """
    return _read(path, ProtocolConfig)


def read_session(folder: SessionFolder) -> SessionConfig:
    """Return what a session was started with.

    Raises
    ------
    ConfigError
        As for a rig file.
    """
    return _convert(folder.settings_path, folder.settings(), SessionConfig)


def as_toml(config: msgspec.Struct) -> dict[str, Any]:
    """Return a file's content; what is absent stays absent."""
    content: dict[str, Any] = _without_none(msgspec.to_builtins(config))
    return content


def _read(path: Path, kind: type[Read]) -> Read:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as err:
        raise ConfigError(str(path), str(err.strerror), "a file") from err
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as err:
        raise ConfigError(str(path), str(err), "TOML") from err
    return _convert(path, content, kind)


def _convert(path: Path, content: object, kind: type[Read]) -> Read:
    try:
        return msgspec.convert(content, type=kind)
    except msgspec.ValidationError as err:
        what, _, where = str(err).partition(" - at ")
        field = where.strip("`").removeprefix("$").lstrip(".")
        expected = f"a {kind.__name__.removesuffix('Config').lower()} file's fields"
        raise ConfigError(f"{path}: {field or 'top level'}", what, expected) from err


def _refuse_unreadable(emg: EmgRig, path: Path) -> None:
    """Try what `acquired` will do, so that nothing is started in vain."""
    try:
        EmgReader(emg.reading(), emg.fs_hz)
    except ConfigError as err:
        where = f"{path}: {err.where}"
        raise ConfigError(where, err.found, err.expected) from err
    except (ValueError, OverflowError) as err:
        raise ConfigError(f"{path}: emg", str(err), "settings that fit") from err


def _muscle_settings(muscle: MuscleRig) -> MuscleSettings:
    if muscle.window_ms is not None:
        start_ms, end_ms = muscle.window_ms
        if not start_ms < end_ms < math.inf:
            raise ConfigError(
                f"emg.muscles: {muscle.name}: window_ms",
                f"[{start_ms:g}, {end_ms:g}]",
                "a start and a later end, ms after the pulse",
            )
        return MuscleSettings(
            name=muscle.name, window_start_ms=start_ms, window_end_ms=end_ms
        )
    known = {one.name: one for one in default_muscles()}
    if muscle.name not in known:
        raise ConfigError(
            f"emg.muscles: {muscle.name}",
            "no window_ms",
            f"window_ms, or one of {' '.join(known)}",
        )
    return known[muscle.name]


def _without_none(value: Any) -> Any:  # noqa: ANN401 - whatever TOML can hold
    if isinstance(value, dict):
        return {key: _without_none(v) for key, v in value.items() if v is not None}
    if isinstance(value, list | tuple):
        return [_without_none(item) for item in value]
    return value
