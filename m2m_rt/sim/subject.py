"""A virtual subject: E-field in, MEPs of 15 muscles out.

A muscle's drive is the largest E·(its own direction) over its own small patch of
cortex. Drive becomes MEP size by a sigmoid in log10 amplitude with noise before and
after it (after Goetz et al., IEEE TNSRE 27:1539, 2019); part of the noise is shared by
all muscles, as cortical excitability is.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from m2m_rt.model import FLOOR_UV, MEP_PRESENT_UV
from m2m_rt.units import F32, F64, I64

_LEAST_LOG10_UV = -1.0
"""Amplitude without drive, 10⁻⁷ V in Goetz's model: far below every noise floor."""

_DRIVES = np.linspace(0.0, 4.0, 401)
"""Over threshold: where expectations are worked out, and interpolated between."""


class Subject(Protocol):
    """Whoever answers fields (…, n_roi, 3) in V/m with MEPs (…, n_muscles)."""

    def draw_uv(self, efield_v_per_m: F32, rng: np.random.Generator) -> F64:
        """Return one trial's amplitudes, the noise floor in them."""
        ...

    def expected_uv(self, efield_v_per_m: F32) -> F64:
        """Return the true mean of max(A, 5 µV)."""
        ...

    def expected_log10_uv(self, efield_v_per_m: F32) -> F64:
        """Return the true mean of log10(max(A, 5 µV))."""
        ...


@dataclass(frozen=True, slots=True)
class Recruitment:
    """How drive becomes MEP size, one entry a muscle."""

    threshold_v_per_m: F64
    """(n_muscles,): drive that gives a median MEP of 50 µV."""

    foot: F64
    """(n_muscles,): drive over threshold below which nothing answers."""

    steepness: F64
    """(n_muscles,): exponent of the sigmoid, Goetz's p4."""

    saturation_log10_uv: F64
    """(n_muscles,)"""

    input_noise: F64
    """(n_muscles,): sd of the noise added to drive over threshold."""

    output_noise_log10: F64
    """(n_muscles,): sd of the noise of the evoked size."""

    shared: float
    """Part of both noises' variance that all muscles have in common, 0…1."""

    floor_uv: F64
    """(n_muscles,): median peak to peak without any response."""

    floor_spread_log10: float
    """Trial spread of that floor."""

    def evoked_log10_uv(self, drive: F64) -> F64:
        """Return the size (…, n_muscles) evoked by noisy drive over threshold."""
        reach = np.maximum(drive - self.foot, 1e-6) / (1.0 - self.foot)
        height = self.saturation_log10_uv - _LEAST_LOG10_UV
        present = np.log10(MEP_PRESENT_UV) - _LEAST_LOG10_UV
        bend = height / present - 1.0  # so that threshold drive evokes 50 µV
        size: F64 = _LEAST_LOG10_UV + height / (1.0 + bend * reach**-self.steepness)
        return size


@dataclass(frozen=True)
class VirtualSubject:
    """One person's motor cortex and muscles."""

    patches: tuple[I64, ...]
    """Of each muscle, the ROI points of its cortical patch."""

    directions: F64
    """(n_muscles, 3): unit vectors, head frame; field along them excites."""

    recruitment: Recruitment

    def drive_v_per_m(self, efield_v_per_m: F32) -> F64:
        """Return drives (…, n_muscles) of fields (…, n_roi, 3)."""
        drives = [
            (efield_v_per_m[..., patch, :] @ direction).max(axis=-1)
            for patch, direction in zip(self.patches, self.directions, strict=True)
        ]
        return np.stack(drives, axis=-1).astype(np.float64)

    def draw_uv(self, efield_v_per_m: F32, rng: np.random.Generator) -> F64:
        """Return one trial's amplitudes (…, n_muscles) with the noise floor in them."""
        evoked = self.draw_evoked_uv(efield_v_per_m, rng)
        spread = self.recruitment.floor_spread_log10
        floor = 10.0 ** (spread * rng.standard_normal(evoked.shape))
        return np.hypot(evoked, self.recruitment.floor_uv * floor)

    def draw_evoked_uv(self, efield_v_per_m: F32, rng: np.random.Generator) -> F64:
        """Return one trial's evoked amplitudes (…, n_muscles), nothing else in them."""
        body = self.recruitment
        drive = self.drive_v_per_m(efield_v_per_m) / body.threshold_v_per_m
        before = body.input_noise * partly_shared(drive.shape, body.shared, rng)
        after = body.output_noise_log10 * partly_shared(drive.shape, body.shared, rng)
        evoked: F64 = 10.0 ** (body.evoked_log10_uv(drive + before) + after)
        return evoked

    def expected_log10_uv(self, efield_v_per_m: F32) -> F64:
        """Return the true mean of log10(max(A, 5 µV)), (…, n_muscles): the ceiling."""
        return self._interpolated(efield_v_per_m, self._mean_log10_uv)

    def expected_uv(self, efield_v_per_m: F32) -> F64:
        """Return the true mean of max(A, 5 µV), (…, n_muscles)."""
        return 10.0 ** self._interpolated(efield_v_per_m, self._log10_mean_uv)

    def _interpolated(self, efield_v_per_m: F32, curves: F64) -> F64:
        drive = self.drive_v_per_m(efield_v_per_m) / self.recruitment.threshold_v_per_m
        muscles = [
            np.interp(drive[..., muscle], _DRIVES, curve)
            for muscle, curve in enumerate(curves.T)
        ]
        return np.stack(muscles, axis=-1)

    @cached_property
    def _mean_log10_uv(self) -> F64:
        """Expectations (n_drives, n_muscles)."""
        return expected_over_drive(self.recruitment, _DRIVES)

    @cached_property
    def _log10_mean_uv(self) -> F64:
        """Mean amplitudes (n_drives, n_muscles), as what is interpolated best."""
        return np.log10(mean_uv_over_drive(self.recruitment, _DRIVES))


