"""What the virtual lab's processes are told: one JSON file, read by both of them."""

import enum
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta

from m2m_rt.adapters.stream_name import StreamName
from m2m_rt.errors import ConfigError
from m2m_rt.model import MUSCLES
from m2m_rt.nodes import PoseRegistration
from m2m_rt.sim.population import DIDT_AT_100_PCT_MSO_A_PER_US

NotNegative = Annotated[float, Meta(ge=0.0)]
Positive = Annotated[float, Meta(gt=0.0)]
Fraction = Annotated[float, Meta(ge=0.0, le=1.0)]
PctMso = Annotated[float, Meta(ge=0.0, le=100.0)]

EMG_STREAM = StreamName("LabEMG", "m2m-lab-emg")
MARKER_STREAM = StreamName("LabMarkers", "m2m-lab-markers")
STIMULATOR_STREAM = StreamName("LabStimulator", "m2m-lab-stimulator")
POSE_STREAM = StreamName("LabCoilPose", "m2m-lab-coil-pose")

LEAST_INTERVAL_S = 2.5
"""Time for the coil to move and rest, and for the intensity to be set, in between."""


class LabStream(enum.IntEnum):
    """What a generator of the lab is for; one stream never takes from another."""

    SCHEDULE = 101
    MOVES = 102
    TRIALS = 103
    CHANNELS = 104
    NOISE = 105
    EVENTS = 106
    PLAN = 107


def lab_rng(seed: int, stream: LabStream, index: int = 0) -> np.random.Generator:
    """Return the generator of one stream of a lab; by pulse or block, `index`."""
    return np.random.default_rng(
        np.random.SeedSequence(seed, spawn_key=(int(stream), index))
    )


class Nastiness(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What makes the streams as hard as real ones; 0 or None turns a thing off."""

    artefact_uv: NotNegative = 6000.0
    """Largest height of the stimulation artefact in a channel at 100 % MSO."""

    hum_uv: NotNegative = 1.2
    """Largest amplitude of the mains hum in a good channel."""

    wander_uv: NotNegative = 20.0
    """Amplitude of the slow movements of the baseline."""

    offset_uv: NotNegative = 100.0
    """Largest constant offset of a channel."""

    preactivation_rate: Fraction = 0.05
    """Part of the pulses before which one to three muscles are not at rest."""

    preactivation_uv: Positive = 30.0
    """Median RMS of such muscles."""

    bad_muscle: str | None = "PT"
    """Its electrode is loose."""

    bad_hum_uv: NotNegative = 300.0
    """Amplitude of the mains hum in that channel."""

    untracked_rate: Fraction = 0.2
    """Part of the moves during which the navigator loses the coil for a while."""

    jitter_mm: NotNegative = 0.3
    """RMS movement of the held coil along the scalp; a third of it towards the head,
    which the coil rests on."""

    jitter_deg: NotNegative = 0.3
    """RMS turn of the held coil about the scalp's normal; half of it as tilt."""


class LabPulse(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where and how strongly one pulse is to be given."""

    head_from_coil: tuple[tuple[float, float, float, float], ...]
    """4×4, SimNIBS convention, mm."""

    intensity_pct_mso: PctMso

    def __post_init__(self) -> None:
        """Refuse anything but a 4×4 matrix."""
        if len(self.head_from_coil) != 4:
            raise ValueError("head_from_coil must have 4 rows of 4")


class LabSettings(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True
):
    """A virtual lab: who is stimulated, how, and what the streams look like."""

    seed: Annotated[int, Meta(ge=0)]
    """Of the virtual subject and all that the lab draws: intervals, jitter, noise."""

    table: str
    """Path of the E-field table that the subject's field is taken from."""

    log_folder: str
    """Where the lab writes what is true; only reports may read it."""

    pulses: tuple[LabPulse, ...]
    """In the order in which they are given."""

    didt_at_100_pct_mso_a_per_us: Positive = DIDT_AT_100_PCT_MSO_A_PER_US
    muscles: tuple[str, ...] = MUSCLES
    fs_hz: Positive = 5000.0
    chunk_rows: Annotated[int, Meta(ge=1)] = 25
    """EMG rows a push: 5 ms."""

    pose_hz: Positive = 50.0
    first_pulse_s: Annotated[float, Meta(ge=LEAST_INTERVAL_S)] = 5.0
    """After the start was given."""

    interval_s: tuple[float, float] = (LEAST_INTERVAL_S, 3.5)
    """Least and largest time between pulses."""

    navigator: PoseRegistration = PoseRegistration()
    """How its poses are to be read; as it stands: head frame, mm, SimNIBS."""

    nastiness: Nastiness = Nastiness()

    def __post_init__(self) -> None:
        """Refuse a schedule that leaves no time between pulses, and empty lists."""
        least_s, largest_s = self.interval_s
        if not LEAST_INTERVAL_S <= least_s <= largest_s:
            raise ValueError(
                f"interval_s must be {LEAST_INTERVAL_S} ≤ least ≤ largest, "
                f"found {least_s}, {largest_s}"
            )
        if not self.pulses:
            raise ValueError("pulses must not be empty")
        if not self.muscles:
            raise ValueError("muscles must not be empty")


def write_lab_settings(settings: LabSettings, path: Path) -> None:
    """Write the file that the lab's processes are started with."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(settings)))


def read_lab_settings(path: Path) -> LabSettings:
    """Read and check the file.

    Raises
    ------
    ConfigError
        If it is missing or not what is expected.
    """
    if not path.is_file():
        raise ConfigError(str(path), "no file", "the virtual lab's settings")
    try:
        return msgspec.json.decode(path.read_bytes(), type=LabSettings)
    except msgspec.ValidationError as err:
        raise ConfigError(str(path), str(err), "the virtual lab's settings") from err
    except msgspec.DecodeError as err:
        raise ConfigError(str(path), str(err), "JSON") from err
