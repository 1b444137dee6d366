"""How large a study of adaptation is, and what it gives."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from m2m_rt.nets.sessions import Progress

T = TypeVar("T")

Figures = dict[str, object]
"""What goes into the JSON file."""


@dataclass(frozen=True, slots=True)
class AdaptPlan:
    """How large a study is."""

    n_subjects: int
    """In every world."""

    seed: int
    runs_a_subject: int = 5
    """Sessions of every change, for each subject."""

    unchanged_a_subject: int = 3
    """Sessions without a change, with natural drift, and as many without."""

    n_poses: int = 1000
    """Of the pool that sessions draw from."""


def quick_plan(seed: int) -> AdaptPlan:
    """Return a try: one subject, all that the study does."""
    return AdaptPlan(
        n_subjects=1, seed=seed, runs_a_subject=2, unchanged_a_subject=1, n_poses=150
    )


def each(stage: str, n: int, progress: Progress, make: Callable[[int], T]) -> list[T]:
    """Return what is made of 0 … n − 1, saying how far it is."""
    made = []
    for index in range(n):
        made.append(make(index))
        progress(stage, index + 1, n)
    return made
