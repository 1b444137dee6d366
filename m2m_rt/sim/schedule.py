"""When the virtual lab gives its pulses and does what belongs to them."""

from dataclasses import dataclass

import numpy as np

from m2m_rt.sim.lab_settings import LabSettings, LabStream, lab_rng
from m2m_rt.units import F64

SET_AFTER_PULSE_S = 0.7
"""The next intensity is set this long after a pulse: ≥ 1.8 s before the next."""

MARKER_LATE_S = (0.010, 0.060)


@dataclass(frozen=True, slots=True)
class LabSchedule:
    """Seconds since the start, in the order of the pulses; each (n_pulses,)."""

    pulse_s: F64

    set_s: F64
    """When the pulse's intensity is set. The first one is set all along."""

    marker_s: F64
    """When the software marker of the pulse is sent, late as software is."""


def make_schedule(settings: LabSettings) -> LabSchedule:
    """Draw a lab's schedule; the same settings give the same one."""
    rng = lab_rng(settings.seed, LabStream.SCHEDULE)
    n_pulses = len(settings.pulses)
    intervals_s = rng.uniform(*settings.interval_s, n_pulses)
    intervals_s[0] = settings.first_pulse_s
    pulse_s = np.cumsum(intervals_s)
    set_s = np.append(0.0, pulse_s[:-1] + SET_AFTER_PULSE_S)
    return LabSchedule(pulse_s, set_s, pulse_s + rng.uniform(*MARKER_LATE_S, n_pulses))
