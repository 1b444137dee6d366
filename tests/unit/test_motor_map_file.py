"""Files of motor maps: what is read, and how wrong ones are refused."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
from support.maps import map_arrays, write_maps

from m2m_rt.adapters.motor_map_file import (
    find_motor_maps,
    read_combined,
    read_motor_maps,
    read_subject,
)
from m2m_rt.errors import ConfigError, DataError
from m2m_rt.units import F64


@pytest.fixture
def arrays() -> dict[str, F64]:
    return map_arrays(np.random.default_rng(0), 30)


def test_positions_are_read_in_mm_and_rows_keep_their_order(
    tmp_path: Path, arrays: dict[str, F64]
) -> None:
    subject = read_subject(write_maps(tmp_path, "S1", arrays))
    assert subject.subject == "S1"
    assert [each.name for each in subject.maps] == ["GRID", "RAND", "USER"]
    np.testing.assert_allclose(
        subject.maps[1].position_mm, 10.0 * arrays["NavDataRAND"]
    )
    np.testing.assert_allclose(subject.maps[1].mep_p2p_uv, arrays["MEPampRAND"][:, 0])
    assert subject.combined is None


def test_maps_may_be_missing(tmp_path: Path, arrays: dict[str, F64]) -> None:
    for name in ("NavDataUSER", "MEPampUSER", "NavDataGRID", "MEPampGRID"):
        del arrays[name]
    maps = read_motor_maps(write_maps(tmp_path, "S1", arrays))
    assert [each.name for each in maps] == ["RAND"]


def test_matlab_73_files_are_read_alike(tmp_path: Path, arrays: dict[str, F64]) -> None:
    path = tmp_path / "S1_3MAPs.mat"
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            file[name] = values.T
    np.testing.assert_allclose(
        read_motor_maps(path)[0].position_mm, 10.0 * arrays["NavDataGRID"]
    )


def test_pulses_with_nan_are_left_out_and_counted(
    tmp_path: Path, arrays: dict[str, F64]
) -> None:
    arrays["NavDataRAND"][3] = np.nan
    arrays["MEPampRAND"][[3, 7]] = np.nan
    arrays["NavDataUSER"], arrays["MEPampUSER"] = np.empty((0, 3)), np.empty((0, 0))
    grid, rand = read_motor_maps(write_maps(tmp_path, "S1", arrays))
    assert (grid.n_left_out, rand.n_left_out) == (0, 2)
    kept = np.delete(np.arange(30), (3, 7))
    np.testing.assert_allclose(rand.mep_p2p_uv, arrays["MEPampRAND"][kept, 0])
    np.testing.assert_allclose(rand.position_mm, 10.0 * arrays["NavDataRAND"][kept])


def infinite_in(arrays: dict[str, F64], name: str) -> None:
    arrays[name][3] = np.inf


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda a: infinite_in(a, "NavDataRAND"), r"NavDataRAND: 3 values"),
        (lambda a: infinite_in(a, "MEPampUSER"), r"MEPampUSER: 1 values"),
        (lambda a: a.update({k: np.nan * v for k, v in a.items()}), "0 pulses"),
        (lambda a: a.pop("MEPampUSER"), "no MEPampUSER"),
        (lambda a: a.update(NavDataGRID=a["NavDataGRID"][:, :2]), r"\(30, 2\)"),
        (lambda a: a.update(MEPampGRID=a["MEPampGRID"][1:]), r"\(29, 1\)"),
        (lambda a: a.update(NavDataGRID=10 * a["NavDataGRID"]), "span .* cm"),
        (lambda a: a.update(NavDataGRID=a["NavDataGRID"] / 100), "span .* cm"),
        (lambda a: a.update(MEPampGRID=-a["MEPampGRID"]), "below 0"),
        (lambda a: a.update({k: v / 1000 for k, v in a.items() if "MEP" in k}), "uV"),
    ],
)
def test_wrong_variables_are_named(
    tmp_path: Path,
    arrays: dict[str, F64],
    spoil: "object",
    told: str,
) -> None:
    spoil(arrays)
    with pytest.raises(DataError, match=rf"S1_3MAPs\.mat: .*{told}"):
        read_motor_maps(write_maps(tmp_path, "S1", arrays))


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no \*_3MAPs\.mat"):
        find_motor_maps(tmp_path)
    other = write_maps(tmp_path, "S2", {"emg": np.zeros((3, 3))})
    with pytest.raises(ConfigError, match="emg"):
        read_motor_maps(other)
    other.write_bytes(b"MATLAB 5.0 MAT-file, cut")
    with pytest.raises(DataError, match="cannot be read"):
        read_motor_maps(other)


def test_the_combined_map_has_three_columns(tmp_path: Path) -> None:
    path = tmp_path / "S1_COMB.mat"
    rows = np.random.default_rng(0).uniform(0.0, 8.0, (40, 3)) * (1.0, 1.0, 50.0)
    scipy.io.savemat(path, {"S1": rows})
    combined = read_combined(path, "S1")
    np.testing.assert_allclose(combined.position_mm, 10.0 * rows[:, :2])
    outside = np.vstack((rows, (0.0, 0.0, np.nan)))
    scipy.io.savemat(path, {"S1": outside})
    np.testing.assert_array_equal(read_combined(path, "S1").mep_p2p_uv, rows[:, 2])
    scipy.io.savemat(path, {"S1": rows[:, :2]})
    with pytest.raises(DataError, match=r"S1: shape \(40, 2\)"):
        read_combined(path, "S1")


@pytest.mark.parametrize("along", [(1.0, 0.0), (0.0, 1.0), (0.6, -0.8)])
def test_a_combined_map_of_sites_on_one_line_is_refused(
    tmp_path: Path, along: tuple[float, float]
) -> None:
    path = tmp_path / "S1_COMB.mat"
    sites = np.linspace(-4.0, 4.0, 40)[:, np.newaxis] * along + (3.0, -5.0)
    mep = np.random.default_rng(0).uniform(10.0, 400.0, (40, 1))
    scipy.io.savemat(path, {"S1": np.hstack((sites, mep))})
    told = r"S1_COMB\.mat: S1: sites on one line, .* cm wide; expected a map of an area"
    with pytest.raises(DataError, match=told):
        read_combined(path, "S1")
    sites[::2] += 0.4 * np.array((-along[1], along[0]))  # two lines beside each other
    scipy.io.savemat(path, {"S1": np.hstack((sites, mep))})
    assert read_combined(path, "S1").position_mm.shape == (40, 2)
