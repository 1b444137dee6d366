from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from m2m_rt.adapters.file_seal import seal
from m2m_rt.adapters.table_file import MAX_BYTES, read_table, write_table
from m2m_rt.adapters.table_layout import FORMAT
from m2m_rt.efield import EfieldTable, ErrorBound
from m2m_rt.errors import ConfigError, DataError
from m2m_rt.units import F32
from tests.support.efield import make_synthetic_table

TABLE = make_synthetic_table()
ERROR_MAP = np.zeros((4, 12), np.float32)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("table") / "table.h5"
    write_table(TABLE, path)
    return path


def leaves(value: object, path: str = "table") -> Iterator[tuple[str, object]]:
    """Yield every field of nested structs with its path."""
    if not is_dataclass(value) or isinstance(value, type):
        yield path, value
        return
    for field in fields(value):
        yield from leaves(getattr(value, field.name), f"{path}.{field.name}")


def edited(good: Path, folder: Path, edit: Callable[[h5py.File], None]) -> Path:
    """Return a copy of a good file after an edit with HDF5's own means."""
    path = folder / "edited.h5"
    path.write_bytes(good.read_bytes())
    with h5py.File(path, "r+") as file:
        edit(file)
    seal(path, FORMAT)
    return path


def test_table_read_is_the_table_written_to_the_last_bit(good: Path) -> None:
    written, read = dict(leaves(TABLE)), dict(leaves(read_table(good)))
    assert written.keys() == read.keys()
    for path, value in written.items():
        if isinstance(value, np.ndarray):
            found = np.asarray(read[path])
            assert (found.dtype, found.shape) == (value.dtype, value.shape), path
            assert found.tobytes() == value.tobytes(), path
        elif path != "table.table_hash":
            assert read[path] == value, path
            assert type(read[path]) is type(value), path


def test_hash_is_returned_on_writing_and_found_on_reading(
    good: Path, tmp_path: Path
) -> None:
    written = write_table(TABLE, tmp_path / "again.h5")
    assert written.table_hash == read_table(good).table_hash
    assert len(written.table_hash) == 64


@pytest.mark.parametrize(
    "other",
    [
        replace(TABLE, basis=np.nextafter(TABLE.basis, np.float32(9.0))),
        replace(TABLE, self_error=0.02),
        replace(TABLE, name="another"),
        replace(TABLE, provenance=replace(TABLE.provenance, element_order=2)),
        replace(
            TABLE,
            provenance=replace(
                TABLE.provenance, conductivities_s_per_m={"scalp": 0.4651}
            ),
        ),
    ],
)
def test_other_content_has_another_hash(
    other: EfieldTable, good: Path, tmp_path: Path
) -> None:
    hash_of_other = write_table(other, tmp_path / "other.h5").table_hash
    assert hash_of_other != read_table(good).table_hash


def test_every_dataset_says_its_unit_and_frame(good: Path) -> None:
    found: list[str] = []

    def look(name: str, node: object) -> None:
        if isinstance(node, h5py.Dataset):
            found.append(name)
            assert node.attrs["unit"], name
            assert node.attrs["frame"] in {"head", "coil", "none"}, name

    with h5py.File(good) as file:
        file.visititems(look)
    assert len(found) == 16


def test_writing_replaces_a_file_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "table.h5"
    path.write_bytes(b"old")
    write_table(TABLE, path)
    assert read_table(path).name == TABLE.name
    assert [each.name for each in tmp_path.iterdir()] == ["table.h5"]


def test_missing_file_is_a_wrong_set_up(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no file"):
        read_table(tmp_path / "none.h5")


def test_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "text.h5"
    path.write_text("not HDF5")
    with pytest.raises(DataError, match="cannot be read"):
        read_table(path)


def set_version(file: h5py.File) -> None:
    file.attrs["format_version"] = 4


def test_file_of_a_later_version_is_refused_naming_both(
    good: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"version 4, expected .* version 3"):
        read_table(edited(good, tmp_path, set_version))


def set_first_version(file: h5py.File) -> None:
    file.attrs["format_version"] = 1


def test_file_of_the_first_version_is_read_without_a_bound(tmp_path: Path) -> None:
    old = replace(TABLE, bound=None, fem_rel_error=None, uncertainty=None)
    written = write_table(old, tmp_path / "old.h5")
    read = read_table(edited(tmp_path / "old.h5", tmp_path, set_first_version))
    assert read.table_hash == written.table_hash
    assert (read.bound, read.fem_rel_error, read.uncertainty) == (None, None, None)


def test_coil_error_that_is_not_known_is_kept_as_not_known(tmp_path: Path) -> None:
    assert TABLE.uncertainty is not None
    unknown = replace(TABLE.uncertainty, coil_rel_error=float("nan"))
    write_table(replace(TABLE, uncertainty=unknown), tmp_path / "table.h5")
    read = read_table(tmp_path / "table.h5").uncertainty
    assert read is not None
    assert np.isnan(read.coil_rel_error)


def change_value(file: h5py.File) -> None:
    file["basis"][5, 3] += 1e-6


def change_attribute(file: h5py.File) -> None:
    file["region"].attrs["max_tilt_deg"] = 90.0


def add_attribute(file: h5py.File) -> None:
    file["region"].attrs["max_twist_deg"] = 90.0


def change_unit(file: h5py.File) -> None:
    file["sensors_mm"].attrs["unit"] = "m"


def change_frame(file: h5py.File) -> None:
    file["roi/points_mm"].attrs["frame"] = "mri"


def remove_dataset(file: h5py.File) -> None:
    del file["roi/normals"]


def remove_half_of_the_bound(file: h5py.File) -> None:
    del file["bound/error_map"]


def remove_hash(file: h5py.File) -> None:
    del file.attrs["content_sha256"]


def remove_group(file: h5py.File) -> None:
    del file["provenance"]


def swell(file: h5py.File) -> None:
    attributes = dict(file["basis"].attrs)
    del file["basis"]
    shape = (MAX_BYTES // 4, 12)
    file.create_dataset("basis", shape, "<f4", chunks=(1024, 12)).attrs.update(
        attributes
    )


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (change_value, "content_sha256"),
        (change_attribute, "content_sha256"),
        (add_attribute, "content_sha256"),
        (change_unit, r"sensors_mm.*\('m', 'head'\), expected \('mm', 'head'\)"),
        (change_frame, "roi/points_mm.*'mri'"),
        (remove_dataset, "roi/normals: found no such dataset"),
        (remove_half_of_the_bound, "content_sha256"),
        (remove_hash, "content_sha256"),
        (remove_group, "provenance"),
        (swell, f"expected ≤ {MAX_BYTES}"),
    ],
)
def test_changed_file_is_refused_saying_what_is_wrong(
    good: Path, tmp_path: Path, edit: Callable[[h5py.File], None], said: str
) -> None:
    with pytest.raises(DataError, match=said):
        read_table(edited(good, tmp_path, edit))


