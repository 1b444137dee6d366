"""A subject's fitted mapper: one muscle's process over coil poses, for new poses."""

from dataclasses import dataclass

from m2m_rt.learning.map_hyper import Recording
from m2m_rt.learning.map_kernel import MapPulses, PoseMapSettings
from m2m_rt.learning.map_process import FittedMap, MapAnswer, fit_map, predict_map
from m2m_rt.learning.map_progress import (
    LevelScaleSettings,
    predict_progressively,
    scales_at,
)
from m2m_rt.units import F64


@dataclass(frozen=True, slots=True)
class MuscleMapper:
    """One muscle's process and how wide its predictions turned out to have to be."""

    fitted: FittedMap
    scale: LevelScaleSettings
    level_log10_uv: F64
    """(n,): progressive predictions of the training pulses."""

    surprise: F64
    """(n,): their squared errors over predicted variances."""


def fit_mapper(
    recording: Recording, settings: PoseMapSettings, scale: LevelScaleSettings
) -> MuscleMapper:
    """Return a muscle's mapper; the same recording gives the same one."""
    progress = predict_progressively(
        recording.pulses, recording.log10_uv, settings, scale
    )
    error = recording.log10_uv - progress.mean_log10_uv
    return MuscleMapper(
        fit_map(recording.pulses, recording.log10_uv, settings),
        scale,
        progress.mean_log10_uv,
        (error / progress.unscaled_sd_log10_uv) ** 2,
    )


def predict_muscle(mapper: MuscleMapper, pulses: MapPulses) -> MapAnswer:
    """Return what planned pulses would answer, the spread scaled for their level."""
    answer = predict_map(mapper.fitted, pulses)
    scales = scales_at(
        answer.mean_log10_uv, mapper.level_log10_uv, mapper.surprise, mapper.scale
    )
    return MapAnswer(
        answer.mean_log10_uv, answer.sd_log10_uv * scales, answer.field_sd_log10_uv
    )
