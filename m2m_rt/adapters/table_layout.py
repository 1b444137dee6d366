"""What lies where in a table file, and what must be true of it."""

from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import numpy as np
import numpy.typing as npt

from m2m_rt.efield import (
    CoilField,
    EfieldTable,
    ErrorBound,
    PlannedRegion,
    Provenance,
    RegionOfInterest,
    ScalpDistance,
    Uncertainty,
)
from m2m_rt.errors import DataError
from m2m_rt.geometry import rigid_fault

FORMAT = "m2m_rt E-field table"
FORMAT_VERSION = 3
READ_VERSIONS = (1, 2, 3)
"""Version 1 has none of the parts that are optional now, version 2 no fem_source."""

Arrays = dict[str, npt.NDArray[Any]]
"""By path in the file, which is also the path of the field in `EfieldTable`."""

Attributes = dict[str, str | int | float]
"""By path in the file, the name last."""

CONDUCTIVITIES = "provenance/conductivities_s_per_m"
CONDUCTIVITY_ERRORS = "uncertainty/conductivity_rel_error"
BY_TISSUE = (CONDUCTIVITIES, CONDUCTIVITY_ERRORS)
"""Groups with one attribute a tissue."""

PLAIN_ATTRIBUTES: dict[str, type[str] | type[int] | type[float]] = {
    "name": str,
    "planned_peak_v_per_m": float,
    "self_error": float,
    "coil/name": str,
    "coil/spacing_mm": float,
    "region/max_offset_mm": float,
    "region/max_tilt_deg": float,
    "region/min_winding_mm": float,
    "region/max_winding_mm": float,
    "region/scalp/spacing_mm": float,
    "provenance/head_name": str,
    "provenance/mesh_sha256": str,
    "provenance/coil_sha256": str,
    "provenance/code_sha256": str,
    "provenance/element_order": int,
    "provenance/made_from": str,
}
"""All that every table has, but those whose names are the head's tissues."""

OPTIONAL_ATTRIBUTES: dict[str, type[str] | type[int] | type[float]] = {
    "fem_rel_error": float,
    "fem_source": str,
    "bound/floor": float,
    "bound/inflation": float,
    "bound/n_fitted": int,
    "bound/n_calibrated": int,
    "uncertainty/conductivity_change": float,
    "uncertainty/coil_rel_error": float,
    "uncertainty/coil_source": str,
}
"""Those of one group are there together or not at all."""

MAY_BE_NAN = ("uncertainty/coil_rel_error",)

MUST_BE_POSITIVE = (
    "planned_peak_v_per_m",
    "coil/spacing_mm",
    "region/max_offset_mm",
    "region/max_tilt_deg",
    "region/max_winding_mm",
    "region/scalp/spacing_mm",
    "bound/inflation",
)
"""Where they are there."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """One array of the file."""

    path: str
    dtype: str
    shape: tuple[int | str, ...]
    """A name stands for a length that must be the same wherever it occurs; a leading
    `3*` means three times that length."""

    unit: str
    frame: str
    """The frame of positions or components, `none` where there is none."""


DATASETS = (
    Dataset("sensors_mm", "<f8", ("n_sensors", 3), "mm", "head"),
    Dataset("project", "<f4", ("rank", "3*n_sensors"), "(T/s per A/µs)^-1", "head"),
    Dataset("basis", "<f4", ("3*n_roi", "rank"), "V/m per A/µs", "head"),
    Dataset("singular_values", "<f8", ("n_singular",), "1", "none"),
    Dataset("coil/origin_mm", "<f8", (3,), "mm", "coil"),
    Dataset(
        "coil/b_t_per_a_per_us", "<f4", ("bx", "by", "bz", 3), "T/s per A/µs", "coil"
    ),
    Dataset("coil/winding_mm", "<f8", ("n_winding", 3), "mm", "coil"),
    Dataset("region/planned_head_from_coil", "<f8", (4, 4), "mm", "head"),
    Dataset("region/scalp/origin_mm", "<f8", (3,), "mm", "head"),
    Dataset("region/scalp/distance_mm", "<f4", ("sx", "sy", "sz"), "mm", "head"),
    Dataset("roi/points_mm", "<f8", ("n_roi", 3), "mm", "head"),
    Dataset("roi/normals", "<f8", ("n_roi", 3), "1", "head"),
    Dataset("roi/box_index", "<i8", ("n_roi", 3), "voxel", "none"),
    Dataset("roi/box_shape", "<i8", (3,), "voxel", "none"),
    Dataset("roi/box_from_head", "<f8", (4, 4), "voxel per mm", "head"),
)

OPTIONAL_DATASETS = (
    Dataset("bound/error_map", "<f4", ("n_error", "rank"), "V/m per A/µs", "none"),
)


def arrays_of(table: EfieldTable) -> Arrays:
    """Return a table's arrays by path, in the file's number types."""
    present = [d for d in OPTIONAL_DATASETS if _has(table, d.path)]
    return {
        d.path: np.asarray(_field(table, d.path), d.dtype)
        for d in (*DATASETS, *present)
    }


def attributes_of(table: EfieldTable) -> Attributes:
    """Return a table's single values by path."""
    optional = {p: k for p, k in OPTIONAL_ATTRIBUTES.items() if _has(table, p)}
    kinds = PLAIN_ATTRIBUTES | optional
    found = {path: kind(_field(table, path)) for path, kind in kinds.items()}
    for group in BY_TISSUE:
        by_tissue = _field(table, group) if _has(table, group) else {}
        for tissue, value in by_tissue.items():
            found[f"{group}/{tissue}"] = float(value)
    return found