def with_nan(table: EfieldTable) -> EfieldTable:
    project = table.project.copy()
    project[0, 0] = np.nan
    return replace(table, project=project)


def with_box_index(table: EfieldTable, index: int) -> EfieldTable:
    box_index = table.roi.box_index.copy()
    box_index[7, 1] = index
    return replace(table, roi=replace(table.roi, box_index=box_index))


def with_bound(
    *, floor: float = 0.001, inflation: float = 1.2, error_map: F32 = ERROR_MAP
) -> EfieldTable:
    bound = ErrorBound(error_map, floor, inflation, n_fitted=60, n_calibrated=40)
    return replace(TABLE, bound=bound)


def with_sheared_pose(table: EfieldTable) -> EfieldTable:
    pose = table.region.planned_head_from_coil.copy()
    pose[0, 1] += 0.1
    region = replace(table.region, planned_head_from_coil=pose)
    return replace(table, region=region)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (with_nan(TABLE), "project: found NaN"),
        (replace(TABLE, sensors_mm=TABLE.sensors_mm[1:]), "project: found shape"),
        (replace(TABLE, basis=TABLE.basis[3:]), "roi/points_mm: found shape"),
        (replace(TABLE, basis=TABLE.basis[1:]), "basis: found shape"),
        (replace(TABLE, self_error=float("nan")), "self_error: found nan"),
        (replace(TABLE, planned_peak_v_per_m=0.0), "planned_peak_v_per_m: found 0.0"),
        (replace(TABLE, coil=replace(TABLE.coil, spacing_mm=-4.0)), "coil/spacing_mm"),
        (with_box_index(TABLE, 32), "roi/box_index"),
        (with_box_index(TABLE, -2), "roi/box_index"),
        (with_bound(floor=float("nan")), "bound/floor: found nan"),
        (with_bound(inflation=-1.0), "bound/inflation: found -1.0"),
        (with_bound(error_map=TABLE.basis[:2, 1:]), "bound/error_map: found sh"),
        (with_sheared_pose(TABLE), "planned_head_from_coil: shear or scale"),
    ],
)
def test_table_whose_parts_do_not_fit_is_not_written(
    table: EfieldTable, said: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=said):
        write_table(table, tmp_path / "table.h5")
    assert not list(tmp_path.iterdir())


damages = st.lists(
    st.tuples(st.floats(0.0, 1.0, exclude_max=True), st.integers(0, 7)),
    min_size=1,
    max_size=4,
)


def read_or_refuse(raw: bytes, good: Path) -> None:
    """Read damaged bytes: a clear error, or exactly the content that was written."""
    path = good.with_name("damaged.h5")
    path.write_bytes(raw)
    try:
        found = read_table(path)
    except (DataError, ConfigError):
        return
    assert found.table_hash == read_table(good).table_hash


@given(part=st.floats(0.0, 1.0, exclude_max=True))
@settings(max_examples=60)
def test_file_cut_short_is_refused(good: Path, part: float) -> None:
    raw = good.read_bytes()
    path = good.with_name("cut.h5")
    path.write_bytes(raw[: int(part * len(raw))])
    with pytest.raises(DataError, match="cannot be read"):
        read_table(path)


@given(flips=damages, near_end=st.booleans())
@settings(max_examples=240)
def test_flipped_bits_are_told_or_harmless(
    good: Path, flips: list[tuple[float, int]], near_end: bool
) -> None:
    raw = bytearray(good.read_bytes())
    # Headers lie at both ends; the middle is compressed arrays.
    reach = 20_000 if near_end else len(raw)
    for part, bit in flips:
        raw[len(raw) - reach + int(part * reach)] ^= 1 << bit
    read_or_refuse(bytes(raw), good)
