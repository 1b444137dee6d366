"""The statistical model of MEPs of Goetz et al., IEEE TNSRE 27:1539 (2019).

Stimulus strength in % MSO becomes amplitude by a sigmoid in log10 amplitude with noise
before it (`e_x`) and after it (`e_y`), on top of a noise floor of extreme values. The
seven parameters of a recruitment vary together, as in that paper's population.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import ndtri

from m2m_rt.model import FLOOR_UV, MEP_PRESENT_UV
from m2m_rt.units import F64

UV_PER_V = 1e6
LEAST_REACH_PCT_MSO = 1e-3
"""The paper's epsilon."""

_MEAN = np.array((-5.0818, -2.4677, 3.64655, 0.42639, 1.66649, -0.96453, 0.68827))
"""Of p1, p2, log10 p3, log10 p4, log10 p5, log10 sd of e_y, log10 sd of e_x."""

_VARIANCE = (
    0.0035705,
    0.1261684,
    7.2027388,
    0.0474258,
    0.0071071,
    0.0227588,
    0.0236711,
)
_COVARIANCES = {(2, 3): 0.5697426, (2, 4): -0.1974620, (3, 4): -0.0151130}

_TYPICAL_SCALE_V = 1.55e-6
_TYPICAL_SHAPE = 0.14

_GRID_PCT_MSO = np.arange(0.0, 261.0)
_N_BEFORE, _N_AFTER = 31, 11

_FLOOR_EDGES = np.append(np.arange(0.0, 0.91, 0.1), 1.0 - np.geomspace(0.03, 1e-7, 7))
"""Finer at the top: some floors' tails are so heavy that little else makes the mean."""

_FLOOR_PARTS = np.diff(np.append(_FLOOR_EDGES, 1.0))
_FLOOR_AT = _FLOOR_EDGES + _FLOOR_PARTS / 2.0


@dataclass(frozen=True)
class GoetzRecruitment:
    """One recruitment curve a muscle, every array (n_muscles,)."""

    floor_log10_v: F64
    """p1: log10 of the noise floor's location."""

    top_log10_v: F64
    """p2: log10 of the largest response."""

    half: F64
    """p3: how far up the reach, to the power `steepness`, half the height is."""

    steepness: F64
    """p4"""

    start_pct_mso: F64
    """p5: stimulus below which nothing answers."""

    sd_after_log10: F64
    """Of e_y."""

    sd_before_pct_mso: F64
    """Of e_x."""

    floor_scale_v: F64
    floor_shape: F64
    """Scale and shape of the floor's extreme-value distribution."""

    def evoked_log10_v(self, stimulus_pct_mso: F64) -> F64:
        """Return log10 of the evoked size (…, n_muscles), volts, without e_y."""
        reach = np.maximum(stimulus_pct_mso - self.start_pct_mso, LEAST_REACH_PCT_MSO)
        with np.errstate(over="ignore"):
            rise = (self.top_log10_v + 7.0) / (1.0 + self.half / reach**self.steepness)
        size: F64 = rise - 7.0
        return size

    def floor_v(self, uniform: F64) -> F64:
        """Return noise floors (…, n_muscles) from numbers between 0 and 1."""
        standard = ((-np.log(uniform)) ** -self.floor_shape - 1.0) / self.floor_shape
        floor: F64 = 10.0**self.floor_log10_v + self.floor_scale_v * standard
        return floor

    def draw_uv(
        self, stimulus_pct_mso: F64, noise: tuple[F64, F64], rng: np.random.Generator
    ) -> F64:
        """Return one trial's amplitudes (…, n_muscles).

        Parameters
        ----------
        stimulus_pct_mso
            (…, n_muscles)
        noise
            e_x and e_y over their standard deviations, each as long.
        rng
            Draws the noise floor.
        """
        before, after = noise
        log10_v = self.evoked_log10_v(
            stimulus_pct_mso + self.sd_before_pct_mso * before
        )
        evoked_v = 10.0 ** (log10_v + self.sd_after_log10 * after)
        uniform = rng.uniform(1e-12, 1.0, evoked_v.shape)
        drawn_uv: F64 = UV_PER_V * (self.floor_v(uniform) + evoked_v)
        return drawn_uv

    def expected_log10_uv(self, stimulus_pct_mso: F64) -> F64:
        """Return E[log10 max(A, 5 µV)], (…, n_muscles)."""
        return _read_off(self._curves[0], stimulus_pct_mso)

    def expected_uv(self, stimulus_pct_mso: F64) -> F64:
        """Return E[max(A, 5 µV)], (…, n_muscles)."""
        return _read_off(self._curves[1], stimulus_pct_mso)

    def threshold_pct_mso(self) -> F64:
        """Return the stimulus (n_muscles,) whose typical response is 50 µV."""
        evoked_v = 10.0 ** self.evoked_log10_v(_GRID_PCT_MSO[:, np.newaxis])
        present = UV_PER_V * (evoked_v + self.floor_v(np.array(0.5))) >= MEP_PRESENT_UV
        threshold: F64 = _GRID_PCT_MSO[np.argmax(present, axis=0)]
        return threshold

    @cached_property
    def _curves(self) -> tuple[F64, F64]:
        """Both expectations on the grid, (n_grid, n_muscles), by equal parts."""
        before = self.sd_before_pct_mso * _quantiles(_N_BEFORE)[:, None, None]
        log10_v = self.evoked_log10_v(_GRID_PCT_MSO[None, :, None] + before)
        floors_v = self.floor_v(_FLOOR_AT[:, np.newaxis])  # (n_parts, m)
        log_sum, sum_uv = np.zeros(log10_v.shape[1:]), np.zeros(log10_v.shape[1:])
        for after in _quantiles(_N_AFTER):
            evoked_v = 10.0 ** (log10_v + self.sd_after_log10 * after)
            for floor_v, part in zip(floors_v, _FLOOR_PARTS, strict=True):
                uv = np.maximum(UV_PER_V * (floor_v + evoked_v), FLOOR_UV)
                log_sum += part * np.log10(uv).mean(axis=0)
                sum_uv += part * uv.mean(axis=0)
        return log_sum / _N_AFTER, sum_uv / _N_AFTER


