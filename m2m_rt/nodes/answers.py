"""The answers that were learnt, each with what the model in use makes of its field.

Fields and features are kept, for looking all of them up again takes longer with every
trial. Nothing here is changed in place.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from m2m_rt.learning import Change, LearntTrial, shift_at
from m2m_rt.model import FLOOR_UV
from m2m_rt.nodes.fields import FieldSource, Stimulus
from m2m_rt.ports import Predictor
from m2m_rt.units import F32, F64, Bools


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What the muscles answered to a stimulus, as far as it may be learnt.

    Each is itself and equal to no other.
    """

    stimulus: Stimulus
    log10_uv: F64
    """(n_muscles,), with the amplifier's floor put in."""

    valid: Bools
    """(n_muscles,)"""


@dataclass(frozen=True, slots=True, eq=False)
class LearntAnswer:
    """An answer, and where and how it was learnt."""

    answer: Answer
    field: F32
    """(1, n_roi, 3): the model's input where the coil is taken to have been."""

    features: F32
    """(n_features,): what the model in use makes of the field."""

    def as_trial(self, probe_features: F32 | None = None) -> LearntTrial:
        """Return it as it is learnt; probes only count the first time."""
        return LearntTrial(
            features=self.features,
            probe_features=probe_features,
            log10_uv=self.answer.log10_uv,
            valid=self.answer.valid,
        )


LearntAnswers = tuple[LearntAnswer, ...]
"""In the order in which they were learnt."""


def answer_of(
    stimulus: Stimulus, mep_p2p_uv: Sequence[float | None], valid: Sequence[bool]
) -> Answer:
    """Return what may be learnt from measured amplitudes."""
    usable = [
        ok and size is not None for size, ok in zip(mep_p2p_uv, valid, strict=True)
    ]
    sizes_uv = np.array([size if size is not None else 0.0 for size in mep_p2p_uv])
    log10_uv = np.log10(np.maximum(sizes_uv, FLOOR_UV))
    return Answer(stimulus, log10_uv, np.array(usable))


def without(answers: LearntAnswers, forgotten: Answer) -> LearntAnswers:
    """Return all but one."""
    return tuple(one for one in answers if one.answer is not forgotten)


def as_seen_by(predictor: Predictor, answers: LearntAnswers) -> LearntAnswers:
    """Return answers with another model's features, made in one call of the network.

    Their last bits may not be those of one call a field; live and replay make the same
    call, so they are the same there.
    """
    if not answers:
        return ()
    rows = predictor.features(np.concatenate([one.field for one in answers]))
    pairs = zip(answers, rows, strict=True)
    return tuple(replace(one, features=row) for one, row in pairs)


def moved_from(
    first: int,
    answers: LearntAnswers,
    changes: Sequence[Change],
    *,
    source: FieldSource,
    predictor: Predictor,
) -> LearntAnswers:
    """Return answers, from one on where their coils are now taken to have been.

    Parameters
    ----------
    first
        Number of answers before those that are looked up again.
    answers
        All of them.
    changes
        That now hold.
    source, predictor
        Of fields, and the model in use.
    """

    def moved(number: int, one: LearntAnswer) -> LearntAnswer:
        field = source.at(one.answer.stimulus, shift_at(changes, number))
        if isinstance(field, str):
            return one
        (features,) = predictor.features(field)
        return LearntAnswer(one.answer, field, features)

    later = enumerate(answers[first:], start=first)
    return (*answers[:first], *(moved(number, one) for number, one in later))
