"""The navigator's process: `python -m m2m_rt.sim.navigation SETTINGS.json`."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pylsl

from m2m_rt.adapters.lsl_outlets import pose_outlet
from m2m_rt.geometry import matrix_of_navigator, quaternion_from_matrix
from m2m_rt.sim.lab_control import run_lab_process, say
from m2m_rt.sim.lab_settings import POSE_STREAM, LabSettings
from m2m_rt.sim.navigator import PoseTimeline
from m2m_rt.sim.schedule import make_schedule
from m2m_rt.units import F64

NOT_TRACKED = np.full(7, np.nan)
FINISH_AFTER_S = 0.5

BEFORE_START_S = -1000.0
"""What the time since the start is when the process begins, until it is known: the
coil rests at the first site."""


class Navigator:
    """Streams where the coil is."""

    def __init__(self, settings: LabSettings) -> None:
        """Open the stream."""
        self._period_s = 1.0 / settings.pose_hz
        schedule = make_schedule(settings)
        self._finish_s = float(schedule.pulse_s[-1]) + FINISH_AFTER_S
        self._n_pulses = len(settings.pulses)
        self._poses = PoseTimeline(settings, schedule)
        self._space = settings.navigator.space
        self._outlet = pose_outlet(
            POSE_STREAM, pose_hz=settings.pose_hz, declared=settings.navigator.declared
        )
        self._start_s = pylsl.local_clock() - BEFORE_START_S
        self._next_s = pylsl.local_clock()
        self._has_finished = False

    def start(self, start_s: float) -> None:
        """Begin the schedule at an instant of the rig clock."""
        self._start_s = start_s

    def run_until_due(self) -> None:
        """Wait for the next pose and push it; poses that are late are left out."""
        time.sleep(max(0.0, self._next_s - pylsl.local_clock()))
        now_s = pylsl.local_clock()
        self._outlet.push_sample(self._values(now_s - self._start_s).tolist(), now_s)
        missed = (now_s - self._next_s) // self._period_s
        self._next_s += (1.0 + max(0.0, missed)) * self._period_s
        if now_s - self._start_s >= self._finish_s and not self._has_finished:
            self._has_finished = True
            say(finished=self._n_pulses)

    def _values(self, since_start_s: float) -> F64:
        """Return x y z qw qx qy qz."""
        if not self._poses.is_tracked(since_start_s):
            return NOT_TRACKED
        head_from_coil = self._poses.pose_at(since_start_s)
        sent = matrix_of_navigator(head_from_coil, self._space)
        return np.concatenate((sent[:3, 3], quaternion_from_matrix(sent)))


@contextmanager
def open_navigator(settings: LabSettings) -> Iterator[Navigator]:
    """Open the stream."""
    yield Navigator(settings)


if __name__ == "__main__":
    sys.exit(run_lab_process(sys.argv[1:], open_navigator))
