"""The simulated subjects that recordings are drawn from, by name."""

from collections.abc import Callable

import numpy as np

from m2m_rt.sim import Cortex, Subject, draw_foci_subject, draw_subject

DrawSubject = Callable[[np.random.Generator, Cortex], Subject]

SIMULATORS: dict[str, DrawSubject] = {
    "goetz": draw_subject,
    "foci": draw_foci_subject,
}
"""One entry a form of simulator. `goetz` has one patch of cortex a muscle and a sigmoid
after Goetz et al. (2019); `foci` has one or two wide foci, another tuning, and that
paper's statistical model as published."""
