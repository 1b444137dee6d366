"""Where the coil is at any time of a virtual session: held, moved, not tracked."""

from dataclasses import dataclass

import numpy as np

from m2m_rt.geometry import matrix_from_quaternion, quaternion_from_matrix
from m2m_rt.sim.lab_settings import LabSettings, LabStream, lab_rng
from m2m_rt.sim.schedule import LabSchedule
from m2m_rt.units import F64

HOLD_AFTER_PULSE_S = 0.2
MOVE_S = (0.6, 1.0)
"""Shortest and longest move to the next site."""

LIFT = 0.2
"""How high the coil is lifted on its way, over the length of the way."""

UNTRACKED_S = (0.1, 0.35)

_JITTER_HZ = np.array((0.13, 0.27, 0.71, 1.9, 8.7))
"""Sway, breathing, two movements of the holder's arm, tremor."""

_JITTER_PART = np.array((0.5, 0.6, 0.5, 0.3, 0.07))

_JITTER_OF_AXIS = np.array((1.0, 1.0, 1 / 3, 0.5, 0.5, 1.0))
"""Along x, y, z of the coil, then about them."""


@dataclass(frozen=True, slots=True)
class _Moves:
    """The moves to each site but the first; seconds since the start, (n − 1,)."""

    begin_s: F64
    end_s: F64
    lost_from_s: F64
    """NaN where the coil stays tracked."""

    lost_to_s: F64


class PoseTimeline:
    """The coil's pose as a function of the time since the session's start.

    The coil rests at the site of the next pulse from at least a second before it
    until 0.2 s after it. Every process that makes one from the same settings gets the
    same poses.
    """

    def __init__(self, settings: LabSettings, schedule: LabSchedule) -> None:
        """Draw moves and jitter."""
        rng = lab_rng(settings.seed, LabStream.MOVES)
        sites = np.array([pulse.head_from_coil for pulse in settings.pulses])
        self._sites_mm = sites[:, :3, 3]
        self._site_turns = np.array([quaternion_from_matrix(site) for site in sites])
        self._outward = -sites[:, :3, 2]
        self._moves = _draw_moves(
            schedule.pulse_s, settings.nastiness.untracked_rate, rng
        )
        part = _JITTER_PART / np.sqrt(0.5 * (_JITTER_PART**2).sum())  # RMS 1
        nasty = settings.nastiness
        scale = np.repeat((nasty.jitter_mm, np.radians(nasty.jitter_deg)), 3)
        self._jitter = np.outer(scale * _JITTER_OF_AXIS, part)  # (6, n_frequencies)
        self._phase = rng.uniform(0.0, 2.0 * np.pi, self._jitter.shape)

    def pose_at(self, since_start_s: float) -> F64:
        """Return the true `head_from_coil` (4, 4); before the start, at rest too."""
        head_from_coil = self._held(since_start_s)
        angle = 2.0 * np.pi * _JITTER_HZ * since_start_s + self._phase
        jitter = (self._jitter * np.sin(angle)).sum(axis=1)  # (6,)
        moved = matrix_from_quaternion(jitter[:3], np.append(1.0, jitter[3:] / 2.0))
        return head_from_coil @ moved

    def is_tracked(self, since_start_s: float) -> bool:
        """Return whether the navigator sees the coil."""
        lost = self._moves.lost_from_s <= since_start_s
        return not np.any(lost & (since_start_s < self._moves.lost_to_s))

    def _held(self, since_start_s: float) -> F64:
        """Return the pose that is meant, without jitter."""
        begun = int(np.searchsorted(self._moves.begin_s, since_start_s, side="right"))
        if begun == 0:
            return matrix_from_quaternion(self._sites_mm[0], self._site_turns[0])
        begin_s = self._moves.begin_s[begun - 1]
        length_s = self._moves.end_s[begun - 1] - begin_s
        u = min(1.0, (since_start_s - begin_s) / length_s)
        done = u**3 * (10.0 - 15.0 * u + 6.0 * u**2)  # minimum jerk
        here_mm, there_mm = self._sites_mm[begun - 1 : begun + 1]
        way_mm = there_mm - here_mm
        # The scalp is curved: the straight way would lead through the head.
        lift_mm = 4.0 * done * (1.0 - done) * LIFT * np.linalg.norm(way_mm)
        turn, next_turn = self._site_turns[begun - 1 : begun + 1]
        next_turn = next_turn * (1.0 if turn @ next_turn >= 0 else -1.0)
        return matrix_from_quaternion(
            here_mm + done * way_mm + lift_mm * self._outward[begun - 1],
            (1.0 - done) * turn + done * next_turn,
        )


def _draw_moves(
    pulse_s: F64, untracked_rate: float, rng: np.random.Generator
) -> _Moves:
    n_moves = len(pulse_s) - 1
    begin_s = pulse_s[:-1] + HOLD_AFTER_PULSE_S
    end_s = begin_s + rng.uniform(*MOVE_S, n_moves)
    is_lost = rng.random(n_moves) < untracked_rate
    lost_from_s = np.where(is_lost, begin_s + 0.1, np.nan)
    return _Moves(
        begin_s, end_s, lost_from_s, lost_from_s + rng.uniform(*UNTRACKED_S, n_moves)
    )
