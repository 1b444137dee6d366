"""Offline: head mesh, finite elements, and the building and checking of tables."""

from m2m_rt.fem.adaptive import AdaptSettings, adapted_mesh
from m2m_rt.fem.bound import (
    BoundSettings,
    SolvedErrors,
    bounded,
    fit_bound,
    solve_errors,
)
from m2m_rt.fem.build import (
    BuildSettings,
    BuiltTable,
    TableSetup,
    build_demo_table,
    build_table,
    code_sha256,
    tabulate,
)
from m2m_rt.fem.cache import cached_head_mesh, default_cache_folder
from m2m_rt.fem.check import TableErrors, check_table, held_out_poses
from m2m_rt.fem.coils import (
    CoilDipoles,
    FigureEightSettings,
    coil_sha256,
    demo_coil,
    didt_a,
    didt_b,
    sample_b,
)
from m2m_rt.fem.direct import HeadModel, direct_fields, head_model
from m2m_rt.fem.elements import (
    FiniteElements,
    LinearElements,
    elements_of_order,
    linear_elements,
)
from m2m_rt.fem.head import HeadSurfaces, Surface, hand_knob_mm, load_demo_head
from m2m_rt.fem.hybrid import HybridElements, hybrid_elements
from m2m_rt.fem.mesh import (
    HeadMesh,
    MesherSettings,
    MeshQuality,
    mesh_head,
    mesh_quality,
    mesh_sha256,
    volumes_mm3,
)
from m2m_rt.fem.mesh_file import read_mesh, write_mesh
from m2m_rt.fem.modes import ModeSettings
from m2m_rt.fem.notices import write_notices
from m2m_rt.fem.recover import FieldAtRoi, field_at_roi, patch_weights
from m2m_rt.fem.reference import ReferenceErrors, ReferenceSettings, reference_errors
from m2m_rt.fem.refine import refine
from m2m_rt.fem.region_mesh import region_mesh
from m2m_rt.fem.roi import RoiSettings, motor_roi
from m2m_rt.fem.solve import (
    MultigridSolver,
    PardisoSolver,
    PotentialSolver,
    make_solver,
)
from m2m_rt.fem.sources import coil_edge_integrals, unit_edge_integrals
from m2m_rt.fem.sphere import SPHERE_CELLS, SphereError, convergence_rate, sphere_errors
from m2m_rt.fem.tissues import (
    CONDUCTIVITIES_S_PER_M,
    Occupancies,
    Tissue,
    VoxelGrid,
    occupancies,
    rasterise,
)
from m2m_rt.fem.uncertainty import estimate_uncertainty

__all__ = [
    "CONDUCTIVITIES_S_PER_M",
    "SPHERE_CELLS",
    "AdaptSettings",
    "BoundSettings",
    "BuildSettings",
    "BuiltTable",
    "CoilDipoles",
    "FieldAtRoi",
    "FigureEightSettings",
    "FiniteElements",
    "HeadMesh",
    "HeadModel",
    "HeadSurfaces",
    "HybridElements",
    "LinearElements",
    "MeshQuality",
    "MesherSettings",
    "ModeSettings",
    "MultigridSolver",
    "Occupancies",
    "PardisoSolver",
    "PotentialSolver",
    "ReferenceErrors",
    "ReferenceSettings",
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
    "build_demo_table",
    "build_table",
    "cached_head_mesh",
    "check_table",
    "code_sha256",
    "coil_edge_integrals",
    "coil_sha256",
    "convergence_rate",
    "default_cache_folder",
    "demo_coil",
    "didt_a",
    "didt_b",
    "direct_fields",
    "elements_of_order",
    "estimate_uncertainty",
    "field_at_roi",
    "fit_bound",
    "hand_knob_mm",
    "head_model",
    "held_out_poses",
    "hybrid_elements",
    "linear_elements",
    "load_demo_head",
    "make_solver",
    "mesh_head",
    "mesh_quality",
    "mesh_sha256",
    "motor_roi",
    "occupancies",
    "patch_weights",
    "rasterise",
    "read_mesh",
    "reference_errors",
    "refine",
    "region_mesh",
    "sample_b",
    "solve_errors",
    "sphere_errors",
    "tabulate",
    "unit_edge_integrals",
    "volumes_mm3",
    "write_mesh",
    "write_notices",
]
