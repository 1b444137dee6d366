"""Which pulses teach and which test: three questions asked of one recording."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from m2m_rt.nets.paper_data import PaperDesign, PaperPulses, split_inside_intensities
from m2m_rt.units import F64, I64, Bools

BLOCK_MM = 6.0
"""Edge of the squares of scalp that are left out whole: their pulses' nearest training
pulse is 2 mm away (median), that of the random split's 0.9 mm."""

BLOCKED_SHARE = 0.2
"""Least part of the pulses that the blocked squares hold."""


class SplitName(StrEnum):
    """The questions."""

    RANDOM = "random"
    """As published: a tenth of each intensity, at random. Interpolation."""

    SITE_BLOCKED = "site_blocked"
    """Whole squares of scalp: places where the coil has not been."""

    LEAVE_ONE_INTENSITY_OUT = "leave_one_intensity_out"
    """Each intensity in turn, with its poses: between and beyond the others."""


@dataclass(frozen=True, slots=True)
class Fold:
    """One training and its test."""

    training: I64

    test: I64

    seen_fields: I64
    """Rows whose fields, never MEPs, the autoencoder learns from."""


@dataclass(frozen=True, slots=True)
class Split:
    """One question: its folds test no row twice."""

    name: SplitName
    folds: tuple[Fold, ...]


def paper_split(
    name: SplitName,
    pulses: PaperPulses,
    design: PaperDesign,
    *,
    planned_head_from_coil: F64,
    seed: int,
) -> Split:
    """Return one split of a recording's pulses.

    Every intensity and every site is held out once, a fold after another.

    Leaving an intensity out, the autoencoder is that of the random split: it has seen
    fields of all intensities. Poses are planned, so their fields are known before any
    answer is; what this could give the networks, it gives them and not their rivals.
    """
    rng = np.random.default_rng(seed)
    training, test = split_inside_intensities(design, rng)
    if name is SplitName.RANDOM:
        return Split(name, (Fold(training, test, training),))
    if name is SplitName.SITE_BLOCKED:
        blocks = _site_blocks(pulses, planned_head_from_coil, rng)
        return Split(name, tuple(_fold(blocked) for blocked in blocks))
    levels = np.unique(pulses.intensity_pct_rmt)
    folds = tuple(
        _fold(pulses.intensity_pct_rmt == level, training) for level in levels
    )
    return Split(name, folds)


def _site_blocks(
    pulses: PaperPulses, planned_head_from_coil: F64, rng: np.random.Generator
) -> list[Bools]:
    """Return masks (n,), True in squares drawn until they hold a fold's share.

    Together they hold every pulse once; the last one holds what is left.
    """
    from_planned = pulses.head_from_coil[:, :3, 3] - planned_head_from_coil[:3, 3]
    flat_mm = from_planned @ planned_head_from_coil[:3, :2]  # (n, 2)
    square = np.floor(flat_mm / BLOCK_MM).astype(np.int64)
    _, number = np.unique(square, axis=0, return_inverse=True)
    blocks = [np.zeros(len(number), np.bool_)]
    for drawn in rng.permutation(number.max() + 1):
        if blocks[-1].mean() >= BLOCKED_SHARE:
            blocks.append(np.zeros(len(number), np.bool_))
        blocks[-1] |= number.ravel() == drawn
    return blocks


def _fold(tested: Bools, seen_fields: I64 | None = None) -> Fold:
    training = np.flatnonzero(~tested)
    seen = training if seen_fields is None else seen_fields
    return Fold(training, np.flatnonzero(tested), seen)
