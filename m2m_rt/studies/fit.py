"""`m2m fit`: from a table of poses and MEPs to a subject's mapper, and its use."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from m2m_rt.adapters.mapper_file import HeadModel, MapperContent, StoredMapper
from m2m_rt.adapters.pose_table import PoseTable
from m2m_rt.efield import EfieldLookup
from m2m_rt.errors import ConfigError, DataError
from m2m_rt.learning import (
    Z_90,
    MapPulses,
    MuscleMapper,
    Recording,
    fit_mapper,
    predict_muscle,
    rebuild,
)
from m2m_rt.learning import predict as predict_last_layer
from m2m_rt.ports import Predictor
from m2m_rt.studies.fit_head import (
    HeadFit,
    head_features,
    relative_intensity,
    score_head,
)
from m2m_rt.studies.fit_scores import (
    MuscleFit,
    learnt_settings,
    muscle_recording,
    require_pulses,
    score_muscle,
)
from m2m_rt.studies.maps_data import DRIFT, MapStep, ShippedMapSettings, log10_of
from m2m_rt.units import F64, I64


@dataclass(frozen=True, slots=True)
class Head:
    """The shipped network over a head's table, and the subject's threshold."""

    lookup: EfieldLookup
    predictor: Predictor
    muscles: tuple[str, ...]
    """Of the network, in its order."""

    names: HeadModel
    rmt_pct_mso: float | None


@dataclass(frozen=True, slots=True)
class TableFit:
    """Everything that a fit found."""

    table: PoseTable
    muscles: tuple[MuscleFit, ...]
    learnt_own: bool
    """Whether hyper-parameters were learnt from the table too."""

    head: HeadFit | None
    stored: StoredMapper


@dataclass(frozen=True, slots=True)
class PoseAnswers:
    """Normal distributions of log10 MEP for poses; (n, n_muscles)."""

    muscles: tuple[str, ...]
    mean_log10_uv: F64
    sd_log10_uv: F64


def fit_table(
    table: PoseTable,
    others: Sequence[Recording],
    step: MapStep,
    *,
    own: bool | None = None,
    head: Head | None = None,
) -> TableFit:
    """Return a table's mapper, with scores on pulses that it had not seen.

    Parameters
    ----------
    table
        Poses and MEPs.
    others
        Other subjects' recordings, from which hyper-parameters are learnt.
    step
        Told how far it is.
    own
        Whether hyper-parameters are learnt from this table too; None: where it has
        orientations or intensities, over which others' maps teach nothing.
    head
        The shipped network, for the last layer instead of the process over poses.

    Raises
    ------
    ConfigError
        If a muscle is none of the network's.
    DataError
        If a muscle has too few valid MEPs.
    """
    require_pulses(table)
    if own is None:
        pulses = table.pulses
        own = pulses.rotation is not None or pulses.intensity_pct is not None
    shipped = ShippedMapSettings()
    settings = learnt_settings(others, shipped)
    names = _muscles(table, head)
    fits = []
    for done, muscle in enumerate(names):
        fits.append(
            score_muscle(table, muscle, settings, scale=shipped.level_scale, own=own)
        )
        step("held-out predictions", done + 1, len(names))
    content = MapperContent(
        muscles=names,
        settings=tuple(fit.settings[DRIFT] for fit in fits),
        level_scale=shipped.level_scale,
        map_names=table.map_names,
        intensity_unit=table.intensity_unit,
        head_model=head.names if head else None,
        rmt_pct_mso=head.rmt_pct_mso if head else None,
    )
    log10_uv = np.column_stack([log10_of(table.mep_uv[name]) for name in names])
    stored = StoredMapper(content, table.pulses, log10_uv)
    scored = None
    if head is not None:
        scored = _score_head(stored, head)
        step("head model", 1, 1)
    return TableFit(table, tuple(fits), own, scored, stored)


def apply_mapper(
    stored: StoredMapper, table: PoseTable, head: Head | None
) -> PoseAnswers:
    """Return what planned poses would answer.

    Raises
    ------
    ConfigError
        If the poses lack what the mapper was fitted with.
    """
    _check_alike(stored, table)
    muscles = stored.content.muscles
    if head is not None:
        return _apply_head(stored, table, head)
    pulses = _after(stored, table)
    answers = [
        predict_muscle(_mapper(stored, column), pulses)
        for column in range(len(muscles))
    ]
    return PoseAnswers(
        muscles,
        np.column_stack([answer.mean_log10_uv for answer in answers]),
        np.column_stack([answer.sd_log10_uv for answer in answers]),
    )


def recording_of_table(table: PoseTable) -> Recording:
    """Return another subject's table as a recording; it has to be of one muscle."""
    if len(table.mep_uv) != 1:
        found = ", ".join(table.mep_uv)
        raise DataError(f"muscles {found}; expected one, to learn settings from")
    require_pulses(table)
    return muscle_recording(table, next(iter(table.mep_uv)))[1]


