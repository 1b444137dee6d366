"""The study's results as one nested structure, ready to be written as JSON."""

import msgspec

from m2m_rt.studies.paper_study import CEILING, Answer, StudyPlan
from m2m_rt.studies.paper_tables import (
    NETWORKS,
    Comparison,
    Summary,
    comparisons,
    grouped,
    summarise,
)

REALTIME_PREFIX = "realtime"
"""Of the names of real-time systems; other rivals are plain baselines."""


class SplitResult(msgspec.Struct, frozen=True, kw_only=True):
    """One split, over all subjects asked for."""

    efield: dict[str, Summary]
    """By head."""

    nrp: dict[str, Summary]
    baselines: dict[str, Summary]
    realtime: dict[str, Summary]
    ceiling: Summary
    answers: list[Comparison]
    n_subjects: int

    @property
    def systems(self) -> dict[str, Summary]:
        """All but the ceiling, by name."""
        networks = {
            name: getattr(self, kind)[head]
            for name in NETWORKS
            for kind, head in [name.split(".")]
        }
        return networks | self.realtime | self.baselines


class StudyResult(msgspec.Struct, frozen=True, kw_only=True):
    """Everything; the first split's systems come again at the top of the JSON."""

    plan: StudyPlan
    splits: dict[str, SplitResult]
    by_simulator: dict[str, dict[str, SplitResult]]


def study_result(plan: StudyPlan, answers: list[Answer]) -> StudyResult:
    """Return all figures of the answers."""
    by_simulator = grouped(answers, lambda answer: answer.simulator)
    return StudyResult(
        plan=plan,
        splits=_by_split(answers),
        by_simulator={name: _by_split(some) for name, some in by_simulator.items()},
    )


def result_json(result: StudyResult) -> bytes:
    """Return `{efield, nrp, baselines, realtime, ceiling, splits, …}`; NaN is null."""
    tree = msgspec.to_builtins(result)
    first = next(iter(tree["splits"].values()))
    named = ("efield", "nrp", "baselines", "realtime", "ceiling")
    top = {name: first[name] for name in named}
    return msgspec.json.format(msgspec.json.encode(top | tree), indent=2)


def _by_split(answers: list[Answer]) -> dict[str, SplitResult]:
    splits = grouped(answers, lambda answer: answer.split.value)
    return {name: _split_result(some) for name, some in splits.items()}


def _split_result(answers: list[Answer]) -> SplitResult:
    systems = grouped(answers, lambda answer: answer.system)
    summaries = {name: summarise(some) for name, some in systems.items()}
    ceiling = summaries.pop(CEILING)
    heads: dict[str, dict[str, Summary]] = {"efield": {}, "nrp": {}}
    for name in NETWORKS:
        kind, head = name.split(".")
        heads[kind][head] = summaries.pop(name)
    live = {n: s for n, s in summaries.items() if n.startswith(REALTIME_PREFIX)}
    return SplitResult(
        **heads,
        baselines={name: s for name, s in summaries.items() if name not in live},
        realtime=live,
        ceiling=ceiling,
        answers=comparisons(answers),
        n_subjects=len(systems[CEILING]),
    )
