"""The rig clock: Lab Streaming Layer's local clock of this machine."""

import pylsl

from m2m_rt.units import RigNs, rig_ns


class LslClock:
    """The clock that LSL stamps samples with; monotonic, untouched by wall time."""

    def now_ns(self) -> RigNs:
        """Return the present instant."""
        return rig_ns(pylsl.local_clock())
