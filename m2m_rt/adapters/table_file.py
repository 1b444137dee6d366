"""Reads and writes an E-field table as one HDF5 file, with a hash of all it holds.

Layout, version 3 (frames: `head` and `coil`; lengths mm; every dataset carries the
attributes `unit` and `frame`; arrays little-endian, C order)::

    /                  format, format_version, name, planned_peak_v_per_m, self_error,
                       content_sha256
    /sensors_mm        (n_sensors, 3) float64
    /project           (rank, 3·n_sensors) float32
    /basis             (3·n_roi, rank) float32
    /singular_values   (n,) float64
    /coil              name, spacing_mm
        origin_mm (3,)  b_t_per_a_per_us (nx, ny, nz, 3) float32  winding_mm (n, 3)
    /region            max_offset_mm, max_tilt_deg, min_winding_mm, max_winding_mm
        planned_head_from_coil (4, 4) float64
    /region/scalp      spacing_mm
        origin_mm (3,)  distance_mm (nx, ny, nz) float32
    /roi
        points_mm (n_roi, 3)  normals (n_roi, 3)  box_from_head (4, 4) float64
        box_index (n_roi, 3)  box_shape (3,) int64
    /provenance        head_name, mesh_sha256, coil_sha256, code_sha256, element_order,
                       made_from
    /provenance/conductivities_s_per_m    one attribute a tissue

and, where they were estimated (version 1 has none, version 2 no fem_source)::

    /                  fem_rel_error, fem_source (how it was measured or why not)
    /bound             floor, inflation, n_fitted, n_calibrated
        error_map (n_error, rank) float32
    /uncertainty       conductivity_change, coil_rel_error, coil_source
    /uncertainty/conductivity_rel_error   one attribute a tissue

Before the HDF5 part lies a user block of 512 bytes with the SHA-256 of all bytes behind
it (`file_seal.py`); every HDF5 reader skips it.

`content_sha256` is the SHA-256 of all that these are, sorted by path: for a dataset the
line `path dtype shape` and its bytes, for an attribute (format and version apart) the
line `path = value` with the value as JSON. It does not depend on compression, chunking
or the HDF5 library, so that two builds of one table have one hash.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from m2m_rt.adapters.file_seal import BLOCK_BYTES, check_seal, seal
from m2m_rt.adapters.table_layout import (
    CONDUCTIVITIES,
    CONDUCTIVITY_ERRORS,
    DATASETS,
    FORMAT,
    FORMAT_VERSION,
    OPTIONAL_DATASETS,
    READ_VERSIONS,
    Arrays,
    Attributes,
    Dataset,
    arrays_of,
    attributes_of,
    check_table,
    table_of,
)
from m2m_rt.efield import EfieldTable
from m2m_rt.errors import ConfigError, DataError

MAX_BYTES = 2 * 1024**3
"""Largest sum of array sizes that is read: a damaged shape must not fill memory."""

CHUNK_BYTES = 1024**2

GROUPS = ("/", "coil", "region", "region/scalp", "provenance", CONDUCTIVITIES)
"""All groups of every table that hold attributes."""

OPTIONAL_GROUPS = ("bound", "uncertainty", CONDUCTIVITY_ERRORS)

OF_THE_FILE = ("format", "format_version", "content_sha256")
"""Attributes of the file, not of the table."""


def write_table(table: EfieldTable, path: Path) -> EfieldTable:
    """Write a table, replacing the file at once; return it with its hash.

    Raises
    ------
    DataError
        If the table's arrays do not fit together or are not finite.
    """
    arrays, attributes = arrays_of(table), attributes_of(table)
    check_table(arrays, attributes, where=table.name)
    table_hash = content_sha256(arrays, attributes)
    partial = path.with_name(f"{path.name}.part")
    with _new_file(partial) as file:
        for dataset in (*DATASETS, *OPTIONAL_DATASETS):
            if dataset.path in arrays:
                _write_array(file, dataset, arrays[dataset.path])
        for path_in_file, value in attributes.items():
            group, _, name = path_in_file.rpartition("/")
            file.require_group(group or "/").attrs[name] = value
        file.attrs["content_sha256"] = table_hash
    seal(partial, FORMAT)
    os.replace(partial, path)
    return replace(table, table_hash=table_hash)


def read_table(path: Path) -> EfieldTable:
    """Read a table and check format, shapes, values and hash.

    Raises
    ------
    ConfigError
        If there is no such file, or it is of another format or version.
    DataError
        If it is damaged: cut short, changed, or its arrays do not fit together.
    """
    if not path.is_file():
        raise ConfigError(str(path), "no file", "an E-field table")
    check_seal(path, FORMAT)
    try:
        with h5py.File(path, "r") as file:
            _check_format(file, path)
            arrays = _load_arrays(file, path)
            attributes = dict(_attributes(file))
            stored_hash = file.attrs["content_sha256"]
    # What h5py raises on a damaged file depends on which field is damaged.
    except (OSError, RuntimeError, LookupError, ValueError, TypeError) as err:
        raise DataError(f"{path}: cannot be read as an E-field table: {err}") from err
    table_hash = content_sha256(arrays, attributes)
    if table_hash != stored_hash:
        raise DataError(
            f"{path}: content_sha256: found {table_hash}, expected {stored_hash}; "
            "the file has changed since it was written"
        )
    check_table(arrays, attributes, where=str(path))
    return table_of(arrays, attributes, table_hash=table_hash)


def content_sha256(arrays: Arrays, attributes: Attributes) -> str:
    """Return the hash that names a table's content, as the module's text defines."""
    digest = hashlib.sha256()
    for path in sorted((*arrays, *attributes)):
        if path in arrays:
            array = np.ascontiguousarray(arrays[path])
            digest.update(f"{path} {array.dtype.str} {array.shape}\n".encode())
            digest.update(array.tobytes())
        else:
            digest.update(f"{path} = {json.dumps(attributes[path])}\n".encode())
    return digest.hexdigest()


def _new_file(path: Path) -> h5py.File:
    # v110 metadata carries checksums, by which HDF5 itself tells a damaged file.
    file = h5py.File(path, "w", libver=("v110", "v110"), userblock_size=BLOCK_BYTES)
    file.attrs["format"] = FORMAT
    file.attrs["format_version"] = FORMAT_VERSION
    return file


def _write_array(file: h5py.File, dataset: Dataset, array: npt.NDArray[Any]) -> None:
    row_bytes = max(1, array[:1].nbytes)
    rows = min(len(array), max(1, CHUNK_BYTES // row_bytes))
    made = file.create_dataset(
        dataset.path,
        data=array,
        chunks=(rows, *array.shape[1:]),
        compression="gzip",
        compression_opts=4,
        shuffle=True,
    )
    made.attrs["unit"] = dataset.unit
    made.attrs["frame"] = dataset.frame


def _check_format(file: h5py.File, path: Path) -> None:
    found = file.attrs.get("format", "none"), file.attrs.get("format_version", 0)
    if found[0] != FORMAT or found[1] not in READ_VERSIONS:
        raise ConfigError(
            f"{path}: format",
            f"{found[0]!r} version {found[1]}",
            f"{FORMAT!r} version {FORMAT_VERSION} or older",
        )


def _load_arrays(file: h5py.File, path: Path) -> Arrays:
    present = [*DATASETS, *(d for d in OPTIONAL_DATASETS if d.path in file)]
    n_bytes = sum(_checked_node(file, dataset, path).nbytes for dataset in present)
    if n_bytes > MAX_BYTES:
        raise DataError(f"{path}: arrays of {n_bytes} bytes, expected ≤ {MAX_BYTES}")
    return {dataset.path: file[dataset.path][()] for dataset in present}


def _checked_node(file: h5py.File, dataset: Dataset, path: Path) -> h5py.Dataset:
    """Return a dataset whose unit and frame are those of the layout."""
    node = file.get(dataset.path)
    if not isinstance(node, h5py.Dataset):
        raise DataError(f"{path}: {dataset.path}: found no such dataset")
    found = node.attrs.get("unit"), node.attrs.get("frame")
    if found != (dataset.unit, dataset.frame):
        raise DataError(
            f"{path}: {dataset.path}: found unit and frame {found}, "
            f"expected {(dataset.unit, dataset.frame)}"
        )
    return node


def _attributes(file: h5py.File) -> Iterator[tuple[str, str | int | float]]:
    """Yield the table's single values by path, as plain Python values."""
    for group in (*GROUPS, *(g for g in OPTIONAL_GROUPS if g in file)):
        for name, value in file[group].attrs.items():
            if name not in OF_THE_FILE:
                plain = value.item() if isinstance(value, np.generic) else value
                yield f"{group}/{name}".lstrip("/"), plain
