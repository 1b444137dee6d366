"""Any lab's table of poses and MEPs: columns, units, gaps, and what is refused."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io

from m2m_rt.adapters.mat_arrays import read_mat_arrays
from m2m_rt.adapters.pose_table import read_pose_table
from m2m_rt.errors import ConfigError, DataError
from m2m_rt.geometry import matrix_from_quaternion

POSITIONS = ((0.0, 0.0, 50.0), (10.0, 0.0, 50.0), (0.0, 20.0, 55.0))


def table(tmp_path: Path, text: str, name: str = "t.csv") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_units_of_positions_and_meps_are_in_their_names(tmp_path: Path) -> None:
    path = table(tmp_path, "x_cm,y_cm,FDI_mv,ADM_uv\n1,2,0.5,40\n2,2,,30\n")
    read = read_pose_table(path)
    np.testing.assert_allclose(read.pulses.position_mm, [[10.0, 20.0], [20.0, 20.0]])
    np.testing.assert_allclose(read.mep_uv["FDI"], [500.0, np.nan])
    np.testing.assert_allclose(read.mep_uv["ADM"], [40.0, 30.0])
    assert any("FDI: 1 rows without" in note for note in read.notes)


def test_quaternions_matrices_and_matlab_poses_are_the_same(tmp_path: Path) -> None:
    quaternion = np.array((0.8, 0.0, 0.0, 0.6))
    poses = [matrix_from_quaternion(np.array(p), quaternion) for p in POSITIONS]
    lines = ["x_mm;y_mm;z_mm;qw;qx;qy;qz;mep_uv"]
    lines += [f"{x};{y};{z};0.8;0;0;0.6;99" for x, y, z in POSITIONS]
    names = [f"m{i}{j}" for i in range(4) for j in range(4)]
    rows = ["\t".join((*names, "mep_uv"))]
    rows += ["\t".join((*map(repr, map(float, p.ravel())), "99")) for p in poses]
    mat = tmp_path / "t.mat"
    scipy.io.savemat(
        mat,
        {"head_from_coil": np.moveaxis(np.array(poses), 0, 2), "mep_uv": [99.0] * 3},
    )
    paths = (
        table(tmp_path, "\n".join(lines)),
        table(tmp_path, "\n".join(rows), "t.tsv"),
        mat,
    )
    for path in paths:
        read = read_pose_table(path)
        np.testing.assert_allclose(read.pulses.position_mm, POSITIONS)
        np.testing.assert_allclose(read.pulses.rotation, [p[:3, :3] for p in poses])
        np.testing.assert_allclose(read.mep_uv["mep"], 99.0)


def test_a_sessions_table_is_read_as_its_last_revisions(tmp_path: Path) -> None:
    lines = (
        "trial_index,revision,x_mm,y_mm,z_mm,qw,qx,qy,qz,intensity_pct_mso,valid,"
        "FDI_mep_p2p_uv,FDI_preactivation_rms_uv,FDI_valid,FDI_sd_log10_uv",
        "0,0,0,0,50,1,0,0,0,60,true,100,2,true,0.3",
        "1,0,9,0,50,1,0,0,0,60,true,100,2,true,0.3",
        "0,1,0,0,50,1,0,0,0,60,true,100,2,false,0.3",
        "2,0,,,,,,,,,true,100,2,true,",
    )
    read = read_pose_table(table(tmp_path, "\n".join(lines)))
    assert list(read.mep_uv) == ["FDI"]
    np.testing.assert_allclose(read.mep_uv["FDI"], [np.nan, 100.0])
    np.testing.assert_allclose(read.pulses.intensity_pct, 60.0)
    assert read.notes[0] == "1 rows without a pose or intensity left out"
    assert read.row.tolist() == [3, 2]


def test_maps_are_told_apart_by_name_and_counted_each(tmp_path: Path) -> None:
    text = "x_mm,y_mm,session,mep_uv\n1,2,b,99\n2,2,a,99\n3,2,b,99\n4,3,b,99\n"
    read = read_pose_table(table(tmp_path, text))
    assert read.map_names == ("b", "a")
    assert read.pulses.map_index.tolist() == [0, 1, 0, 0]
    assert read.pulses.pulse_index.tolist() == [0.0, 0.0, 1.0, 2.0]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("x,y,mep_uv\n1,2,9\n", "x has no unit"),
        ("x_inch,y_inch,mep_uv\n1,2,9\n", "columns x_inch, y_inch"),
        ("x_mm,y_mm,mep\n1,2,9\n", "mep: no unit; expected mep_uv"),
        ("x_mm,y_mm,note\n1,2,9\n", "columns x_mm, y_mm, note; expected MEPs"),
        ("x_mm,y_mm,z_cm,mep_uv\n1,2,3,9\n", "z_cm; expected z_mm"),
        ("x_mm,y_mm,intensity,mep_uv\n1,2,50,9\n", "intensity has no unit"),
        ("x_mm,y_mm,intensity_pct_mso,mep_uv\n1,2,150,9\n", "expected above 0 to 100"),
        ("x_mm,y_mm,mep_uv\n1,2,9\n1,two,9\n", "y_mm: 'two' in row 2"),
        ("x_mm,y_mm,mep_uv\n1,,9\n", "row 1: expected all of x_mm, y_mm"),
        ("x_mm,y_mm,mep_uv\n1,2\n", "2 cells in row 1; expected 3"),
        ("x_mm,x_mm,mep_uv\n1,2,9\n", "x_mm in line 1; expected every name once"),
        ("x_mm,y_mm,mep_uv\n1,2,-9\n", "mep_uv: from -9"),
        ("x_m,y_m,mep_uv\n1,2,9\n50,2,9\n", "span 49000 mm"),
        ("x_mm,y_mm,z_mm,qw,qx,qy,qz,mep_uv\n1,2,3,1,1,0,0,9\n", "length 1.41"),
        ("x_mm,y_mm,FDI_uv,ADM_uv\n1,2,2.5,0.3\n1,3,0.4,\n", "FDI, ADM: .* 2.5 uV"),
        ("x_mm,y_mm,mep_uv,valid\n1,2,9,maybe\n", "'maybe'; expected true or false"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(DataError, match=told):
        read_pose_table(table(tmp_path, text))


@pytest.mark.parametrize("unit", ["\u00b5V", "\u03bcV", "uV", "UV"])
def test_microvolts_have_several_spellings(tmp_path: Path, unit: str) -> None:
    read = read_pose_table(table(tmp_path, f"x_mm,y_mm,FDI_{unit}\n1,2,99\n"))
    assert read.mep_uv["FDI"].tolist() == [99.0]


def test_new_poses_may_have_small_meps_beside_them(tmp_path: Path) -> None:
    path = table(tmp_path, "x_mm,y_mm,FDI_uv\n1,2,3\n")
    assert read_pose_table(path, needs_meps=False).mep_uv["FDI"].tolist() == [3.0]


def test_texts_and_empty_arrays_of_matlab_73_are_no_numbers(tmp_path: Path) -> None:
    columns = {name: [[1.0, 2.0]] for name in ("x_mm", "y_mm")} | {"FDI_uv": [[90, 80]]}
    path = tmp_path / "t.mat"
    with h5py.File(path, "w") as file:
        for name, values in columns.items():
            file[name] = np.array(values, dtype=np.float64).T
        file["subject"] = np.array([[115], [48], [49]], dtype=np.uint16)
        file["subject"].attrs["MATLAB_class"] = np.bytes_("char")
        file["marks"] = np.array([0, 3], dtype=np.uint64)  # the shape of what is empty
        file["marks"].attrs["MATLAB_class"] = np.bytes_("double")
        file["marks"].attrs["MATLAB_empty"] = np.uint8(1)
    arrays = read_mat_arrays(path)
    assert arrays.keys() == {*columns, "marks"}
    assert arrays["marks"].shape == (0, 3)


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        read_pose_table(tmp_path / "none.csv")
    with pytest.raises(ConfigError, match=r"\.xlsx"):
        read_pose_table(table(tmp_path, "x", "t.xlsx"))
