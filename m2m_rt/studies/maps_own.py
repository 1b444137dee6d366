"""Settings that a recording teaches itself, without the pulses that they are judged on.

From where others' settings stand: in folds from the other nine, progressively from the
past. The settings in force then never saw what they predict. Only those of the field
and the noise are learnt: how maps and days differ cannot be told from the few maps of
one person, and left free they take the field's part.
"""

import numpy as np

from m2m_rt.learning import (
    LevelScaleSettings,
    PoseMapSettings,
    Progress,
    Recording,
    fit_map,
    level_scales,
    likeliest_settings,
    predict_map,
    predict_progressively,
)
from m2m_rt.studies.maps_data import FIELD_TERMS, folds
from m2m_rt.units import F64

REFIT_AT = (30, 60, 120, 240, 480, 960)
"""Numbers of past pulses at which progressive predictions learn their settings anew."""

_MOST_FOR_SETTINGS = 200
"""Settings are learnt from so many pulses, spread over all: more change them little."""


def learn_own(recording: Recording, start: PoseMapSettings) -> PoseMapSettings:
    """Return settings that a recording makes likely, beginning from others'."""
    pulses, n = recording.pulses, len(recording.log10_uv)
    some = np.linspace(0, n - 1, min(n, _MOST_FOR_SETTINGS)).round().astype(np.int64)
    free = [*FIELD_TERMS]
    if pulses.rotation is not None:
        free.append("turn_length_deg")
    if pulses.intensity_pct is not None:
        free.append("intensity_length_pct")
    part = Recording(pulses.rows(some), recording.log10_uv[some])
    return likeliest_settings([part], start, tuple(free))


def own_folds(recording: Recording, start: PoseMapSettings) -> F64:
    """Return (n,): each pulse predicted with what the folds without it taught."""
    predicted = np.empty_like(recording.log10_uv)
    for train, test in folds(len(predicted)):
        part = Recording(recording.pulses.rows(train), recording.log10_uv[train])
        settings = learn_own(part, start)
        fitted = fit_map(part.pulses, part.log10_uv, settings)
        answer = predict_map(fitted, recording.pulses.rows(test))
        predicted[test] = answer.mean_log10_uv
    return predicted


def own_progress(
    recording: Recording, start: PoseMapSettings, scale: LevelScaleSettings
) -> Progress:
    """Return progressive predictions with settings learnt from the past only."""
    n = len(recording.log10_uv)
    mean, sd = np.empty(n), np.empty(n)
    ends = [at for at in REFIT_AT if at < n]
    for begin, end in zip((0, *ends), (*ends, n), strict=True):
        settings = start
        if begin:
            past = np.arange(begin)
            part = Recording(recording.pulses.rows(past), recording.log10_uv[past])
            settings = learn_own(part, start)
        seen = np.arange(end)
        block = predict_progressively(
            recording.pulses.rows(seen), recording.log10_uv[seen], settings, scale
        )
        mean[begin:end] = block.mean_log10_uv[begin:]
        sd[begin:end] = block.unscaled_sd_log10_uv[begin:]
    surprise = ((recording.log10_uv - mean) / sd) ** 2
    return Progress(mean, sd * level_scales(mean, surprise, scale), sd)
