"""How the EMG is read: trigger, filter, gaps, windows, MEP and quality rules."""

import math
from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

Positive = Annotated[float, Meta(gt=0)]

_HAND_MS = (15.0, 55.0)
_FOREARM_MS = (11.0, 50.0)
_UPPER_ARM_MS = (8.0, 45.0)
_WINDOW_OF_MUSCLE_MS = {
    "FDI": _HAND_MS,
    "APB": _HAND_MS,
    "ADM": _HAND_MS,
    "EDC": _FOREARM_MS,
    "EIP": _FOREARM_MS,
    "FDS": _FOREARM_MS,
    "ECR": _FOREARM_MS,
    "ECU": _FOREARM_MS,
    "FCR": _FOREARM_MS,
    "FCU": _FOREARM_MS,
    "BRD": _FOREARM_MS,
    "BIC": _UPPER_ARM_MS,
    "TRI": _UPPER_ARM_MS,
    "DEL": _UPPER_ARM_MS,
    "PT": _FOREARM_MS,
}


class FilterKind(StrEnum):
    """What is done to the samples before an MEP is measured."""

    NONE = "none"
    """Nothing: the rows pass bit for bit."""

    CAUSAL = "causal"
    """Artefact held, then high-pass and low-pass with carried state."""


class OnsetDefinition(StrEnum):
    """What is meant by the onset of an MEP; there is no agreed one."""

    NOISE_THRESHOLD = "noise_threshold"
    """Where the first wave leaves the noise band of the background."""

    SLOPE_TANGENT = "slope_tangent"
    """Where the tangent of the first wave's steepest flank meets the baseline."""


class MuscleSettings(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True
):
    """One muscle and where its MEP is looked for."""

    name: str
    """Short name in capitals, as in the stream's channel labels."""

    window_start_ms: Positive
    """From the trigger edge. Before it lies the stimulus artefact."""

    window_end_ms: Positive
    """From the trigger edge; must be later than the start."""

    def __post_init__(self) -> None:
        """Refuse an empty window."""
        if not self.window_start_ms < self.window_end_ms < math.inf:
            raise ValueError("window_start_ms must be before a finite window_end_ms")


class TriggerSettings(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True
):
    """How a pulse is seen in the trigger channel, in that channel's own unit."""

    level: float | None = None
    """Edge at the first row at or above it. None: at half the height of each edge."""

    least_height: Positive = 0.5
    """A smaller rise is no edge (adaptive), and hysteresis is half of it."""

    rise_ms: Positive = 1.0
    """An edge reaches its full height within this; only used when adaptive."""

    refractory_ms: Positive = 2.0
    """No second edge sooner than this after one."""


class FilterSettings(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True
):
    """The filter of the live path. It changes amplitudes, so it is recorded."""

    kind: FilterKind = FilterKind.CAUSAL
    highpass_hz: Positive = 10.0
    lowpass_hz: Positive = 1000.0

    order: Annotated[int, Meta(ge=1, le=8)] = 2
    """Butterworth order of each of the two."""

    hold_start_ms: Annotated[float, Meta(le=0)] = -1.0
    """From the edge: the sample before it is held, so no artefact enters the filter."""

    hold_end_ms: Positive = 5.0
    """From the edge: the first row that is let through again."""

    def __post_init__(self) -> None:
        """Refuse a band that lets nothing through."""
        if self.highpass_hz >= self.lowpass_hz:
            raise ValueError("highpass_hz must be below lowpass_hz")


class GapSettings(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True
):
    """When the stamps of a stream say that rows are missing."""

    tolerance_ms: Positive = 10.0
    """A row later than expected by more is a gap; earlier by more, a clock step.

    Wider than the jitter of senders that stamp a chunk when they push it. Rows lost a
    few at a time are told when together they are more.
    """

    max_drift_ppm: Positive = 200.0
    """How fast a sound sender's clock and sampling rate may drift against the nominal
    rate; twice the 100 ppm of a plain quartz. Rows lost more rarely than this, by
    default 1 of 5000, cannot be told from drift."""


class MepSettings(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True
):
    """How a motor evoked potential is found and when it may be learnt from."""

    background_start_ms: Annotated[float, Meta(lt=0)] = -105.0
    background_end_ms: Annotated[float, Meta(le=0)] = -5.0

    line_hz: Positive = 50.0
    """Mains frequency; the background is split into hum and the rest."""

    onset: OnsetDefinition = OnsetDefinition.NOISE_THRESHOLD

    onset_noise_factor: Positive = 5.0
    """The noise band is this many RMS of the background without hum wide."""

    onset_hold_ms: Positive = 1.0
    """The wave stays out of the noise band for at least this long."""

    least_noise_uv: Positive = 0.5
    """A background quieter than this (held, simulated, quantised) counts as this."""

    present_uv: Positive = 50.0
    """Least peak to peak, without hum, that counts as an MEP (the usual rule)."""

    present_noise_factor: Positive = 10.0
    """And at least this many RMS of the background; noise spans 6 to 8 in 50 ms."""

    preactivation_limit_uv: Positive = 10.0
    """RMS of the background without hum; above it the muscle was not at rest."""

    hum_limit_uv: Positive = 10.0
    """RMS of the mains hum in the background; above it the amplitude is hum."""

    noise_limit_uv: Positive = 100.0
    """RMS of the background without hum; above it the electrode is bad."""

    clip_level_uv: Positive = 10_000.0
    """A raw sample of this size or more in the window is out of range.

    Beside this, a raw MEP of 1 mV or more that stays at its extreme for 1 ms is cut.
    """

    flat_limit_uv: Positive = 0.01
    """A channel whose raw background spans less is not connected."""

    def __post_init__(self) -> None:
        """Refuse an empty background."""
        if self.background_start_ms >= self.background_end_ms:
            raise ValueError("background_start_ms must be before background_end_ms")


def default_muscles() -> tuple[MuscleSettings, ...]:
    """Return the 15 muscles in the project's order, with their windows."""
    return tuple(
        MuscleSettings(name=name, window_start_ms=start_ms, window_end_ms=end_ms)
        for name, (start_ms, end_ms) in _WINDOW_OF_MUSCLE_MS.items()
    )


class EmgSettings(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True
):
    """All that the reading of the EMG depends on."""

    muscles: tuple[MuscleSettings, ...] = msgspec.field(default_factory=default_muscles)
    trigger: TriggerSettings = TriggerSettings()
    filter: FilterSettings = FilterSettings()
    gaps: GapSettings = GapSettings()
    mep: MepSettings = MepSettings()

    def __post_init__(self) -> None:
        """Refuse no muscle, and one muscle twice."""
        if not self.muscles:
            raise ValueError("muscles must not be empty")
        names = [muscle.name for muscle in self.muscles]
        if len(set(names)) != len(names):
            raise ValueError(f"muscles must differ, found {names}")
