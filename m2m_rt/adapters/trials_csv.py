"""`trials.csv`: one row a trial and revision, with its prediction and every MEP."""

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from m2m_rt.adapters.mcap_reader import LogReader
from m2m_rt.errors import DataError, DiskFault
from m2m_rt.geometry import quaternion_from_matrix
from m2m_rt.messages import TOPICS, Array, Prediction, Trial, decode, unpack_f64

Cell = str | int | float | bool | None

TRIAL_COLUMNS = (
    "trial_index",
    "revision",  # the highest one of a trial counts
    "pulse_id",
    "t_ns",  # the pulse's edge, rig clock
    "x_mm",  # coil centre in the head frame: as predicted for, else at the edge
    "y_mm",
    "z_mm",
    "qw",  # head from coil, SimNIBS convention
    "qx",
    "qy",
    "qz",
    "intensity_pct_mso",  # that was predicted for, else set at the edge
    "marker_pulse",  # the lab's own number
    "marker_intensity_pct_mso",
    "marker_delay_ms",
    "valid",
    "reason",
    "prediction_seq",
    "lead_ms",  # from the prediction's publication to the edge
    "model_hash",
    "posterior_seq",  # updates in the posterior that predicted
)

MUSCLE_COLUMNS = (
    "mep_p2p_uv",
    "mep_latency_ms",
    "preactivation_rms_uv",
    "present",
    "valid",
    "reason",
    "predicted_log10_uv",
    "sd_log10_uv",
    "p05_log10_uv",
    "p95_log10_uv",
    "prior_log10_uv",
    "learnt",
)
"""Each muscle has these, with its name in front: `FDI_mep_p2p_uv`."""

_TRIAL_TOPIC = next(topic.name for topic in TOPICS if topic.message is Trial)


class TrialsCsv:
    """A table that grows by one row a trial; empty cells mean "there is none"."""

    def __init__(self, path: Path, muscles: Sequence[str]) -> None:
        """Create the file with its header.

        Raises
        ------
        DiskFault
            If it exists already or cannot be created.
        """
        self._path = path
        self._n_muscles = len(muscles)
        self.fault: DiskFault | None = None
        """Why rows are no longer written, or None while they are."""

        try:
            self._file = path.open("xb", buffering=0)
        except OSError as err:
            msg = f"{path}: {err.strerror}"
            raise DiskFault(msg) from err
        self._append(_columns(muscles))

    def add(self, trial: Trial) -> None:
        """Append one revision of a trial; on return it survives a kill.

        Raises
        ------
        DataError
            If it has another number of muscles than the table.
        """
        n_muscles = len(trial.mep.valid)
        if n_muscles != self._n_muscles:
            msg = f"trial of {n_muscles} muscles in a table of {self._n_muscles}"
            raise DataError(msg)
        self._append((*_trial_cells(trial), *_muscle_cells(trial)))

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _append(self, cells: Sequence[Cell]) -> None:
        if self.fault is not None:
            return
        line = io.StringIO()
        csv.writer(line, lineterminator="\n").writerow(map(_text, cells))
        rest = memoryview(line.getvalue().encode())
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as err:
            self.fault = DiskFault(f"{self._path}: {err.strerror}")


def trials_of(messages_path: Path) -> Iterator[Trial]:
    """Yield every revision of every trial in a recording of the bus, in order.

    Raises
    ------
    DataError
        If a trial's bytes were changed.
    """
    for entry in LogReader(messages_path):
        if entry.topic.partition("/")[0] == _TRIAL_TOPIC:
            message = decode(entry.frame)
            if isinstance(message, Trial):
                yield message


def muscles_of(path: Path) -> tuple[str, ...]:
    """Return the muscles of a table, from its header.

    Raises
    ------
    DataError
        If there is no such table, or its header is cut.
    """
    try:
        with path.open(encoding="utf-8") as file:
            columns = file.readline().rstrip("\n").split(",")
    except OSError as err:
        msg = f"{path}: {err.strerror}"
        raise DataError(msg) from err
    n_trial, n_muscle = len(TRIAL_COLUMNS), len(MUSCLE_COLUMNS)
    suffix = f"_{MUSCLE_COLUMNS[0]}"
    muscles = tuple(name.removesuffix(suffix) for name in columns[n_trial::n_muscle])
    if list(_columns(muscles)) != columns:
        msg = f"{path}: its header is not that of a table of trials"
        raise DataError(msg)
    return muscles


def rebuild_trials(messages_path: Path, path: Path, muscles: Sequence[str]) -> int:
    """Make `trials.csv` anew from a recording, as after a kill; return its rows.

    Raises
    ------
    DataError
        If a trial's bytes were changed.
    DiskFault
        If it cannot be written; the old file is then as it was.
    """
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    table = TrialsCsv(part, muscles)
    n_rows = 0
    for trial in trials_of(messages_path):
        table.add(trial)
        n_rows += 1
    table.close()
    if table.fault is not None:
        raise table.fault
    part.replace(path)
    return n_rows


def _columns(muscles: Sequence[str]) -> tuple[str, ...]:
    of_muscles = (f"{muscle}_{name}" for muscle in muscles for name in MUSCLE_COLUMNS)
    return (*TRIAL_COLUMNS, *of_muscles)


def _trial_cells(trial: Trial) -> tuple[Cell, ...]:
    mep, prediction = trial.mep, trial.prediction
    return (
        trial.trial_index,
        trial.revision,
        mep.pulse_id,
        trial.t_ns,
        *_pose_cells((prediction or trial).head_from_coil),
        (prediction or trial).intensity_pct_mso,
        mep.marker_pulse,
        mep.marker_intensity_pct_mso,
        mep.marker_delay_ms,
        trial.valid,
        trial.reason,
        trial.prediction_seq,
        trial.lead_ms,
        prediction.model_hash if prediction else None,
        prediction.posterior_seq if prediction else None,
    )


def _pose_cells(pose: Array | None) -> tuple[Cell, ...]:
    if pose is None:
        return (None,) * 7
    head_from_coil = unpack_f64(pose)
    quaternion = quaternion_from_matrix(head_from_coil)
    return tuple(np.append(head_from_coil[:3, 3], quaternion).tolist())


def _muscle_cells(trial: Trial) -> tuple[Cell, ...]:
    """Return the muscles' cells, muscle after muscle, in `MUSCLE_COLUMNS`' order."""
    mep = trial.mep
    absent: tuple[Cell, ...] = (None,) * len(mep.valid)
    lists: tuple[Sequence[Cell], ...] = (
        mep.mep_p2p_uv,
        mep.mep_latency_ms,
        mep.preactivation_rms_uv,
        mep.present,
        mep.valid,
        mep.reason,
        *_predicted(trial.prediction, absent),
        trial.learnt or absent,
    )
    return tuple(cell for muscle in zip(*lists, strict=True) for cell in muscle)


def _predicted(
    prediction: Prediction | None, absent: tuple[Cell, ...]
) -> tuple[Sequence[Cell], ...]:
    if prediction is None or not prediction.valid:
        return (absent,) * 5
    return (
        prediction.mean_log10_uv,
        prediction.sd_log10_uv,
        prediction.p05_log10_uv,
        prediction.p95_log10_uv,
        prediction.prior_log10_uv,
    )


def _text(cell: Cell) -> str:
    """Return a cell as pandas and R read it; floats keep every digit."""
    match cell:
        case None:
            return ""
        case bool():
            return "true" if cell else "false"
        case float():
            return repr(cell)
        case _:
            return str(cell)
