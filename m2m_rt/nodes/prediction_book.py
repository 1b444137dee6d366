"""Which prediction counts for a pulse: the newest published before its edge."""

from collections import deque
from dataclasses import dataclass, replace

from m2m_rt.messages import Array, CoilPose, Prediction, StimulatorState, Trace
from m2m_rt.units import DurationNs, RigNs

SAME_INTENSITY_PCT_MSO = 0.05
"""Intensities closer than this are one setting: stimulators are set in steps of 0.5 or
1 % MSO, and a float32 stream's 55.3 is not the double 55.3 of a marker's JSON."""

N_STATES = 64
"""Intensities kept, so that a pulse can ask what was set at its edge: seconds of a
wheel that is turned."""


@dataclass(frozen=True, slots=True)
class Published:
    """A prediction and when it had left this process."""

    prediction: Prediction
    prediction_seq: int
    publish_ns: int | None = None
    """None until its trace has come back."""


@dataclass(frozen=True, slots=True)
class AtEdge:
    """What was known when a pulse was given."""

    published: Published | None
    """The prediction that counts for it; None when there was none."""

    head_from_coil: Array | None
    """(4, 4) float64; None where the coil was not tracked."""

    intensity_pct_mso: float | None
    """None where it was not known."""


class PredictionBook:
    """The last poses, intensities and predictions."""

    def __init__(self, *, n_kept: int, max_pose_age_ns: DurationNs) -> None:
        """Keep so many predictions."""
        self._max_pose_age_ns = max_pose_age_ns
        self._made: deque[Published] = deque(maxlen=n_kept)
        self._n_made = 0
        self._states: deque[StimulatorState] = deque(maxlen=N_STATES)
        self._poses: deque[CoilPose] = deque(maxlen=n_kept)

    def made(self, prediction: Prediction) -> None:
        """Take a prediction that is about to be published.

        The runtime numbers a node's messages of one kind 0, 1, 2, …, so its place here
        is its `seq` on the bus.
        """
        if prediction.valid:
            self._made.append(Published(prediction, self._n_made))
        self._n_made += 1

    def published(self, trace: Trace) -> None:
        """Take the news that a prediction has left."""
        if trace.topic != "prediction":
            return
        for at in range(len(self._made) - 1, -1, -1):
            if self._made[at].prediction_seq == trace.about_seq:
                self._made[at] = replace(self._made[at], publish_ns=trace.publish_ns)
                return

    def saw(self, pose: CoilPose) -> None:
        """Take where the coil is."""
        if pose.valid:
            self._poses.append(pose)

    def set_intensity(self, state: StimulatorState) -> None:
        """Take what the stimulator is set to."""
        self._states.append(state)

    def intensity_now(self, now_ns: RigNs, max_age_ns: DurationNs) -> float | None:
        """Return the newest intensity, or None if it is not known or too old."""
        if not self._states or abs(now_ns - self._states[-1].t_ns) > max_age_ns:
            return None
        return _intensity_of(self._states[-1])

    def before(self, edge_ns: RigNs) -> Published | None:
        """Return the prediction that counts for a pulse.

        It was published before the edge, from a pose that was fresh then, for the
        intensity that was set then.
        """
        state = self._state_at(edge_ns)
        intensity = None if state is None else _intensity_of(state)
        for one in reversed(self._made):
            if self._counts(one, edge_ns, intensity):
                return one
        return None

    def at_edge(self, edge_ns: RigNs, max_intensity_age_ns: DurationNs) -> AtEdge:
        """Return what was known at a pulse, and the prediction that counts for it."""
        state = self._state_at(edge_ns)
        is_known = state is not None and edge_ns - state.t_ns <= max_intensity_age_ns
        return AtEdge(
            published=self.before(edge_ns),
            head_from_coil=self._pose_at(edge_ns),
            intensity_pct_mso=_intensity_of(state) if state and is_known else None,
        )

    def _counts(self, one: Published, edge_ns: RigNs, intensity: float | None) -> bool:
        if one.publish_ns is None or one.publish_ns >= edge_ns:
            return False
        if abs(edge_ns - one.prediction.t_ns) > self._max_pose_age_ns:
            return False
        return is_same_intensity(one.prediction.intensity_pct_mso, intensity)

    def _state_at(self, edge_ns: RigNs) -> StimulatorState | None:
        return next((s for s in reversed(self._states) if s.t_ns <= edge_ns), None)

    def _pose_at(self, edge_ns: RigNs) -> Array | None:
        for pose in reversed(self._poses):
            if 0 <= edge_ns - pose.t_ns <= self._max_pose_age_ns:
                return pose.head_from_coil
        return None


def is_same_intensity(one_pct_mso: float | None, other_pct_mso: float | None) -> bool:
    """Return whether both are known and one setting of the stimulator.

    >>> is_same_intensity(55.3, 55.29999923706055), is_same_intensity(55.0, 55.1)
    (True, False)
    """
    if one_pct_mso is None or other_pct_mso is None:
        return False
    return abs(one_pct_mso - other_pct_mso) < SAME_INTENSITY_PCT_MSO


def _intensity_of(state: StimulatorState) -> float | None:
    return state.intensity_pct_mso if state.valid else None
