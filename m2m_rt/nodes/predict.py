"""Predicts every muscle's answer before the pulse, and learns from each answer."""

from collections.abc import Iterable
from typing import Literal

import numpy as np

from m2m_rt.efield import EfieldLookup
from m2m_rt.errors import ModelRefused
from m2m_rt.learning import ChangeKind
from m2m_rt.messages import (
    ChangeSeen,
    CoilPose,
    ExcitabilityTracked,
    MepMeasured,
    Message,
    ModelPromoted,
    Prediction,
    PredictionEcho,
    PromotionRefused,
    PulseFired,
    SessionEvent,
    SessionEventKind,
    StimulatorState,
    StreamGap,
    Trace,
    Trial,
    encode,
    unpack_f64,
)
from m2m_rt.nodes.fields import Stimulus
from m2m_rt.nodes.forecast import Forecast, SeenChange
from m2m_rt.nodes.forecaster import Forecaster
from m2m_rt.nodes.map_slices import MapSlices
from m2m_rt.nodes.predict_settings import PredictFault, PredictSettings
from m2m_rt.nodes.prediction_book import AtEdge, PredictionBook
from m2m_rt.nodes.trials import TrialBook
from m2m_rt.ports import ModelLibrary
from m2m_rt.units import F64, RigNs, duration_ns

Z_95 = 1.645
"""95 % quantile of the normal distribution: between both, 90 %."""


