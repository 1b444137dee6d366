"""How far a whole build is and how long it will still take, from its steps' reports."""

from collections.abc import Sequence
from dataclasses import dataclass, field

PRIOR_S = 60.0
"""The plan's own seconds count as much as this long a part of the build."""

OVERDUE = 0.1
"""A step that takes longer than planned will take this part of its wait longer."""

MEASURED_S = {
    "tissues from surfaces": 20.0,
    "tissues from labels": 20.0,
    "tetrahedra": 900.0,
    "region and scalp": 80.0,
    "finer mesh": 90.0,
    "assembly": 45.0,
    "sources and sensors": 8.0,
    "source modes": 180.0,
    "coil at the sensors": 8.0,
    "direct solves": 150.0,
    "reference": 110.0,
    "conductivities": 80.0,
    "finer mesh for SimNIBS": 30.0,
}
"""Seconds of every step that a build reports, demo head, one thread. What remains is
told at the speed seen so far, so only the ratios matter after the first minute."""

OF_HEAD = ("region and scalp", "finer mesh", "assembly")
OF_MODES = ("sources and sensors", "source modes")
OF_COIL = ("coil at the sensors", "direct solves")
MESHING = "tetrahedra"


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One step of a build, named as it reports itself."""

    name: str
    seconds: float


def planned_steps(
    coils: Sequence[str], *, tissues: str | None, is_adapted: bool
) -> list[PlannedStep]:
    """Return the steps of a build for coils of these names, in their order.

    Parameters
    ----------
    tissues
        The step that a mesh begins with; None for a head that comes meshed.
    is_adapted
        The mesh is a table's and is not refined again.
    """
    endings = [""] if len(coils) == 1 else [f", {coil}" for coil in coils]
    of_coils = [(step, ending) for ending in endings for step in OF_COIL]
    of_coils += [("reference", ending) for ending in endings]
    of_mesh = [] if tissues is None else [tissues, MESHING]
    of_head = [s for s in OF_HEAD if not (is_adapted and s == "finer mesh")]
    return [
        *_steps(of_mesh, of_head, OF_MODES),
        *(PlannedStep(step + ending, MEASURED_S[step]) for step, ending in of_coils),
        *_steps(["conductivities"]),
    ]


def planned_with_simnibs(*, is_job: bool) -> list[PlannedStep]:
    """Return the steps before SimNIBS' solves, or those that finish from them."""
    last = "finer mesh for SimNIBS" if is_job else "coil at the sensors"
    return _steps(("region and scalp", "sources and sensors", last))


@dataclass(slots=True)
class WholeBuild:
    """Sums the reports of steps up; what an earlier run has done took no time."""

    plan: Sequence[PlannedStep]
    started_s: float
    """On any clock."""

    _done: list[float] = field(init=False)
    _before: list[float] = field(init=False)
    _latest: int = field(init=False, default=-1)
    _reported_s: float = field(init=False)

    def __post_init__(self) -> None:
        """Begin with nothing done."""
        self._done = [0.0] * len(self.plan)
        self._before = [0.0] * len(self.plan)
        self._reported_s = self.started_s

    def report(self, step: str, done: float, now_s: float) -> list[str]:
        """Take one report; return what turns out to have been done before.

        Parameters
        ----------
        step
            A planned name, perhaps with a remark in brackets; others change nothing.
        """
        place = self._place(step)
        if place is None or place < self._latest:
            return []
        found = []
        if place > self._latest:
            found = self._skipped(place)
            if done > 0.0:
                found.append(f"{done:.0%} of {self.plan[place].name}")
            self._before[place] = done
            self._latest = place
        self._done[place] = done
        self._reported_s = now_s
        return found

    @property
    def fraction(self) -> float:
        """Of the whole build, 0…1."""
        return self._seconds(self._done) / self._seconds([1.0] * len(self.plan))

    def remaining_s(self, now_s: float) -> float:
        """Return how long the rest will take, at the speed of this run so far.

        A step that has not reported for a while, as meshing never does, is taken to go
        on at that speed; once it is overdue, its rest is a part of the wait.
        """
        done_now = self._seconds(self._done) - self._seconds(self._before)
        timed_s = self._reported_s - self.started_s
        slowness = (timed_s + PRIOR_S) / (done_now + PRIOR_S)
        left_s = [
            slowness * (1.0 - done) * step.seconds
            for done, step in zip(self._done, self.plan, strict=True)
        ]
        running_s = left_s[self._latest] if self._latest >= 0 else 0.0
        waited_s = now_s - self._reported_s
        rest_s = 0.0
        if running_s > 0.0:
            rest_s = max(running_s - waited_s, OVERDUE * waited_s)
        return sum(left_s) - running_s + rest_s

    def finish(self) -> None:
        """Count everything as done."""
        self._done = [1.0] * len(self.plan)

    def _skipped(self, place: int) -> list[str]:
        """Count all steps before a place as done; name those that never reported."""
        skipped = range(self._latest + 1, place)
        for k in range(place):
            self._done[k] = 1.0
        for k in skipped:
            self._before[k] = 1.0
        return [self.plan[k].name for k in skipped]

    def _place(self, step: str) -> int | None:
        name = step.partition(" (")[0]
        names = [each.name for each in self.plan]
        return names.index(name) if name in names else None

    def _seconds(self, fractions: Sequence[float]) -> float:
        return sum(
            part * step.seconds for part, step in zip(fractions, self.plan, strict=True)
        )


def _steps(*names: Sequence[str]) -> list[PlannedStep]:
    return [PlannedStep(name, MEASURED_S[name]) for part in names for name in part]
