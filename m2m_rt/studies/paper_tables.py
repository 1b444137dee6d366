"""From answers to figures: means over subjects, intervals, and who beats whom."""

from collections.abc import Callable, Iterable, Sequence
from typing import Literal

import msgspec
import numpy as np

from m2m_rt.nets.paper import PaperHead, PaperInput
from m2m_rt.studies.mean_interval import Interval, mean_interval
from m2m_rt.studies.paper_scores import criteria, score, score_muscles
from m2m_rt.studies.paper_study import CEILING, Answer
from m2m_rt.units import F64

NETWORKS = tuple(f"{i.value}.{h.value}" for i in PaperInput for h in PaperHead)

Verdict = Literal["yes", "no", "undecided"]


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """One system on one split, mean over subjects."""

    mse: float
    nrmse: float
    cosine: float
    r2: float
    r2_log10: float
    aic: float
    bic: float
    aic_effective: float
    bic_effective: float
    aic_readout: float
    bic_readout: float
    k_all: float
    k_effective: float
    k_readout: float
    intervals: dict[str, Interval | None]
    """95 %, over subjects; None of fewer than two."""

    per_muscle: dict[str, list[float]]
    per_intensity: dict[str, dict[str, float]]
    """By % RMT."""


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Does `better` beat `worse`? By the paired difference of a score."""

    question: str
    split: str
    better: str
    worse: str
    score: str
    difference: float
    """Positive if `better` is better; mean over subjects."""

    interval: Interval | None
    verdict: Verdict
    n_subjects: int


def summarise(answers: list[Answer]) -> Summary:
    """Return the mean scores of one system on one split."""
    scores = [score(answer.tested) for answer in answers]
    sizes = [answer.sizes for answer in answers]
    both = [criteria(answer.tested, answer.sizes) for answer in answers]
    columns = _columns(scores) | _columns(both)
    means = {name: float(np.mean(values)) for name, values in columns.items()}
    counts = {name: float(np.mean(values)) for name, values in _columns(sizes).items()}
    muscles = _columns([score_muscles(answer.tested) for answer in answers])
    return Summary(
        **means,
        **counts,
        intervals={name: mean_interval(values) for name, values in columns.items()},
        per_muscle={name: v.mean(axis=0).tolist() for name, v in muscles.items()},
        per_intensity=_by_intensity(answers),
    )


def grouped(
    answers: Iterable[Answer], key: Callable[[Answer], str]
) -> dict[str, list[Answer]]:
    """Return answers by a key, in the order in which keys come up."""
    groups: dict[str, list[Answer]] = {}
    for answer in answers:
        groups.setdefault(key(answer), []).append(answer)
    return groups


def comparisons(answers: list[Answer]) -> list[Comparison]:
    """Return the study's questions on one split, answered."""
    found = [
        _compare(answers, question, pair, name)
        for question, pair in _questions(answers)
        for name in ("nrmse", "r2_log10")
    ]
    return found


def _questions(answers: list[Answer]) -> list[tuple[str, tuple[str, str]]]:
    """Return those that can be asked of the systems that have answered."""
    asked = [
        ("Does NRP beat E?", (f"nrp.{head.value}", f"efield.{head.value}"))
        for head in PaperHead
    ]
    for kind in PaperInput:
        asked += [
            (
                f"Does both beat {head.value}?",
                (f"{kind.value}.both", f"{kind.value}.{head.value}"),
            )
            for head in (PaperHead.DIRECT, PaperHead.SYNERGY)
        ]
    present = dict.fromkeys(answer.system for answer in answers)
    rivals = [name for name in present if name not in (*NETWORKS, CEILING)]
    asked += [
        (f"Does {rival} beat {network}?", (rival, network))
        for rival in rivals
        for network in NETWORKS
    ]
    return [one for one in asked if set(one[1]) <= present.keys()]


def _compare(
    answers: list[Answer], question: str, pair: tuple[str, str], name: str
) -> Comparison:
    """Return one paired comparison; an error is better when it is smaller."""
    sign = -1.0 if name == "nrmse" else 1.0
    first, second = (
        np.array(
            [getattr(score(a.tested), name) for a in answers if a.system == system]
        )
        for system in pair
    )
    differences: F64 = sign * (first - second)
    interval = mean_interval(differences)
    return Comparison(
        question=question,
        split=answers[0].split.value,
        better=pair[0],
        worse=pair[1],
        score=name,
        difference=float(differences.mean()),
        interval=interval,
        verdict=_verdict(interval),
        n_subjects=len(differences),
    )


def _verdict(interval: Interval | None) -> Verdict:
    if interval is None or interval[0] <= 0.0 <= interval[1]:
        return "undecided"
    return "yes" if interval[0] > 0.0 else "no"


def _by_intensity(answers: list[Answer]) -> dict[str, dict[str, float]]:
    levels = np.unique(np.concatenate([a.intensity_pct_rmt for a in answers]))
    table = {}
    for level in levels:
        scores = [
            score(answer.tested.rows(answer.intensity_pct_rmt == level))
            for answer in answers
        ]
        columns = _columns(scores)
        table[f"{level:g}"] = {name: float(v.mean()) for name, v in columns.items()}
    return table


def _columns(rows: Sequence[msgspec.Struct]) -> dict[str, F64]:
    """Return each field's values over the rows."""
    return {
        name: np.array([getattr(row, name) for row in rows], np.float64)
        for name in rows[0].__struct_fields__
    }