class PredictNode:
    """One prediction for every pose; one trial for every pulse."""

    def __init__(
        self,
        settings: PredictSettings,
        lookup: EfieldLookup,
        library: ModelLibrary,
        *,
        map_poses: F64 | None = None,
    ) -> None:
        """Begin with the shipped model; map these poses (n, 4, 4) between predictions.

        Raises
        ------
        ModelRefused
            If it fails its checks.
        """
        self._max_pose_age_ns = duration_ns(ms=settings.max_pose_age_ms)
        self._max_intensity_age_ns = duration_ns(ms=settings.max_intensity_age_ms)
        self._table_hash = lookup.table.table_hash
        self._forecaster = Forecaster(
            lookup,
            library,
            model_hash=settings.model_hash,
            rmt_pct_mso=settings.rmt_pct_mso,
            acts_on_changes=settings.acts_on_changes,
        )
        self._book = PredictionBook(
            n_kept=settings.n_kept, max_pose_age_ns=self._max_pose_age_ns
        )
        self._trials = TrialBook(self._forecaster.n_muscles)
        poses = np.empty((0, 4, 4)) if map_poses is None else map_poses
        self._map = MapSlices(poses, rmt_pct_mso=settings.rmt_pct_mso)
        self._n_kept = settings.n_kept
        self._pulses: dict[tuple[int, RigNs], AtEdge] = {}
        self._echo_filling = b""

    def step(self, now_ns: RigNs, message: Message) -> Iterable[Message]:
        """Take one message; give what follows from it, each as soon as it is there."""
        outputs: Iterable[Message] = ()
        match message:
            case CoilPose():
                self._book.saw(message)
                outputs = self._predict(now_ns, message)
            case Trace():
                self._book.published(message)
            case StimulatorState():
                self._book.set_intensity(message)
            case PulseFired():
                self._await_mep(message)
            case MepMeasured():
                outputs = self._learn(now_ns, message)
            case ModelPromoted():
                outputs = self._switch(now_ns, message)
            case SessionEvent(kind=SessionEventKind.MARK_LAST_BAD):
                outputs = self._mark_last_bad()
        return outputs

    def _predict(self, now_ns: RigNs, pose: CoilPose) -> Iterable[Message]:
        # First of all, so that the transport's own time can be told from ours.
        yield PredictionEcho(
            t_ns=pose.t_ns, pose_seq=pose.seq, filling=self._echo_filling
        )
        intensity = self._book.intensity_now(now_ns, self._max_intensity_age_ns)
        prediction = self._prediction(now_ns, pose, intensity)
        self._book.made(prediction)
        yield prediction
        if prediction.valid and not self._echo_filling:
            self._echo_filling = _filling(prediction)
        # Last: the prediction has left before the next slice of the map begins.
        yield from self._map.step(self._forecaster, pose.t_ns)

    def _prediction(
        self, now_ns: RigNs, pose: CoilPose, intensity: float | None
    ) -> Prediction:
        if not pose.valid:
            return self._make(pose, intensity, pose.reason)
        if abs(now_ns - pose.t_ns) > self._max_pose_age_ns:
            return self._make(pose, intensity, PredictFault.POSE_OLD)
        if intensity is None:
            return self._make(pose, intensity, PredictFault.INTENSITY_UNKNOWN)
        stimulus = Stimulus(unpack_f64(pose.head_from_coil), intensity)
        field = self._forecaster.field(stimulus)
        if isinstance(field, str):
            return self._make(pose, intensity, field)
        forecast = self._forecaster.forecast(field, intensity)
        found = forecast if forecast.is_finite else PredictFault.NOT_FINITE
        return self._make(pose, intensity, found)

    def _make(
        self, pose: CoilPose, intensity: float | None, found: Forecast | str
    ) -> Prediction:
        """Return the message of a forecast, or of why there is none."""
        is_valid = isinstance(found, Forecast)
        forecast = found if isinstance(found, Forecast) else _NOTHING
        return Prediction(
            t_ns=pose.t_ns,
            pose_seq=pose.seq,
            head_from_coil=pose.head_from_coil,
            intensity_pct_mso=intensity,
            mean_log10_uv=forecast.mean,
            sd_log10_uv=forecast.sd,
            p05_log10_uv=forecast.p05,
            p95_log10_uv=forecast.p95,
            prior_log10_uv=forecast.prior,
            model_hash=self._forecaster.model_hash,
            table_hash=self._table_hash,
            posterior_seq=self._forecaster.posterior_seq,
            valid=is_valid,
            reason="" if is_valid else str(found),
            doubt=forecast.doubt,
        )

    def _await_mep(self, pulse: PulseFired) -> None:
        """Keep what was known: what comes later will push it out of the book."""
        key = (pulse.pulse_id, pulse.t_ns)
        self._pulses.setdefault(key, self._at_edge(pulse.t_ns))
        if len(self._pulses) > self._n_kept:
            del self._pulses[next(iter(self._pulses))]

    def _at_edge(self, edge_ns: RigNs) -> AtEdge:
        return self._book.at_edge(edge_ns, self._max_intensity_age_ns)

    def _learn(self, now_ns: RigNs, mep: MepMeasured) -> Iterable[Message]:
        if self._trials.has(mep):
            reason = f"pulse {mep.pulse_id} was measured already"
            yield StreamGap(t_ns=now_ns, stream="mep", n_lost=0, reason=reason)
            return
        key = (mep.pulse_id, mep.t_ns)
        known = self._pulses.pop(key, None) or self._at_edge(mep.t_ns)
        trial, answer = self._trials.add(mep, known)
        yield trial
        if answer is not None:
            yield from self._state_after(mep, self._forecaster.learn(answer))

    def _state_after(
        self, mep: MepMeasured, seen: SeenChange | None
    ) -> Iterable[Message]:
        """Give what an answer says of the state, and of a change if there is one."""
        state = self._forecaster.shared_state
        half = Z_95 * state.sd_log10
        yield ExcitabilityTracked(
            t_ns=mep.t_ns,
            mean_log10=state.mean_log10,
            p05_log10=state.mean_log10 - half,
            p95_log10=state.mean_log10 + half,
            noise_scale=state.noise_scale,
            posterior_seq=self._forecaster.posterior_seq,
        )
        if seen is not None:
            yield _change_message(mep, seen)

    def _switch(self, now_ns: RigNs, promoted: ModelPromoted) -> Iterable[Message]:
        try:
            self._forecaster.switch(promoted.model_hash)
        except ModelRefused as err:
            # The last good model stays; every prediction names the one it is from.
            yield PromotionRefused(
                t_ns=now_ns,
                model_hash=promoted.model_hash,
                generation=promoted.generation,
                kept_hash=self._forecaster.model_hash,
                reason=str(err),
            )

    def _mark_last_bad(self) -> Iterable[Trial]:
        marked = self._trials.mark_last_bad()
        if marked is None:
            return
        trial, learnt = marked
        if learnt is not None:
            self._forecaster.forget(learnt)
        yield trial


_NOTHING = Forecast(mean=(), sd=(), p05=(), p95=(), prior=())


def _change_message(mep: MepMeasured, seen: SeenChange) -> ChangeSeen:
    change = seen.change
    kind: Literal["gain", "shift"] = "gain"
    if change.kind is ChangeKind.SHIFT:
        kind = "shift"
    return ChangeSeen(
        t_ns=mep.t_ns,
        kind=kind,
        muscle=change.muscle,
        log10_gain=change.log10_gain,
        shift_x_mm=change.shift_mm[0],
        shift_y_mm=change.shift_mm[1],
        trials_ago=change.found_trial - change.since_trial,
        log_ratio=change.log_ratio,
        withdrawn=seen.withdrawn,
        acted_on=seen.acted_on,
    )


def _filling(prediction: Prediction) -> bytes:
    """Return what makes an echo as large as a prediction."""
    empty = PredictionEcho(t_ns=prediction.t_ns, pose_seq=0, filling=b"")
    return bytes(max(0, len(encode(prediction)) - len(encode(empty))))
