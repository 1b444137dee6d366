"""What `m2m table build` does: a head, coils and a region become tables."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from m2m_rt.adapters.label_volume import read_labels
from m2m_rt.adapters.table_file import read_table
from m2m_rt.app.build_plan import PlannedStep, planned_steps, planned_with_simnibs
from m2m_rt.app.table_folder import write_folder
from m2m_rt.app.table_path import DIRECT_FILE, MESH_FILE
from m2m_rt.app.table_request import CORTEX, DEMO, MOTOR, BuildRequest
from m2m_rt.app.table_simnibs import simnibs_work
from m2m_rt.efield import EfieldTable, RegionOfInterest
from m2m_rt.errors import ConfigError
from m2m_rt.fem import (
    DEFAULT_CONDUCTIVITIES,
    DEMO_HEAD_SOURCES,
    CortexSettings,
    HeadBuild,
    HeadMesh,
    MeshedHead,
    RoiSettings,
    TableSetup,
    box_roi,
    build_for_coils,
    cached_head_mesh,
    cached_label_mesh,
    coil_of_table,
    cortex_roi,
    demo_coil,
    find_head_mesh,
    hand_knob_mm,
    is_solved_by_simnibs,
    load_demo_head,
    mesh_sha256,
    named_coil,
    patch_roi,
    read_head_msh,
    read_mesh,
    setup_for_coil,
    setup_like,
    setup_over_hand_knob,
    setup_over_target,
    write_direct,
)

LABEL_FILES = (".nii", ".nii.gz")
BOX, PATCH = "box", "patch"
PATCH_MM = 30.0
BAND_MM = 25.0
"""Radius of the voxel box's region about the target of anybody's head."""

CORTEX_OFFSET_MM = 40.0
"""How far from the planned centre a coil may be over a region of the whole cortex."""

Report = Callable[[str, float], None]


def run_build(request: BuildRequest, report: Report) -> list[EfieldTable]:
    """Build and write what is asked for, a table a coil; none for a job for SimNIBS.

    Raises
    ------
    ConfigError
        If the request cannot be met.
    """
    coils = [named_coil(name) for name in request.coils]
    _region(request.roi)  # a wrong one is refused before a head is meshed for it
    build = _head_build(_with_conductivities(request), report)
    setups = [setup_for_coil(build.head, coil) for coil in coils]
    if request.simnibs_job or request.from_simnibs:
        return _with_simnibs(request, build, setups)
    built = build_for_coils(build, setups, request.means)
    tables = [
        write_folder(request.folder_for(coil), coil, each.table, each.mesh)
        for coil, each in zip(request.coils, built, strict=True)
    ]
    work = built[0].work
    if work is not None:
        work.remove()
    return tables


def plan_of(request: BuildRequest) -> list[PlannedStep]:
    """Return the steps of a build.

    Raises
    ------
    ConfigError
        If a coil or the region is not known.
    """
    names = [named_coil(coil).name for coil in request.coils]
    _region(request.roi)
    if request.simnibs_job or request.from_simnibs:
        return planned_with_simnibs(is_job=request.from_simnibs is None)
    is_like = request.like is not None
    tissues = None if is_like else _tissues_step(request.head)
    return planned_steps(names, tissues=tissues, is_adapted=is_like)


def roi_of(request: BuildRequest, mesh: HeadMesh) -> RegionOfInterest:
    """Return the region that a request names, for anybody's head.

    Raises
    ------
    ConfigError
        If there is no such region.
    """
    kind, radius_mm = _region(request.roi)
    centre_mm = np.zeros(3) if request.target_mm is None else request.target_mm
    if kind == CORTEX:
        return cortex_roi(mesh, CortexSettings())
    if kind == PATCH:
        return patch_roi(
            mesh, CortexSettings(), centre_mm=centre_mm, radius_mm=radius_mm
        )
    return box_roi(mesh, RoiSettings(band_mm=BAND_MM), centre_mm)


def _with_conductivities(request: BuildRequest) -> BuildRequest:
    """Return the request with its tissues' values among its settings."""
    usual = request.settings.conductivities
    conductivities = usual.with_values(request.conductivities_s_per_m)
    settings = replace(request.settings, conductivities=conductivities)
    return replace(request, settings=settings)


def _head_build(request: BuildRequest, report: Report) -> HeadBuild:
    """Return the head's part: mesh, target and region, whatever the coils."""
    with_simnibs = request.simnibs_job or request.from_simnibs
    if with_simnibs and (request.head == DEMO or request.like is not None):
        raise ConfigError("--head", "no SimNIBS head", "an m2m_ folder or a .msh file")
    if request.like is not None:
        return _like(request, request.like, report)
    if request.head == DEMO:
        return _demo(request, report)
    if request.target_mm is None:
        raise ConfigError("--target", "none", "x,y,z in mm of a place in the cortex")
    path = Path(request.head)
    mesh = _mesh(path, request, report)
    head = MeshedHead(path.stem, f"{path.name}, by the user.", mesh, request.target_mm)
    return _over_target(request, head, report)


