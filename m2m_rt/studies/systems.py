"""What is compared on the paper's design: ways of predicting MEPs from the field."""

from dataclasses import dataclass
from typing import Protocol

from m2m_rt.nets.paper_data import PaperData
from m2m_rt.nets.sessions import Progress
from m2m_rt.units import F64, I64


@dataclass(frozen=True, slots=True)
class Predicted:
    """What is expected of some pulses, in the two scales that are scored."""

    amplitude_uv: F64
    """(n, n_muscles): expected amplitude."""

    log10_uv: F64
    """(n, n_muscles): expected log10 of the amplitude, floored at 5 µV. Not the log of
    the expected amplitude: the mean of a logarithm is smaller."""


class Fitted(Protocol):
    """A system that has learnt from one recording's training rows."""

    @property
    def n_parameters(self) -> int:
        """All trained numbers, of all muscles together."""
        ...

    @property
    def n_effective(self) -> int:
        """Trained numbers larger than 1e-3; `n_parameters` where nothing shrinks."""
        ...

    @property
    def hat_trace(self) -> float:
        """Trace of a linear readout's hat matrix, summed over muscles; else NaN."""
        ...

    def predict(self, data: PaperData, rows: I64) -> Predicted:
        """Return what is expected of these rows; their MEPs are not looked at."""
        ...


class System(Protocol):
    """One way of predicting MEPs from the field."""

    @property
    def name(self) -> str:
        """Key of the results, such as `pca_ridge`."""
        ...

    def fit(self, data: PaperData, training: I64, progress: Progress) -> Fitted:
        """Learn from these rows alone: scalers, components, settings, all of it."""
        ...
