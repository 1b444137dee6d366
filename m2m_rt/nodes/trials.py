"""The trials of a session, and what may be learnt from them."""

from dataclasses import dataclass

import msgspec

from m2m_rt.messages import MepMeasured, Prediction, Trial, unpack_f64
from m2m_rt.nodes.answers import Answer, answer_of
from m2m_rt.nodes.fields import Stimulus
from m2m_rt.nodes.predict_settings import PredictFault
from m2m_rt.nodes.prediction_book import AtEdge, Published, is_same_intensity
from m2m_rt.units import RigNs, to_ms


@dataclass(frozen=True, slots=True)
class _Entry:
    trial: Trial
    answer: Answer | None
    """None where nothing may be learnt."""


class TrialBook:
    """Every trial so far, in order."""

    def __init__(self, n_muscles: int) -> None:
        """Start with none."""
        self._n_muscles = n_muscles
        self._entries: list[_Entry] = []
        self._pulses: set[tuple[int, RigNs]] = set()

    def has(self, mep: MepMeasured) -> bool:
        """Return whether the pulse of these MEPs has its trial already."""
        return (mep.pulse_id, mep.t_ns) in self._pulses

    def add(self, mep: MepMeasured, known: AtEdge) -> tuple[Trial, Answer | None]:
        """Make a trial of a measured pulse and what was known at its edge."""
        published = known.published
        fault = self._fault(mep, published)
        answer = None if published is None or fault else _answer(mep, published)
        learnt = tuple(answer.valid.tolist()) if answer else (False,) * len(mep.valid)
        self._pulses.add((mep.pulse_id, mep.t_ns))
        trial = Trial(
            t_ns=mep.t_ns,
            trial_index=len(self._entries),
            revision=0,
            prediction=published.prediction if published else None,
            prediction_seq=published.prediction_seq if published else None,
            lead_ms=_lead_ms(published, mep.t_ns),
            mep=mep,
            learnt=learnt,
            valid=fault is None,
            reason=str(fault or ""),
            head_from_coil=known.head_from_coil,
            intensity_pct_mso=known.intensity_pct_mso,
        )
        self._entries.append(_Entry(trial, answer))
        return trial, answer

    def mark_last_bad(self) -> tuple[Trial, Answer | None] | None:
        """Return the last trial's new revision, and what was learnt of it if anything.

        None if there is no trial, or it is marked already.
        """
        if not self._entries:
            return None
        last, answer = self._entries[-1].trial, self._entries[-1].answer
        if last.reason == PredictFault.MARKED_BAD:
            return None
        trial = msgspec.structs.replace(
            last,
            revision=last.revision + 1,
            learnt=(False,) * len(last.learnt),
            valid=False,
            reason=str(PredictFault.MARKED_BAD),
        )
        self._entries[-1] = _Entry(trial, None)
        return trial, answer

    def _fault(
        self, mep: MepMeasured, published: Published | None
    ) -> PredictFault | None:
        if len(mep.valid) != self._n_muscles:
            return PredictFault.WRONG_MUSCLES
        if published is None:
            return PredictFault.NO_PREDICTION
        said = mep.marker_intensity_pct_mso
        made_for = published.prediction.intensity_pct_mso
        if said is not None and not is_same_intensity(said, made_for):
            return PredictFault.INTENSITY_MISMATCH
        if made_for == 0.0:
            return PredictFault.NO_STIMULUS
        return None if any(mep.valid) else PredictFault.NO_VALID_MEP


def stimulus_of(prediction: Prediction) -> Stimulus | None:
    """Return what a prediction was made for."""
    if prediction.intensity_pct_mso is None:
        return None
    head_from_coil = unpack_f64(prediction.head_from_coil)
    return Stimulus(head_from_coil, prediction.intensity_pct_mso)


def _answer(mep: MepMeasured, published: Published) -> Answer | None:
    stimulus = stimulus_of(published.prediction)
    if stimulus is None:
        return None
    return answer_of(stimulus, mep.mep_p2p_uv, mep.valid)


def _lead_ms(published: Published | None, edge_ns: RigNs) -> float | None:
    if published is None or published.publish_ns is None:
        return None
    return to_ms(edge_ns - published.publish_ns)