def _muscles(table: PoseTable, head: Head | None) -> tuple[str, ...]:
    names = tuple(table.mep_uv)
    if head is None:
        return names
    unknown = [name for name in names if name not in head.muscles]
    if unknown:
        expected = f"of {', '.join(head.muscles)} (--muscle names or chooses them)"
        raise ConfigError("muscles", ", ".join(unknown), expected)
    return names


def _score_head(stored: StoredMapper, head: Head) -> HeadFit:
    found = head_features(
        head.lookup,
        head.predictor,
        _poses(stored.pulses),
        relative_intensity(
            stored.pulses, stored.content.intensity_unit, head.rmt_pct_mso
        ),
    )
    log10_uv = _all_muscles(stored, head)
    return score_head(head.predictor, found, log10_uv, head.muscles)


def _apply_head(stored: StoredMapper, table: PoseTable, head: Head) -> PoseAnswers:
    unit, rmt = stored.content.intensity_unit, head.rmt_pct_mso
    learnt, planned = (
        head_features(
            head.lookup,
            head.predictor,
            _poses(pulses),
            relative_intensity(pulses, unit, rmt),
        )
        for pulses in (stored.pulses, table.pulses)
    )
    log10_uv = _all_muscles(stored, head)
    posterior = rebuild(
        head.predictor.prior,
        learnt.features,
        log10_uv=np.nan_to_num(log10_uv),
        valid=np.isfinite(log10_uv) & learnt.inside[:, np.newaxis],
    )
    predicted = predict_last_layer(posterior, planned.features)
    columns = [head.muscles.index(name) for name in stored.content.muscles]
    outside = ~planned.inside[:, np.newaxis]
    # A t distribution's 90 % as that of a normal one: its sd a little wider.
    wide = (predicted.quantile(0.95) - predicted.mean) / Z_90
    return PoseAnswers(
        stored.content.muscles,
        np.where(outside, np.nan, predicted.mean[:, columns]),
        np.where(outside, np.nan, wide[:, columns]),
    )


def _all_muscles(stored: StoredMapper, head: Head) -> F64:
    """Return (n, n_network_muscles): the stored MEPs, NaN for all other muscles."""
    log10_uv = np.full((len(stored.pulses), len(head.muscles)), np.nan)
    for column, name in enumerate(stored.content.muscles):
        log10_uv[:, head.muscles.index(name)] = stored.log10_uv[:, column]
    return log10_uv


def _poses(pulses: MapPulses) -> F64:
    """Return (n, 4, 4).

    Raises
    ------
    ConfigError
        If the pulses have no orientation.
    """
    if pulses.rotation is None:
        expected = "qw, qx, qy, qz or m00 to m23, head from coil"
        raise ConfigError("DATA", "poses without orientation", expected)
    poses = np.tile(np.eye(4), (len(pulses), 1, 1))
    poses[:, :3, :3] = pulses.rotation
    poses[:, :3, 3] = pulses.position_mm
    return poses


def _check_alike(stored: StoredMapper, table: PoseTable) -> None:
    parts: Mapping[str, tuple[object, object]] = {
        "coordinates": (
            stored.pulses.position_mm.shape[1],
            table.pulses.position_mm.shape[1],
        ),
        "orientation": (
            stored.pulses.rotation is not None,
            table.pulses.rotation is not None,
        ),
        "intensity": (stored.content.intensity_unit, table.intensity_unit),
    }
    for name, (fitted, planned) in parts.items():
        if fitted != planned:
            raise ConfigError(f"POSES: {name}", repr(planned), f"{fitted!r} as fitted")


def _mapper(stored: StoredMapper, column: int) -> MuscleMapper:
    rows = np.flatnonzero(np.isfinite(stored.log10_uv[:, column]))
    recording = Recording(stored.pulses.rows(rows), stored.log10_uv[rows, column])
    content = stored.content
    return fit_mapper(recording, content.settings[column], content.level_scale)


def _after(stored: StoredMapper, table: PoseTable) -> MapPulses:
    """Return planned pulses: after the stored ones of their map, or of a new map."""
    known = {name: at for at, name in enumerate(stored.content.map_names)}
    new = len(known)
    names = [known.get(name, new + at) for at, name in enumerate(table.map_names)]
    index: I64 = np.array(names, dtype=np.int64)[table.pulses.map_index]
    ends = np.zeros(max(new, int(index.max(initial=0)) + 1))
    for at in range(new):
        ends[at] = int((stored.pulses.map_index == at).sum())
    return MapPulses(
        table.pulses.position_mm,
        index,
        table.pulses.pulse_index + ends[index],
        table.pulses.rotation,
        table.pulses.intensity_pct,
    )
