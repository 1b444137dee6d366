"""A subject's maps as one recording, and the shipped settings of the maps' study."""

from collections.abc import Callable, Mapping, Sequence

import msgspec
import numpy as np

from m2m_rt.adapters.motor_map_file import SubjectMaps
from m2m_rt.learning import (
    LevelScaleSettings,
    MapPulses,
    PoseMapSettings,
    Recording,
    likeliest_settings,
)
from m2m_rt.model import FLOOR_UV
from m2m_rt.units import F64, I64

MapStep = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""

POSITION = "position"
POSITION_MAP = "position_map"
DRIFT = "position_map_drift"

SHIPPED_WEIGHT = 0.5
"""How many subjects the shipped settings count as, beside others' fitted ones."""

FIELD_TERMS = ("field_sd", "field_length_mm", "noise_sd")
"""What one recording tells by itself."""

_OF_A_MAP = ("map_sd", "deviation_sd", "deviation_length_mm")
_OF_DRIFT = ("drift_sd", "drift_pulses")

FREE = {
    POSITION: FIELD_TERMS,
    POSITION_MAP: (*FIELD_TERMS, *_OF_A_MAP),
    DRIFT: (*FIELD_TERMS, *_OF_A_MAP, *_OF_DRIFT),
}
"""What other subjects' recordings may change in the shipped settings."""


class ShippedMapSettings(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True
):
    """All hyper-parameters that are shipped for maps; sources in `PoseMapSettings`.

    Written down before any recording was looked at. They hold where there is no other
    subject to learn from, and count as half a subject where there is.
    """

    position: PoseMapSettings = PoseMapSettings(noise_sd=0.34)
    """Position alone: the noise holds the drift, 0.15, too."""

    position_map: PoseMapSettings = PoseMapSettings(
        noise_sd=0.34, map_sd=0.1, deviation_sd=0.15
    )
    """Maps of one person on one day differ by less than half of what sites do."""

    drift: PoseMapSettings = PoseMapSettings(
        noise_sd=0.3, map_sd=0.1, deviation_sd=0.15, drift_sd=0.15
    )
    """Excitability changes by half of the trial noise, over the twenty pulses of one or
    two minutes."""

    level_scale: LevelScaleSettings = LevelScaleSettings()

    def of(self, model: str) -> PoseMapSettings:
        """Return the settings of one of the three models."""
        by_name = {
            POSITION: self.position,
            POSITION_MAP: self.position_map,
            DRIFT: self.drift,
        }
        return by_name[model]


def recording_of(subject: SubjectMaps) -> Recording:
    """Return all pulses of a subject, GRID, RAND, USER in their row order."""
    sizes = [len(each.mep_p2p_uv) for each in subject.maps]
    mep_uv = np.concatenate([each.mep_p2p_uv for each in subject.maps])
    pulses = MapPulses(
        position_mm=np.concatenate([each.position_mm for each in subject.maps]),
        map_index=np.repeat(np.arange(len(sizes)), sizes),
        pulse_index=np.concatenate([np.arange(size) for size in sizes]).astype(float),
    )
    return Recording(pulses, log10_of(mep_uv))


def log10_of(mep_p2p_uv: F64) -> F64:
    """Return log10 of amplitudes, smaller ones than the floor counting as the floor."""
    return np.asarray(np.log10(np.maximum(mep_p2p_uv, FLOOR_UV)))


def fit_every_model(
    recording: Recording, shipped: ShippedMapSettings
) -> dict[str, PoseMapSettings]:
    """Return each model's settings, fitted to one recording."""
    return {
        model: likeliest_settings([recording], shipped.of(model), free)
        for model, free in FREE.items()
    }


def average_every_model(
    shipped: ShippedMapSettings, fitted: Sequence[Mapping[str, PoseMapSettings]]
) -> dict[str, PoseMapSettings]:
    """Return the geometric mean of others' settings and the shipped ones.

    A new subject's settings are drawn like theirs; the shipped ones count as half a
    subject more, so that a single other subject is not taken at its word.
    """
    return {
        model: _average([*(each[model] for each in fitted), shipped.of(model)], free)
        for model, free in FREE.items()
    }


def _average(
    settings: Sequence[PoseMapSettings], free: Sequence[str]
) -> PoseMapSettings:
    """Return the weighted geometric mean; the last are the shipped ones."""
    weights = [*(1.0 for _ in settings[:-1]), SHIPPED_WEIGHT]
    values = {
        name: float(
            np.exp(
                np.average(
                    [np.log(getattr(s, name)) for s in settings], weights=weights
                )
            )
        )
        for name in free
    }
    return msgspec.structs.replace(settings[-1], **values)


def folds(n: int, n_folds: int = 10) -> list[tuple[I64, I64]]:
    """Return (training rows, test rows) of scikit-learn's KFold, shuffled, seed 0."""
    from sklearn.model_selection import KFold

    cut = KFold(n_folds, shuffle=True, random_state=0)
    return [
        (train.astype(np.int64), test.astype(np.int64))
        for train, test in cut.split(np.zeros((n, 1)))
    ]


def pooled_r2(predicted: F64, measured: F64) -> float | None:
    """Return R² over single pulses; None where they do not vary."""
    total = float(np.sum((measured - measured.mean()) ** 2))
    if total <= 1e-9:
        return None
    return 1.0 - float(np.sum((measured - predicted) ** 2)) / total
