"""Offline: head mesh, finite elements, and the building and checking of tables."""

from m2m_rt.fem.adaptive import AdaptSettings, adapted_mesh
from m2m_rt.fem.bound import (
    BoundSettings,
    SolvedErrors,
    bounded,
    fit_bound,
    solved_errors,
)
from m2m_rt.fem.build import (
    BuildSettings,
    BuiltTable,
    TableSetup,
    mode_layers,
    table_of_modes,
    tabulate,
)
from m2m_rt.fem.build_head import (
    MeshedHead,
    setup_for_coil,
    setup_like,
    setup_over_hand_knob,
    setup_over_target,
)
from m2m_rt.fem.cache import cached_head_mesh, cached_label_mesh, default_cache_folder
from m2m_rt.fem.check import (
    TableErrors,
    check_table,
    errors_against,
    held_out_poses,
    rel_l2,
)
from m2m_rt.fem.code_hash import code_sha256
from m2m_rt.fem.coil_from_file import coil_from_file
from m2m_rt.fem.coil_registry import NAMED_COILS, coil_of_table, named_coil
from m2m_rt.fem.coil_shapes import double_cone_coil, round_coil
from m2m_rt.fem.coils import (
    CoilDipoles,
    FigureEightSettings,
    coil_sha256,
    demo_coil,
    didt_a,
    didt_b,
    sample_b,
)
from m2m_rt.fem.conductivity import DEFAULT_CONDUCTIVITIES, Conductivities
from m2m_rt.fem.dask_blocks import dask_client
from m2m_rt.fem.direct import HeadModel, direct_fields, head_model
from m2m_rt.fem.direct_file import DirectSolves, read_direct, write_direct
from m2m_rt.fem.elements import (
    FiniteElements,
    LinearElements,
    elements_of_order,
    linear_elements,
)
from m2m_rt.fem.focus import FOCUS_POINTS, in_focus
from m2m_rt.fem.head import (
    DEMO_HEAD_NAME,
    DEMO_HEAD_SOURCES,
    HeadSurfaces,
    Surface,
    hand_knob_mm,
    load_demo_head,
)
from m2m_rt.fem.head_file import find_head_mesh, read_head_msh
from m2m_rt.fem.hybrid import HybridElements, hybrid_elements
from m2m_rt.fem.label_head import occupancies_of_labels
from m2m_rt.fem.means import BuildMeans
from m2m_rt.fem.mesh import (
    HeadMesh,
    MesherSettings,
    MeshQuality,
    mesh_head,
    mesh_quality,
    mesh_sha256,
    outer_boundary,
    volumes_mm3,
)
from m2m_rt.fem.mesh_file import read_mesh, write_mesh
from m2m_rt.fem.modes import ModeSettings
from m2m_rt.fem.notices import write_notices
from m2m_rt.fem.quality import QualityReport, quality_report
from m2m_rt.fem.recover import FieldAtRoi, field_at_roi, patch_weights
from m2m_rt.fem.reference import (
    Reference,
    ReferenceErrors,
    ReferenceSettings,
    reference_errors,
    reference_of,
)
from m2m_rt.fem.refine import refine
from m2m_rt.fem.region_mesh import region_mesh
from m2m_rt.fem.region_settings import RegionSettings
from m2m_rt.fem.roi import RoiSettings, motor_roi
from m2m_rt.fem.roi_surface import CortexSettings, box_roi, cortex_roi, patch_roi
from m2m_rt.fem.simnibs_job import (
    bounded_by_simnibs,
    held_out_of,
    is_solved_by_simnibs,
    job_arrays,
    read_fields,
    solved_by_simnibs,
    write_job,
)
from m2m_rt.fem.solve import (
    MultigridSolver,
    PardisoSolver,
    PotentialSolver,
    make_solver,
)
from m2m_rt.fem.sources import coil_edge_integrals, unit_edge_integrals
from m2m_rt.fem.sphere import SPHERE_CELLS, SphereError, convergence_rate, sphere_errors
from m2m_rt.fem.staged import HeadBuild, build_for_coils, build_from_setup
from m2m_rt.fem.tissues import (
    Occupancies,
    Tissue,
    VoxelGrid,
    occupancies,
    rasterise,
)
from m2m_rt.fem.uncertainty import estimate_uncertainty
from m2m_rt.fem.work_folder import inputs_sha256

__all__ = [
    "DEFAULT_CONDUCTIVITIES",
    "DEMO_HEAD_NAME",
    "DEMO_HEAD_SOURCES",
    "FOCUS_POINTS",
    "NAMED_COILS",
    "SPHERE_CELLS",
    "AdaptSettings",
    "BoundSettings",
    "BuildMeans",
    "BuildSettings",
    "BuiltTable",
    "CoilDipoles",
    "Conductivities",
    "CortexSettings",
    "DirectSolves",
    "FieldAtRoi",
    "FigureEightSettings",
    "FiniteElements",
    "HeadBuild",
    "HeadMesh",
    "HeadModel",
    "HeadSurfaces",
    "HybridElements",
    "LinearElements",
    "MeshQuality",
    "MeshedHead",
    "MesherSettings",
    "ModeSettings",
    "MultigridSolver",
    "Occupancies",
    "PardisoSolver",
    "PotentialSolver",
    "QualityReport",
    "Reference",
    "ReferenceErrors",
    "ReferenceSettings",
    "RegionSettings",
    "RoiSettings",
    "SolvedErrors",
    "SphereError",
    "Surface",
    "TableErrors",
    "TableSetup",
    "Tissue",
    "VoxelGrid",
    "adapted_mesh",
    "bounded",
    "bounded_by_simnibs",
    "box_roi",
    "build_for_coils",
    "build_from_setup",
    "cached_head_mesh",
    "cached_label_mesh",
    "check_table",
    "code_sha256",
    "coil_edge_integrals",
    "coil_from_file",
    "coil_of_table",
    "coil_sha256",
    "convergence_rate",
    "cortex_roi",
    "dask_client",
    "default_cache_folder",
    "demo_coil",
    "didt_a",
    "didt_b",
    "direct_fields",
    "double_cone_coil",
    "elements_of_order",
    "errors_against",
    "estimate_uncertainty",
    "field_at_roi",
    "find_head_mesh",
    "fit_bound",
    "hand_knob_mm",
    "head_model",
    "held_out_of",
    "held_out_poses",
    "hybrid_elements",
    "in_focus",
    "inputs_sha256",
    "is_solved_by_simnibs",
    "job_arrays",
    "linear_elements",
    "load_demo_head",
    "make_solver",
    "mesh_head",
    "mesh_quality",
    "mesh_sha256",
    "mode_layers",
    "motor_roi",
    "named_coil",
    "occupancies",
    "occupancies_of_labels",
    "outer_boundary",
    "patch_roi",
    "patch_weights",
    "quality_report",
    "rasterise",
    "read_direct",
    "read_fields",
    "read_head_msh",
    "read_mesh",
    "reference_errors",
    "reference_of",
    "refine",
    "region_mesh",
    "rel_l2",
    "round_coil",
    "sample_b",
    "setup_for_coil",
    "setup_like",
    "setup_over_hand_knob",
    "setup_over_target",
    "solved_by_simnibs",
    "solved_errors",
    "sphere_errors",
    "table_of_modes",
    "tabulate",
    "unit_edge_integrals",
    "volumes_mm3",
    "write_direct",
    "write_job",
    "write_mesh",
    "write_notices",
]
