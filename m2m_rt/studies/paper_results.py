"""The study's results as one nested structure, ready to be written as JSON."""

import msgspec

from m2m_rt.nets.sessions import Progress
from m2m_rt.studies.paper_networks import n_effective
from m2m_rt.studies.paper_outcomes import Study, StudyPlan
from m2m_rt.studies.paper_study import CEILING, Answer, split_of
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
    """By head; empty where it was not asked for."""

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
            f"{kind}.{head}": summary
            for kind in ("efield", "nrp")
            for head, summary in getattr(self, kind).items()
        }
        return networks | self.realtime | self.baselines


class EncoderResult(msgspec.Struct, frozen=True, kw_only=True):
    """One autoencoder, which all subjects share."""

    input: str
    n_fields: int
    """Pulses that it has learnt the fields of."""

    explained: float
    """Part of the other pulses' voxel variance that its reconstructions explain."""

    k_effective: int
    """Weights larger than 1e-3."""


class StudyResult(msgspec.Struct, frozen=True, kw_only=True):
    """Everything; the first split's systems come again at the top of the JSON."""

    plan: StudyPlan
    splits: dict[str, SplitResult]
    by_simulator: dict[str, dict[str, SplitResult]]
    encoders: list[EncoderResult]


def study_result(
    plan: StudyPlan, answers: list[Answer], encoders: list[EncoderResult]
) -> StudyResult:
    """Return all figures of the answers."""
    by_simulator = grouped(answers, lambda answer: answer.simulator)
    return StudyResult(
        plan=plan,
        splits=_by_split(answers),
        by_simulator={name: _by_split(some) for name, some in by_simulator.items()},
        encoders=encoders,
    )


def encoder_results(study: Study, progress: Progress) -> list[EncoderResult]:
    """Return how well each autoencoder of a study rebuilds fields it has not seen."""
    folds = [fold for name in study.plan.splits for fold in split_of(study, name).folds]
    seen = {fold.seen_fields.tobytes(): fold.seen_fields for fold in folds}
    found = []
    for kind in study.plan.inputs:
        for rows in seen.values():
            coded = study.bank.coded(kind, rows, progress)
            found.append(
                EncoderResult(
                    input=kind.value,
                    n_fields=len(rows),
                    explained=coded.explained,
                    k_effective=n_effective((coded.autoencoder,)),
                )
            )
    return found


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
    for name in [name for name in NETWORKS if name in summaries]:
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