def table_of(arrays: Arrays, attributes: Attributes, *, table_hash: str) -> EfieldTable:
    """Return the table of checked arrays and attributes."""
    tree = _tree_of({**arrays, **attributes})
    region, roi = tree.pop("region"), tree.pop("roi")
    provenance = {"conductivities_s_per_m": {}} | tree.pop("provenance")
    bound, uncertainty = tree.pop("bound", None), tree.pop("uncertainty", None)
    nx, ny, nz = roi.pop("box_shape").tolist()
    return EfieldTable(
        coil=CoilField(**tree.pop("coil")),
        region=PlannedRegion(scalp=ScalpDistance(**region.pop("scalp")), **region),
        roi=RegionOfInterest(box_shape=(nx, ny, nz), **roi),
        provenance=Provenance(**provenance),
        table_hash=table_hash,
        bound=None if bound is None else ErrorBound(**bound),
        uncertainty=None if uncertainty is None else _uncertainty_of(uncertainty),
        **tree,
    )


def _tree_of(by_path: dict[str, Any]) -> dict[str, Any]:
    """Return nested dictionaries, one a group."""
    tree: dict[str, Any] = {}
    for path, value in by_path.items():
        *groups, name = path.split("/")
        branch = tree
        for group in groups:
            branch = branch.setdefault(group, {})
        branch[name] = value
    return tree


def _uncertainty_of(branch: dict[str, Any]) -> Uncertainty:
    return Uncertainty(**({"conductivity_rel_error": {}} | branch))


def check_table(arrays: Arrays, attributes: Attributes, *, where: str) -> None:
    """Check what must be true of every table.

    Raises
    ------
    DataError
        Naming `where`, the array or attribute, what was found and expected.
    """
    _check_parts(arrays, attributes, where)
    _check_attributes(attributes, where)
    _check_shapes(arrays, where)
    for path, array in arrays.items():
        if not np.isfinite(array).all():
            raise DataError(f"{where}: {path}: found NaN or infinity")
    fault = rigid_fault(arrays["region/planned_head_from_coil"])
    if fault is not None:
        raise DataError(f"{where}: region/planned_head_from_coil: {fault}")
    box_index, box_shape = arrays["roi/box_index"], arrays["roi/box_shape"]
    if (box_index < -1).any() or (box_index >= box_shape).any():
        raise DataError(f"{where}: roi/box_index: found places outside roi/box_shape")


def _field(table: EfieldTable, path: str) -> Any:  # noqa: ANN401 - any field's value
    return attrgetter(path.replace("/", "."))(table)


def _has(table: EfieldTable, path: str) -> bool:
    """Say whether the optional part that a path leads to is there."""
    return getattr(table, path.split("/")[0]) is not None


def _check_attributes(attributes: Attributes, where: str) -> None:
    optional = {p: k for p, k in OPTIONAL_ATTRIBUTES.items() if p in attributes}
    for path, kind in (PLAIN_ATTRIBUTES | optional).items():
        if not isinstance(attributes.get(path), kind):
            found = repr(attributes.get(path, "nothing"))
            raise DataError(f"{where}: {path}: found {found}, expected {kind.__name__}")
    for path, value in attributes.items():
        if isinstance(value, float) and not (np.isfinite(value) or path in MAY_BE_NAN):
            raise DataError(f"{where}: {path}: found {value}, expected a finite number")
    for path in MUST_BE_POSITIVE:
        value = attributes.get(path, 1.0)
        if not (isinstance(value, float) and value > 0.0):
            raise DataError(f"{where}: {path}: found {value}, expected > 0")


def _check_parts(arrays: Arrays, attributes: Attributes, where: str) -> None:
    """Check that nothing is unknown and no optional group is there in part."""
    parts = {path.split("/")[0] for path in (*arrays, *attributes)}
    for path in attributes:
        known = path in PLAIN_ATTRIBUTES or path in OPTIONAL_ATTRIBUTES
        if not known and path.rpartition("/")[0] not in BY_TISSUE:
            raise DataError(f"{where}: {path}: unknown attribute")
    optional = (*OPTIONAL_ATTRIBUTES, *(d.path for d in OPTIONAL_DATASETS))
    for path in optional:
        if path.split("/")[0] in parts and path not in arrays | attributes:
            raise DataError(
                f"{where}: {path}: found nothing, expected it with the rest"
            )


def _check_shapes(arrays: Arrays, where: str) -> None:
    """Check number types and that lengths of one name agree."""
    lengths: dict[str, int] = {}
    for dataset in (*DATASETS, *(d for d in OPTIONAL_DATASETS if d.path in arrays)):
        array = arrays[dataset.path]
        if array.dtype.str != dataset.dtype:
            raise DataError(
                f"{where}: {dataset.path}: found {array.dtype.str}, "
                f"expected {dataset.dtype}"
            )
        fits = len(array.shape) == len(dataset.shape) and all(
            _same_length(found, expected, lengths)
            for found, expected in zip(array.shape, dataset.shape, strict=True)
        )
        if not fits:
            expected = ", ".join(str(n) for n in dataset.shape)
            raise DataError(
                f"{where}: {dataset.path}: found shape {array.shape}, "
                f"expected ({expected}) with {lengths}"
            )


def _same_length(found: int, expected: int | str, lengths: dict[str, int]) -> bool:
    """Compare a length; a name's first occurrence says what it stands for."""
    if isinstance(expected, int):
        return found == expected
    factor = 3 if expected.startswith("3*") else 1
    name = expected.removeprefix("3*")
    return found == factor * lengths.setdefault(name, found // factor) and found > 0
