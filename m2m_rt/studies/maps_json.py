"""What `m2m study maps --json` writes: a subject each; None where there is none."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from m2m_rt.learning import PoseMapSettings
from m2m_rt.studies.maps import ActiveResult, SubjectResult
from m2m_rt.studies.maps_active import N_NOISY, TRIAL_SPREAD_LOG10, ActiveRun
from m2m_rt.studies.maps_data import FREE
from m2m_rt.studies.maps_scores import ProgressScore

_MM_PER_CM = 10.0


def study_as_json(results: Sequence[SubjectResult]) -> dict[str, Any]:
    """Return the file's content: subject → figures."""
    return {result.subject.subject: _of_subject(result) for result in results}


def settings_as_json(settings: Mapping[str, PoseMapSettings]) -> dict[str, Any]:
    """Return every model's settings, and which of them were learnt."""
    return {
        model: {"learnt": list(FREE[model]), **msgspec.to_builtins(each)}
        for model, each in settings.items()
    }


def score_as_json(score: ProgressScore) -> dict[str, float | None]:
    """Return a progressive score's figures."""
    return {"r2": score.r2, "crps": score.crps, "coverage_90": score.coverage_90}


def _of_subject(result: SubjectResult) -> dict[str, Any]:
    beside = {
        name: score_as_json(score) for name, score in result.progressive_beside.items()
    }
    return {
        "n_pulses": {m.name: len(m.mep_p2p_uv) for m in result.subject.maps},
        "n_left_out": {m.name: m.n_left_out for m in result.subject.maps},
        "r2": dict(result.r2),
        "r2_shipped": dict(result.r2_shipped),
        "ceiling": dict(result.ceiling),
        "progressive": score_as_json(result.progressive),
        "progressive_beside": beside,
        **_of_active(result.active),
        "settings": {
            "learnt_from": list(result.learnt_from) or "shipped, and unjudged pulses",
            **settings_as_json(result.settings),
            "baselines": dict(result.baseline_settings),
        },
    }


def _of_active(active: ActiveResult | str) -> dict[str, Any]:
    if isinstance(active, str):
        none = {"pulses": None, "nmse": None, "reason": active}
        return {"active": none, "active_noisy": none, "active_random": none}
    return {
        "active": {
            **_of_run(active.active),
            "truth_length_cm": active.truth.length_mm / _MM_PER_CM,
            "mapper_length_cm": active.settings.length_mm / _MM_PER_CM,
            "start_from": active.start_from,
        },
        "active_noisy": {
            **_of_run(active.noisy),
            "trial_spread_log10": TRIAL_SPREAD_LOG10,
            "runs": N_NOISY,
        },
        "active_random": _of_run(active.random),
    }


def _of_run(run: ActiveRun) -> dict[str, Any]:
    return {"pulses": list(run.pulses), "nmse": list(run.nmse)}
