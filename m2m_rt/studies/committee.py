"""Systems of different form asked together, each fitted once."""

from dataclasses import dataclass, field

import numpy as np

from m2m_rt.nets.paper_data import PaperData
from m2m_rt.nets.sessions import Progress
from m2m_rt.studies.systems import Fitted, Predicted, System
from m2m_rt.units import F64, I64

STUDY_WEIGHTS = (3.0, 5.0, 1.0, 1.0)
"""Of recruitment, recruitment with shared excitability, population, process; chosen on
such subjects too, by NRMSE and by the error of log10 MEPs."""


@dataclass(frozen=True, slots=True)
class Committee:
    """Their expectations averaged: where one errs, others err in other ways."""

    name: str
    members: tuple[System, ...]
    weights: tuple[float, ...]

    def fit(self, data: PaperData, training: I64, progress: Progress) -> Fitted:
        """Learn every member."""
        return FittedCommittee(
            tuple(member.fit(data, training, progress) for member in self.members),
            np.array(self.weights) / sum(self.weights),
        )


@dataclass(frozen=True, slots=True)
class FittedCommittee:
    """Fitted members; fulfils `Fitted`."""

    members: tuple[Fitted, ...]
    weights: F64
    """(n_members,), 1 together."""

    hat_trace: float = float("nan")

    @property
    def n_parameters(self) -> int:
        """All trained numbers of all members."""
        return sum(member.n_parameters for member in self.members)

    @property
    def n_effective(self) -> int:
        """Those larger than 1e-3."""
        return sum(member.n_effective for member in self.members)

    def predict(self, data: PaperData, rows: I64) -> Predicted:
        """Return the mean of what the members expect, in each scale."""
        said = [member.predict(data, rows) for member in self.members]
        return Predicted(
            amplitude_uv=self._mean([one.amplitude_uv for one in said]),
            log10_uv=self._mean([one.log10_uv for one in said]),
        )

    def _mean(self, values: list[F64]) -> F64:
        return np.asarray(np.tensordot(self.weights, np.array(values), axes=1))


@dataclass(slots=True)
class Remembered:
    """A system that, asked twice for the same fit in turn, fits once."""

    system: System
    _asked: tuple[int, bytes] | None = field(default=None, repr=False)
    _fitted: Fitted | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """The system's."""
        return self.system.name

    def fit(self, data: PaperData, training: I64, progress: Progress) -> Fitted:
        """Return the last fit if it was of these rows, or else a new one."""
        asked = (hash(data.amplitude_uv.tobytes()), training.tobytes())
        if self._fitted is None or asked != self._asked:
            self._fitted = self.system.fit(data, training, progress)
            self._asked = asked
        return self._fitted