def draw_goetz(rng: np.random.Generator, n_muscles: int) -> GoetzRecruitment:
    """Return recruitment curves, each of a person of its own that the paper keeps.

    It keeps a person who over 20…120 % MSO shows some response under 30 µV and some
    over 1 mV, all of them between 0.1 µV and 30 mV.
    """
    kept: list[GoetzRecruitment] = []
    while len(kept) < n_muscles:
        one = _draw_one(rng)
        stimuli = np.arange(20.0, 121.0)[:, np.newaxis]
        noise = rng.standard_normal((2, *stimuli.shape))
        drawn_uv = one.draw_uv(stimuli, (noise[0], noise[1]), rng)
        low, high = drawn_uv.min(), drawn_uv.max()
        if 0.1 < low < 30.0 and 1e3 < high < 30e3:
            kept.append(one)
    names = GoetzRecruitment.__dataclass_fields__
    return GoetzRecruitment(
        **{name: np.concatenate([getattr(one, name) for one in kept]) for name in names}
    )


def _draw_one(rng: np.random.Generator) -> GoetzRecruitment:
    covariance = np.diag(_VARIANCE)
    for (row, column), value in _COVARIANCES.items():
        covariance[row, column] = covariance[column, row] = value
    drawn = rng.multivariate_normal(_MEAN, covariance, size=1)  # (1, 7)
    p1, p2, log_p3, log_p4, log_p5, log_after, log_before = drawn.T
    return GoetzRecruitment(
        floor_log10_v=p1,
        top_log10_v=p2,
        half=10.0**log_p3,
        steepness=10.0**log_p4,
        start_pct_mso=10.0**log_p5,
        sd_after_log10=10.0**log_after,
        sd_before_pct_mso=10.0**log_before,
        floor_scale_v=_TYPICAL_SCALE_V * 1.5 ** rng.standard_normal(1),
        floor_shape=_TYPICAL_SHAPE * 2.0 ** rng.standard_normal(1),
    )


def _read_off(curves: F64, stimulus_pct_mso: F64) -> F64:
    """Return each muscle's own curve (n_grid, n_muscles) at (…, n_muscles)."""
    muscles = [
        np.interp(stimulus_pct_mso[..., muscle], _GRID_PCT_MSO, curve)
        for muscle, curve in enumerate(curves.T)
    ]
    return np.stack(muscles, axis=-1)


def _middles(count: int) -> F64:
    """Return the middles of equal parts of 0…1."""
    return (np.arange(count) + 0.5) / count


def _quantiles(count: int) -> F64:
    """Return as many equally likely values of a standard normal."""
    values: F64 = ndtri(_middles(count))
    return values