def expected_over_drive(recruitment: Recruitment, drive: F64) -> F64:
    """Return E[log10 max(A, 5 µV)] (n, n_muscles) at drives over threshold (n,)."""
    return _over_noise(recruitment, drive, np.log10)


def mean_uv_over_drive(recruitment: Recruitment, drive: F64) -> F64:
    """Return E[max(A, 5 µV)] (n, n_muscles) at drives over threshold (n,)."""
    return _over_noise(recruitment, drive, np.asarray)


def _over_noise(
    recruitment: Recruitment, drive: F64, scale: Callable[[F64], F64]
) -> F64:
    """Return the mean of `scale` of the amplitude.

    By Gauss-Hermite quadrature over the three noises; the sigmoid is smooth and the
    nodes are many enough for 0.005 log10 (tests compare it with draws).
    """
    nodes, weights = np.polynomial.hermite_e.hermegauss(15)
    weights = weights / weights.sum()
    before = recruitment.input_noise * nodes[:, np.newaxis, np.newaxis]
    evoked = recruitment.evoked_log10_uv(drive[:, np.newaxis] + before)  # (15, n, m)
    total = np.zeros(evoked.shape[1:])
    for node, weight in zip(nodes, weights, strict=True):
        size_uv = 10.0 ** (evoked + recruitment.output_noise_log10 * node)
        for floor_node, floor_weight in zip(nodes[3:12], weights[3:12], strict=True):
            floor_uv = recruitment.floor_uv * 10.0 ** (
                recruitment.floor_spread_log10 * floor_node
            )
            sizes = scale(np.maximum(np.hypot(size_uv, floor_uv), FLOOR_UV))
            total += weight * floor_weight * np.tensordot(weights, sizes, axes=1)
    expected: F64 = total / weights[3:12].sum()
    return expected


def measure_rmt_pct_mso(
    subject: Subject, efield_at_1_pct_v_per_m: F32, rng: np.random.Generator
) -> int:
    """Return the first muscle's resting threshold as an operator would find it.

    Relative frequency: the least intensity with ≥ 5 of 10 MEPs ≥ 50 µV, from above in
    steps of 2 % MSO, then back up in steps of 1 %.

    Parameters
    ----------
    subject
        Who is stimulated.
    efield_at_1_pct_v_per_m
        (n_roi, 3): field at 1 % MSO in the pose where the threshold is measured.
    rng
        Draws the MEPs.
    """

    def answers(intensity_pct_mso: int) -> bool:
        fields = np.broadcast_to(
            efield_at_1_pct_v_per_m * np.float32(intensity_pct_mso),
            (10, *efield_at_1_pct_v_per_m.shape),
        )
        return bool(np.sum(subject.draw_uv(fields, rng)[:, 0] >= MEP_PRESENT_UV) >= 5)

    intensity = 80
    while intensity > 2 and answers(intensity):
        intensity -= 2
    while intensity < 100 and not answers(intensity):
        intensity += 1
    return intensity


def partly_shared(
    shape: tuple[int, ...], shared: float, rng: np.random.Generator
) -> F64:
    """Return unit-variance noise (…, n_muscles), part of it common to all muscles."""
    common = rng.standard_normal((*shape[:-1], 1))
    own = rng.standard_normal(shape)
    noise: F64 = np.sqrt(shared) * common + np.sqrt(1.0 - shared) * own
    return noise