def _like(request: BuildRequest, path: Path, report: Report) -> HeadBuild:
    """Return the head of a table that lies beside its mesh, perhaps another region."""
    table = read_table(path)
    if is_solved_by_simnibs(table):
        raise ConfigError("--like", f"{path}, solved by SimNIBS", "one solved here")
    mesh = read_mesh(path.parent / MESH_FILE)
    found, expected = mesh_sha256(mesh), table.provenance.mesh_sha256
    if found != expected:
        raise ConfigError(f"mesh of {path}", f"sha256 {found[:12]}…", expected[:12])
    if request.target_mm is None and request.roi not in {MOTOR, CORTEX}:
        raise ConfigError("--target", "none", f"x,y,z in mm for --roi {request.roi}")
    setup = setup_like(table, mesh, coil_of_table(table, path.parent), report)
    if request.roi != MOTOR:
        setup = replace(setup, roi=roi_of(request, mesh))
    if request.roi == CORTEX:
        wide = replace(setup.region, max_offset_mm=CORTEX_OFFSET_MM)
        setup = replace(setup, region=wide)
    made = table.provenance
    of_table = DEFAULT_CONDUCTIVITIES.with_values(made.conductivities_s_per_m)
    settings = replace(
        request.settings,
        element_order=made.element_order,
        conductivities=of_table.with_values(request.conductivities_s_per_m),
    )
    return HeadBuild(setup, mesh, settings, report, is_adapted=True)


def _demo(request: BuildRequest, report: Report) -> HeadBuild:
    settings, head = request.settings, load_demo_head()
    mesh = cached_head_mesh(head, settings.mesher, request.cache, report)
    if request.roi == MOTOR:
        setup = setup_over_hand_knob(head, mesh, settings, report)
        return HeadBuild(setup, mesh, settings, report)
    target_mm = hand_knob_mm(head) if request.target_mm is None else request.target_mm
    meshed = MeshedHead(DEMO, DEMO_HEAD_SOURCES, mesh, target_mm)
    return _over_target(replace(request, target_mm=target_mm), meshed, report)


def _over_target(request: BuildRequest, head: MeshedHead, report: Report) -> HeadBuild:
    roi, settings = roi_of(request, head.mesh), request.settings
    if request.roi == CORTEX:
        wide = replace(settings.region, max_offset_mm=CORTEX_OFFSET_MM)
        settings = replace(settings, region=wide)
    setup = setup_over_target(head, demo_coil(), roi, report, settings.region)
    return HeadBuild(setup, head.mesh, settings, report)


def _tissues_step(head: str) -> str | None:
    if head == DEMO:
        return "tissues from surfaces"
    return "tissues from labels" if head.endswith(LABEL_FILES) else None


def _mesh(path: Path, request: BuildRequest, report: Report) -> HeadMesh:
    if path.name.endswith(LABEL_FILES):
        report("labels", 0.0)
        mesher = request.settings.mesher
        return cached_label_mesh(read_labels(path), mesher, request.cache, report)
    report("head mesh", 0.0)
    return read_head_msh(find_head_mesh(path))


def _with_simnibs(
    request: BuildRequest, build: HeadBuild, setups: list[TableSetup]
) -> list[EfieldTable]:
    """Write the job for SimNIBS, or finish the tables from SimNIBS' fields."""
    work = simnibs_work(build, setups, find_head_mesh(Path(request.head)))
    if request.from_simnibs is None:
        if request.simnibs_job is not None:
            work.write(request.simnibs_job)
        return []
    tables = []
    finished = work.finish(request.from_simnibs)
    for coil, (table, left) in zip(request.coils, finished, strict=True):
        folder = request.folder_for(coil)
        written = write_folder(folder, coil, table, build.base)
        write_direct(left, written, folder / DIRECT_FILE)
        tables.append(written)
    return tables


def _region(roi: str) -> tuple[str, float]:
    """Return a region's kind, and the radius that a patch has."""
    kind, _, size = roi.partition(":")
    if kind == PATCH:
        return kind, _radius(size) if size else PATCH_MM
    if roi not in {MOTOR, BOX, CORTEX}:
        raise ConfigError("--roi", repr(roi), "motor, box, patch[:mm] or cortex")
    return kind, PATCH_MM


def _radius(text: str) -> float:
    try:
        radius_mm = float(text)
    except ValueError:
        radius_mm = 0.0
    if not 0.0 < radius_mm < 200.0:
        raise ConfigError("--roi", f"patch:{text}", "a radius in mm")
    return radius_mm
