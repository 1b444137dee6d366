"""The simulated subjects that recordings are drawn from, by name."""

from collections.abc import Callable

import numpy as np

from m2m_rt.sim import Cortex, Subject, draw_foci_subject, draw_subject

DrawSubject = Callable[[np.random.Generator, Cortex], Subject]

SIMULATORS: dict[str, DrawSubject] = {
    "goetz": draw_subject,
    "foci": draw_foci_subject,
}
"""One entry a form of simulator; their subjects share nothing but the cortex."""
