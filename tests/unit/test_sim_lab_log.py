from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m2m_rt.errors import DataError
from m2m_rt.sim.lab_log import (
    LOG_NAME,
    Entry,
    LabLog,
    LabLogWriter,
    LabStarted,
    LabStopped,
    PulseGiven,
    read_lab_log,
)

STARTED = LabStarted(first_stamp_s=1000.1, fs_hz=5000.0, muscles=("FDI", "APB"), seed=3)
STOPPED = LabStopped(n_rows=50_000)


def pulse(number: int) -> PulseGiven:
    return PulseGiven(
        pulse=number,
        row=100 * number,
        t_s=1000.1 + number * 0.02,
        intensity_pct_mso=55.0,
        head_from_coil=((1.0, 0.0, 0.0, 0.0),) * 4,
        evoked_uv=(120.0, 0.1 + number / 3),
        expected_log10_uv=(2.0, 0.9),
        preactivated=("APB",),
    )


def written(folder: Path, *entries: Entry) -> Path:
    with LabLogWriter(folder) as log:
        for entry in entries:
            log.write(entry)
    return folder


def test_log_is_read_as_it_was_written(tmp_path: Path) -> None:
    folder = written(tmp_path / "lab", STARTED, pulse(1), pulse(2), STOPPED)
    assert read_lab_log(folder) == LabLog(STARTED, (pulse(1), pulse(2)), STOPPED)


@given(cut=st.integers(1, 400))
def test_log_of_a_killed_lab_keeps_every_whole_entry(
    cut: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = written(tmp_path_factory.mktemp("lab"), STARTED, pulse(1), pulse(2))
    path = folder / LOG_NAME
    whole = path.read_bytes()
    kept = whole[:-cut]
    path.write_bytes(kept)
    log = read_lab_log(folder)
    assert log.stopped is None
    assert log.pulses == (pulse(1), pulse(2))[: kept.count(b"\n") - 1]


def test_log_that_is_missing_or_damaged_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        read_lab_log(tmp_path)
    (tmp_path / LOG_NAME).write_text('{"type": "started"}\n')
    with pytest.raises(DataError, match="first_stamp_s"):
        read_lab_log(tmp_path)
    (tmp_path / LOG_NAME).write_text("")
    with pytest.raises(DataError, match="0 starts"):
        read_lab_log(tmp_path)


@given(first=st.integers(0, 49_999), length=st.integers(1, 50_000))
def test_rows_between_two_stamps_are_counted_with_both_ends(
    first: int, length: int
) -> None:
    log = LabLog(STARTED, (), STOPPED)
    last = first + length - 1
    found = log.emg_rows_between(
        first_s=1000.1 + first / 5000.0, last_s=1000.1 + last / 5000.0
    )
    assert found == min(last, 49_999) - first + 1
