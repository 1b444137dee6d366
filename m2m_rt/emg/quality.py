"""Why the MEP of one muscle may not be learnt from.

Its amplitude is reported all the same. The rules are asked in the order of
``QualityReason``; the first that holds is the reason.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from m2m_rt.emg.background import Background
from m2m_rt.emg.epochs import Epoch
from m2m_rt.emg.settings import MepSettings
from m2m_rt.emg.windows import EpochRows
from m2m_rt.units import F64, Bools

_CUT_LEAST_UV = 1000.0
"""Below it a smooth peak may sit on one step of a 16-bit converter for 1 ms."""

_CUT_LEAST_MS = 1.0
"""How long a raw MEP must stay at exactly its extreme to be called cut."""


class QualityReason(StrEnum):
    """What is wrong with an MEP, the worst first."""

    GAP = "gap"
    """Rows are missing from the epoch, or it begins before the stream."""

    NOT_FINITE = "not_finite"
    """The epoch holds a NaN or an infinity."""

    FLAT = "flat"
    """The raw background or window does not move: not connected, or railed."""

    CLIPPED = "clipped"
    """The raw window reaches the amplifier's range, or is cut at its extreme."""

    SECOND_PULSE = "second_pulse"
    """Another edge lies between this one and the end of the window."""

    HUM = "hum"
    """Mains hum above its limit: a loose electrode."""

    NOISE = "noise"
    """Broadband noise far above any rest: a bad electrode or a contraction."""

    PREACTIVATION = "preactivation"
    """The muscle was active before the pulse."""

    ARTEFACT = "artefact"
    """The window is largest in its first row: the artefact is not over."""


@dataclass(frozen=True, slots=True)
class WindowExtremes:
    """The filtered window of each muscle without hum; all shape (n_muscles,)."""

    p2p_uv: F64
    is_largest_first: Bools
    """The maximum or the minimum is the first row."""


def find_reasons(
    settings: MepSettings,
    epoch: Epoch,
    *,
    rows: EpochRows,
    background: Background,
    extremes: WindowExtremes,
) -> tuple[QualityReason | None, ...]:
    """Return, for each muscle, the first rule that holds; None for a good MEP."""
    rest_uv = background.noise_rms_uv
    holds = {
        QualityReason.GAP: _is_broken(epoch, rows),
        **_raw_rules(settings, epoch.raw_uv, rows),
        QualityReason.SECOND_PULSE: _has_second_pulse(epoch, rows),
        QualityReason.HUM: background.hum_rms_uv > settings.hum_limit_uv,
        QualityReason.NOISE: rest_uv > settings.noise_limit_uv,
        QualityReason.PREACTIVATION: rest_uv > settings.preactivation_limit_uv,
        QualityReason.ARTEFACT: (
            extremes.is_largest_first & (extremes.p2p_uv >= settings.present_uv)
        ),
    }
    table = np.stack([holds[reason] for reason in QualityReason])
    first = np.where(table.any(axis=0), table.argmax(axis=0), -1)
    reasons = (*QualityReason, None)
    return tuple(reasons[rule] for rule in first)


def _is_broken(epoch: Epoch, rows: EpochRows) -> Bools:
    is_broken = bool(epoch.gap_at) or epoch.n_missing > 0
    return np.full(rows.windows.shape[1], is_broken)


def _raw_rules(
    settings: MepSettings, raw_uv: F64, rows: EpochRows
) -> dict[QualityReason, Bools]:
    """Return the rules that look at what came from the amplifier."""
    before_uv = raw_uv[rows.background]
    top_uv, bottom_uv = rows.largest(raw_uv), -rows.largest(-raw_uv)
    p2p_uv = top_uv - bottom_uv
    at_extreme = np.maximum(
        ((raw_uv == top_uv) & rows.windows).sum(axis=0),
        ((raw_uv == bottom_uv) & rows.windows).sum(axis=0),
    )
    is_cut = (p2p_uv >= _CUT_LEAST_UV) & (at_extreme >= rows.rows_in(_CUT_LEAST_MS))
    out_of_range = np.maximum(top_uv, -bottom_uv) >= settings.clip_level_uv
    least_uv = settings.flat_limit_uv
    span_uv = before_uv.max(axis=0) - before_uv.min(axis=0)
    return {
        QualityReason.NOT_FINITE: ~np.isfinite(raw_uv).all(axis=0),
        QualityReason.FLAT: (span_uv < least_uv) | (p2p_uv < least_uv),
        QualityReason.CLIPPED: out_of_range | is_cut,
    }


def _has_second_pulse(epoch: Epoch, rows: EpochRows) -> Bools:
    """Return for which muscles another edge comes before the window is over."""
    later = [at for at in epoch.other_edges_at if at > epoch.edge_at]
    if not later:
        return np.zeros(rows.windows.shape[1], dtype=bool)
    return np.asarray(rows.windows[min(later) :].any(axis=0))
