import contextlib
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt
import pytest
import scipy.io

from m2m_rt.adapters.sweep_file import SweepLayout, read_sweeps, read_values
from m2m_rt.errors import ConfigError, DataError, M2mError

SWEEPS = np.random.default_rng(0).normal(size=(3, 200))  # (n_sweeps, n_samples)


def layout(**asked: object) -> SweepLayout:
    return SweepLayout(**{"fs_hz": 5000.0, "unit": "uV", **asked})


def write_mat(path: Path, array: npt.NDArray[np.float64]) -> None:
    scipy.io.savemat(path, {"meps": array, "fs": 5000.0})


def write_hdf5(path: Path, array: npt.NDArray[np.float64]) -> None:
    with h5py.File(path, "w") as file:
        file["meps"] = array
        file["fs"] = np.array([[5000.0]])


def write_npz(path: Path, array: npt.NDArray[np.float64]) -> None:
    np.savez(path, meps=array, fs=5000.0)


def write_csv(path: Path, array: npt.NDArray[np.float64]) -> None:
    np.savetxt(path, array, delimiter=";", header="a;b;c", comments="", fmt="%.17g")


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("old.mat", write_mat),
        ("new.mat", write_hdf5),
        ("a.npz", write_npz),
        ("a.npy", np.save),
        ("a.csv", write_csv),
    ],
)
@pytest.mark.parametrize("time_first", [True, False])
def test_every_format_gives_the_sweeps_that_were_written(
    tmp_path: Path, name: str, write: object, time_first: bool
) -> None:
    path = tmp_path / name
    assert callable(write)
    write(path, SWEEPS.T if time_first else SWEEPS)
    sweeps = read_sweeps(path, layout())
    np.testing.assert_array_equal(sweeps.samples_uv, SWEEPS)
    assert (sweeps.fs_hz, sweeps.other_shape) == (5000.0, (3,))


def test_other_axes_are_flattened_with_the_last_fastest(tmp_path: Path) -> None:
    stored = np.random.default_rng(1).normal(size=(4, 50, 2))
    np.save(tmp_path / "a.npy", stored)
    sweeps = read_sweeps(tmp_path / "a.npy", layout(unit="mV", time_axis=1))
    assert sweeps.other_shape == (4, 2)
    np.testing.assert_array_equal(sweeps.samples_uv[3], stored[1, :, 1] * 1000)


@pytest.mark.parametrize(
    ("asked", "word"),
    [
        ({"unit": "volts"}, "unit"),
        ({"fs_hz": 0.0}, "fs"),
        ({"fs_hz": float("nan")}, "fs"),
        ({"variable": "mep"}, r"one of .*meps \(3, 200\)"),
        ({"time_axis": 2}, "time axis"),
        ({"time_axis": -1}, "time axis"),
    ],
)
def test_a_layout_that_does_not_fit_the_file_is_refused(
    tmp_path: Path, asked: dict[str, object], word: str
) -> None:
    write_mat(tmp_path / "a.mat", SWEEPS)
    with pytest.raises(ConfigError, match=word):
        read_sweeps(tmp_path / "a.mat", layout(**asked))


def test_two_arrays_and_no_name_is_refused(tmp_path: Path) -> None:
    scipy.io.savemat(tmp_path / "a.mat", {"meps": SWEEPS, "raw": SWEEPS})
    with pytest.raises(ConfigError, match="none named"):
        read_sweeps(tmp_path / "a.mat", layout())


def test_a_single_number_of_numpy_is_read_as_one_of_matlab(tmp_path: Path) -> None:
    write_npz(tmp_path / "a.npz", SWEEPS)
    assert read_values(tmp_path / "a.npz", "fs").tolist() == [5000.0]


def test_a_square_array_needs_its_time_axis_named(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((9, 9)))
    with pytest.raises(ConfigError, match="time axis"):
        read_sweeps(tmp_path / "a.npy", layout())


def test_a_name_for_a_file_of_one_array_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", SWEEPS)
    with pytest.raises(ConfigError, match="one array"):
        read_sweeps(tmp_path / "a.npy", layout(variable="meps"))


@pytest.mark.parametrize("ending", [".mat", ".npy", ".npz", ".csv", ".txt"])
@pytest.mark.parametrize("content", [b"", b"not\x00\xffnumbers", b"MATLAB 5.0 MAT"])
def test_a_damaged_file_is_one_of_our_errors(
    tmp_path: Path, ending: str, content: bytes
) -> None:
    path = tmp_path / f"a{ending}"
    path.write_bytes(content)
    with pytest.raises(M2mError):
        read_sweeps(path, layout())


@pytest.mark.parametrize("write", [write_mat, write_hdf5, write_npz, np.save])
def test_a_file_cut_short_is_a_data_error(tmp_path: Path, write: object) -> None:
    assert callable(write)
    path = tmp_path / {write_npz: "a.npz", np.save: "a.npy"}.get(write, "a.mat")
    write(path, SWEEPS)
    path.write_bytes(path.read_bytes()[:-3000])
    with pytest.raises(DataError, match="cannot be read"):
        read_sweeps(path, layout(variable=None if write is np.save else "meps"))


@pytest.mark.parametrize("at", range(128, 188, 3))
def test_a_changed_byte_of_a_compressed_file_is_told_or_harmless(
    tmp_path: Path, at: int
) -> None:
    path = tmp_path / "a.mat"
    scipy.io.savemat(path, {"meps": SWEEPS}, do_compression=True)
    changed = bytearray(path.read_bytes())
    changed[at] ^= 0xFF
    path.write_bytes(changed)
    with contextlib.suppress(M2mError):
        read_sweeps(path, layout(variable="meps"))


def test_text_in_the_variable_is_refused(tmp_path: Path) -> None:
    scipy.io.savemat(tmp_path / "a.mat", {"who": ["S1", "S2"]})
    with pytest.raises(ConfigError, match="real numbers"):
        read_sweeps(tmp_path / "a.mat", layout(variable="who"))
