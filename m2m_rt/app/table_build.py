"""What `m2m table build` does: a head, a coil and a region become a table."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from m2m_rt.adapters.label_volume import read_labels
from m2m_rt.adapters.table_file import write_table
from m2m_rt.app.table_path import MESH_FILE, TABLE_FILE
from m2m_rt.efield import EfieldTable, RegionOfInterest
from m2m_rt.errors import ConfigError
from m2m_rt.fem import (
    DEMO_HEAD_SOURCES,
    BuildMeans,
    BuildSettings,
    CoilDipoles,
    CortexSettings,
    HeadMesh,
    MeshedHead,
    RoiSettings,
    TableSetup,
    box_roi,
    build_from_setup,
    cached_head_mesh,
    cached_label_mesh,
    cortex_roi,
    find_head_mesh,
    hand_knob_mm,
    job_arrays,
    load_demo_head,
    mode_layers,
    named_coil,
    patch_roi,
    read_fields,
    read_head_msh,
    setup_over_hand_knob,
    setup_over_target,
    solved_by_simnibs,
    table_of_modes,
    write_job,
    write_mesh,
    write_notices,
)
from m2m_rt.units import F64

DEMO = "demo"
PATCH_MM = 30.0
BAND_MM = 25.0
"""Radius of the voxel box's region about the target of anybody's head."""

Report = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """What the command line asks for."""

    head: str
    """`demo`, a `.msh` file, an `m2m_<subject>` folder, or a NIfTI volume of labels."""

    coil: str
    roi: str
    """`motor`, `box`, `patch`, `patch:<radius in mm>` or `cortex`."""

    target_mm: F64 | None
    folder: Path
    cache: Path
    simnibs_job: Path | None = None
    from_simnibs: Path | None = None
    max_memory_gb: float | None = None
    dask: str | None = None

    @property
    def means(self) -> BuildMeans:
        """What the build may use."""
        return BuildMeans(self.cache, self.max_memory_gb, self.dask)


def run_build(request: BuildRequest, report: Report) -> EfieldTable | None:
    """Build and write what is asked for; None if that was a job for SimNIBS.

    Raises
    ------
    ConfigError
        If the request cannot be met.
    """
    coil = named_coil(request.coil)
    if request.head == DEMO:
        return _demo(request, coil, report)
    if request.target_mm is None:
        raise ConfigError("--target", "none", "x,y,z in mm of a place in the cortex")
    path = Path(request.head)
    mesh = _mesh(path, request.cache, report)
    head = MeshedHead(path.stem, f"{path.name}, by the user.", mesh, request.target_mm)
    setup = setup_over_target(head, coil, roi_of(request, mesh), report)
    if request.simnibs_job or request.from_simnibs:
        return _with_simnibs(request, setup, mesh, report)
    return _built(request, setup, mesh, report)


def roi_of(request: BuildRequest, mesh: HeadMesh) -> RegionOfInterest:
    """Return the region that a request names, for anybody's head.

    Raises
    ------
    ConfigError
        If there is no such region.
    """
    kind, _, size = request.roi.partition(":")
    centre_mm = np.zeros(3) if request.target_mm is None else request.target_mm
    if kind in {"motor", "box"} and not size:
        return box_roi(mesh, RoiSettings(band_mm=BAND_MM), centre_mm)
    if kind == "cortex" and not size:
        return cortex_roi(mesh, CortexSettings())
    if kind == "patch":
        radius_mm = _radius(size) if size else PATCH_MM
        return patch_roi(
            mesh, CortexSettings(), centre_mm=centre_mm, radius_mm=radius_mm
        )
    raise ConfigError("--roi", repr(request.roi), "motor, box, patch[:mm] or cortex")


def target_of(text: str | None) -> F64 | None:
    """Return a place of `x,y,z` text, mm.

    Raises
    ------
    ConfigError
        If the text is no three numbers.
    """
    if text is None:
        return None
    try:
        place = np.array([float(part) for part in text.split(",")])
    except ValueError:
        place = np.zeros(0)
    if place.shape != (3,) or not (np.abs(place) < 1e3).all():
        raise ConfigError("--target", repr(text), "x,y,z in mm")
    return place


def _demo(request: BuildRequest, coil: CoilDipoles, report: Report) -> EfieldTable:
    if request.simnibs_job or request.from_simnibs:
        raise ConfigError("--head", "'demo' with SimNIBS", "a SimNIBS head")
    settings, head = BuildSettings(), load_demo_head()
    mesh = cached_head_mesh(head, settings.mesher, request.cache, report)
    if request.roi == "motor":
        setup = setup_over_hand_knob(head, mesh, settings, report, coil)
    else:
        setup = _setup_of_demo(request, mesh, coil, report)
    table = _built(request, setup, mesh, report)
    write_notices(request.folder)
    return table


def _built(
    request: BuildRequest, setup: TableSetup, mesh: HeadMesh, report: Report
) -> EfieldTable:
    """Build and write a table, then delete what was kept on the way."""
    built = build_from_setup(setup, mesh, BuildSettings(), report, request.means)
    table = _written(request, built.table, built.mesh)
    if built.work is not None:
        built.work.remove()
    return table


def _setup_of_demo(
    request: BuildRequest, mesh: HeadMesh, coil: CoilDipoles, report: Report
) -> TableSetup:
    """Return the demo head's set-up for a region other than the motor one."""
    knob_mm = hand_knob_mm(load_demo_head())
    target_mm = knob_mm if request.target_mm is None else request.target_mm
    head = MeshedHead(DEMO, DEMO_HEAD_SOURCES, mesh, target_mm)
    roi = roi_of(replace(request, target_mm=target_mm), mesh)
    return setup_over_target(head, coil, roi, report)


def _mesh(path: Path, cache: Path, report: Report) -> HeadMesh:
    if path.name.endswith((".nii", ".nii.gz")):
        report("labels", 0.0)
        settings = BuildSettings().mesher
        return cached_label_mesh(read_labels(path), settings, cache, report)
    report("head mesh", 0.0)
    return read_head_msh(find_head_mesh(path))


def _with_simnibs(
    request: BuildRequest, setup: TableSetup, mesh: HeadMesh, report: Report
) -> EfieldTable | None:
    """Write the job for SimNIBS, or finish the table from SimNIBS' fields."""
    report("sources and sensors", 0.0)
    settings = BuildSettings()
    layers = mode_layers(setup, mesh, settings)
    job = job_arrays(setup, layers, find_head_mesh(Path(request.head)))
    if request.from_simnibs is None:
        if request.simnibs_job is not None:
            write_job(job, request.simnibs_job)
        return None
    answer = read_fields(request.from_simnibs, job)
    solved = solved_by_simnibs(setup, layers, mesh, answer)
    table = table_of_modes(setup, solved, settings, report)
    return _written(request, table, mesh)


def _written(request: BuildRequest, table: EfieldTable, mesh: HeadMesh) -> EfieldTable:
    """Write table, mesh and the user's own coil file into the table's folder."""
    request.folder.mkdir(parents=True, exist_ok=True)
    coil = Path(request.coil)
    if coil.is_file():
        shutil.copyfile(coil, request.folder / coil.name)
    write_mesh(mesh, request.folder / MESH_FILE)
    return write_table(table, request.folder / TABLE_FILE)


def _radius(text: str) -> float:
    try:
        radius_mm = float(text)
    except ValueError:
        radius_mm = 0.0
    if not 0.0 < radius_mm < 200.0:
        raise ConfigError("--roi", f"patch:{text}", "a radius in mm")
    return radius_mm
