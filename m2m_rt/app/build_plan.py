"""How far a whole build is and how long it will still take, from its steps' reports."""

from collections.abc import Sequence
from dataclasses import dataclass, field

PRIOR_S = 60.0
"""The plan's own seconds count as much as this long a part of the build."""


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One step of a build, named as it reports itself."""

    name: str
    seconds: float
    """What it takes on the demo head, one thread; only the ratios matter later on."""


TETRAHEDRA = PlannedStep("tetrahedra", 420.0)
FINER_MESH = PlannedStep("finer mesh", 120.0)
HEAD = (
    PlannedStep("region and scalp", 120.0),
    FINER_MESH,
    PlannedStep("assembly", 40.0),
    PlannedStep("sources and sensors", 20.0),
    PlannedStep("source modes", 300.0),
)
COIL = (PlannedStep("coil at the sensors", 15.0), PlannedStep("direct solves", 200.0))
REFERENCE = PlannedStep("reference", 200.0)
CONDUCTIVITIES = PlannedStep("conductivities", 150.0)


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
    names = [""] if len(coils) == 1 else [f", {coil}" for coil in coils]
    each = [(step, name) for name in names for step in COIL]
    each += [(REFERENCE, name) for name in names]
    steps = [step for step in HEAD if not (is_adapted and step == FINER_MESH)]
    if tissues is not None:
        steps = [PlannedStep(tissues, 20.0), TETRAHEDRA, *steps]
    steps += [PlannedStep(step.name + name, step.seconds) for step, name in each]
    return [*steps, CONDUCTIVITIES]


@dataclass(slots=True)
class WholeBuild:
    """Sums the reports of steps up; what an earlier run has done took no time."""

    plan: Sequence[PlannedStep]
    started_s: float
    """On any clock."""

    _done: list[float] = field(init=False)
    _before: list[float] = field(init=False)
    _latest: int = field(init=False, default=-1)

    def __post_init__(self) -> None:
        """Begin with nothing done."""
        self._done = [0.0] * len(self.plan)
        self._before = [0.0] * len(self.plan)

    def report(self, step: str, done: float) -> list[str]:
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
        return found

    @property
    def fraction(self) -> float:
        """Of the whole build, 0…1."""
        return self._seconds(self._done) / self._seconds([1.0] * len(self.plan))

    def remaining_s(self, now_s: float) -> float:
        """Return how long the rest will take, at the speed of this run so far."""
        done_now = self._seconds(self._done) - self._seconds(self._before)
        slowness = (now_s - self.started_s + PRIOR_S) / (done_now + PRIOR_S)
        return slowness * self._seconds([1.0 - done for done in self._done])

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
