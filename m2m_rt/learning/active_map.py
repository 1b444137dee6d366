"""Active mapping: where to stimulate next so that the whole map is known soonest.

The square root of the MEP is a Gaussian process whose amplitude differs from place to
place: most of a map does not answer at all, and next to a site that answers others are
likely to. The next site is that which is expected to take most variance, summed over
the map, from the *squared* field, which is the MEP.
"""

from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta
from scipy.linalg import cho_solve, solve_triangular

from m2m_rt.learning.map_kernel import squared_distance
from m2m_rt.units import F64, I64, Bools

Positive = Annotated[float, Meta(gt=0)]


class ActiveSettings(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True
):
    """What is believed of a map before its first pulse.

    None is fitted; the two that decide where it looks next are averaged over.
    """

    length_mm: Positive = 2.5
    """Over which the root of the MEP keeps its value. The default is two thirds of
    3.75 mm, the usual spacing of an interpolated map; known or fitted is better."""

    amplitude_lengths_mm: tuple[float, ...] = (5.0, 8.0, 12.0)
    """Over which sites answer alike in size: from a third to the whole half width of a
    coil's field. Nobody knows it beforehand, so it is averaged over."""

    prior_weights: tuple[float, ...] = (0.2, 1.0)
    """How many sites the belief that nothing answers is worth; averaged over too."""

    silent_root_uv: Positive = 4.0
    """Square root of the amplitude of sites that do not answer: 16 µV, the amplifier's
    floor and little more."""

    answer_sd_root_uv: Positive = 0.3
    """Noise of an answer at the floor; keeps the process from interpolating."""

    answer_relative_sd: Annotated[float, Meta(ge=0)] = 0.0
    """Noise of an answer over the size of its root; 0 for noise-free answers, 0.29 for
    single MEPs with a trial spread of 0.25 log10."""

    n_candidates: Annotated[int, Meta(gt=0)] = 300
    """Of all candidates, so many of the greatest own variance are judged in full."""


class ActiveMap:
    """Belief over a map on fixed candidate sites, one query after the other."""

    def __init__(self, settings: ActiveSettings, candidates_mm: F64) -> None:
        """Begin with no answer; candidates (m, k) are sites and the map's area too."""
        self.settings = settings
        self.candidates_mm = candidates_mm
        self.queried_mm = np.zeros((0, candidates_mm.shape[1]))
        self.root_uv = np.zeros(0)
        self._near = np.zeros((len(candidates_mm), 0))
        self._alike = [
            np.zeros((len(candidates_mm), 0)) for _ in settings.amplitude_lengths_mm
        ]

    def learn(self, position_mm: F64, root_uv: float) -> None:
        """Learn the root of the MEP at one site (k,)."""
        self.queried_mm = np.vstack((self.queried_mm, position_mm))
        self.root_uv = np.append(self.root_uv, root_uv)
        apart2 = squared_distance(self.candidates_mm, position_mm[np.newaxis])
        self._near = np.hstack((self._near, _bell(apart2, self.settings.length_mm)))
        self._alike = [
            np.hstack((alike, _bell(apart2, length)))
            for alike, length in zip(
                self._alike, self.settings.amplitude_lengths_mm, strict=True
            )
        ]

    def next_query(self, allowed: Bools) -> int:
        """Return the candidate to stimulate next, among the allowed ones (m,).

        Raises
        ------
        ValueError
            If none is allowed.
        """
        if not allowed.any():
            raise ValueError("no candidate is allowed")
        beliefs = [
            _Belief(part, self._near, self._alike[part.length_row])
            for part in self._parts()
        ]
        own = sum(belief.own_variance_of_square() / len(beliefs) for belief in beliefs)
        ranked = np.argsort(np.where(allowed, own, -1.0), kind="stable")
        judged = ranked[-min(self.settings.n_candidates, int(allowed.sum())) :]
        apart2 = squared_distance(self.candidates_mm, self.candidates_mm[judged])
        near = _bell(apart2, self.settings.length_mm)
        gain = np.zeros(len(judged))
        for belief in beliefs:
            gain += belief.expected_reduction(judged, near)
        return int(judged[int(np.argmax(gain))])

    def estimate_root_uv(self, points_mm: F64) -> F64:
        """Return (n,) the root of the MEP expected at any points (n, k)."""
        apart2 = squared_distance(points_mm, self.queried_mm)
        near = _bell(apart2, self.settings.length_mm)
        parts = self._parts()
        total = np.zeros(len(points_mm))
        for row, length in enumerate(self.settings.amplitude_lengths_mm):
            alike = _bell(apart2, length)
            for part in parts:
                if part.length_row == row:
                    amplitude = part.amplitude(alike)
                    total += amplitude * (near @ (part.own_amplitude * part.weights))
        return total / len(parts)

    def _parts(self) -> "list[_Part]":
        apart2 = squared_distance(self.queried_mm, self.queried_mm)
        near = _bell(apart2, self.settings.length_mm)
        return [
            _Part(self, near, _bell(apart2, length), (row, weight))
            for row, length in enumerate(self.settings.amplitude_lengths_mm)
            for weight in self.settings.prior_weights
        ]


class _Part:
    """The process under one belief of how its amplitude varies."""

    def __init__(
        self, active: ActiveMap, near: F64, alike: F64, belief: tuple[int, float]
    ) -> None:
        self.settings = active.settings
        self.length_row, self.prior_weight = belief
        self.root_uv = active.root_uv
        self.own_amplitude = self.amplitude(alike)
        gram = self.own_amplitude[:, np.newaxis] * self.own_amplitude * near
        gram[np.diag_indices_from(gram)] += self.noise_variance(self.own_amplitude)
        self.factor = np.linalg.cholesky(gram)
        self.weights = cho_solve((self.factor, True), self.root_uv)

    def amplitude(self, alike: F64) -> F64:
        """Return (n,) the process' sd where queries weigh `alike` (n, n_queried)."""
        silent = self.prior_weight * self.settings.silent_root_uv**2
        square = silent + alike @ self.root_uv**2
        return np.asarray(np.sqrt(square / (self.prior_weight + alike.sum(axis=1))))

    def noise_variance(self, amplitude: F64) -> F64:
        """Return (n,) the variance of an answer's noise."""
        relative = (self.settings.answer_relative_sd * amplitude) ** 2
        return np.asarray(self.settings.answer_sd_root_uv**2 + relative)


class _Belief:
    """What one part believes of every candidate."""

    def __init__(self, part: _Part, near: F64, alike: F64) -> None:
        self.amplitude = part.amplitude(alike)  # (m,)
        cross = self.amplitude[:, np.newaxis] * part.own_amplitude * near
        self.mean = cross @ part.weights
        self.rows = solve_triangular(part.factor, cross.T, lower=True)  # (n, m)
        left = self.amplitude**2 - np.sum(self.rows**2, axis=0)
        self.variance = np.maximum(left, 0.0)
        self.noise = part.noise_variance(self.amplitude)

    def own_variance_of_square(self) -> F64:
        """Return (m,): var f² = 4 μ² v + 2 v², a query's worth on its own."""
        square = 4.0 * self.mean**2 + 2.0 * self.variance
        return np.asarray(square * self.variance)

    def expected_reduction(self, judged: I64, near: F64) -> F64:
        """Return (n_judged,): variance of f² that each query is expected to take.

        A query at c takes r = cov(x, c)² / var(answer at c) from v(x), and moves μ by a
        variance of r, so that E var f² falls by 4 μ² r + 2 r² at x.
        """
        prior = self.amplitude[:, np.newaxis] * self.amplitude[judged] * near
        shared = prior - self.rows.T @ self.rows[:, judged]  # (m, n_judged)
        taken = shared**2 / (self.variance + self.noise)[judged]
        total: F64 = (4.0 * self.mean**2) @ taken + 2.0 * np.sum(taken**2, axis=0)
        return total


def spread_out(points_mm: F64, count: int, rng: np.random.Generator) -> I64:
    """Return rows of `count` points, each as far as can be from those before it.

    The first is drawn; this is the greedy maximin design (Gonzalez, Theor Comput Sci
    38:293, 1985).
    """
    chosen = [int(rng.integers(len(points_mm)))]
    nearest2 = squared_distance(points_mm, points_mm[chosen])[:, 0]
    while len(chosen) < min(count, len(points_mm)):
        chosen.append(int(np.argmax(nearest2)))
        again2 = squared_distance(points_mm, points_mm[chosen[-1:]])[:, 0]
        nearest2 = np.minimum(nearest2, again2)
    return np.asarray(chosen, dtype=np.int64)


def _bell(apart2_mm2: F64, length_mm: float) -> F64:
    return np.asarray(np.exp(-0.5 * apart2_mm2 / length_mm**2))
