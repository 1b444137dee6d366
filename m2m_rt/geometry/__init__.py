"""Rigid transforms, coil poses and the coordinate conventions of navigators."""

from m2m_rt.geometry.coil_conventions import (
    CoilConvention,
    head_from_coil_of_invesalius,
    head_from_coil_simnibs,
    matrix_from_brainsight,
    matrix_from_euler_sxyz,
    matrix_in_convention,
    visor2_fault,
)
from m2m_rt.geometry.image_spaces import (
    RAS_FROM_LPS,
    InvesaliusImage,
    scanner_from_invesalius,
    scanner_from_surface,
    surface_from_voxel,
)
from m2m_rt.geometry.navigator_space import (
    MM_PER_UNIT,
    OTHER_FRAMES,
    NavigatorSpace,
    head_from_coil_of_navigator,
    likely_conventions,
    matrix_of_navigator,
)
from m2m_rt.geometry.physical_checks import (
    HeadExpectation,
    PhysicalFault,
    PoseFinding,
    field_findings,
    handle_findings,
    placement_findings,
    pose_findings,
    recording_findings,
)
from m2m_rt.geometry.pose_causes import probable_cause
from m2m_rt.geometry.registration import (
    PointNoise,
    PointPairs,
    RigidFit,
    fit_rigid,
    point_noise,
    target_error_mm,
)
from m2m_rt.geometry.registration_checks import (
    Registration,
    RegistrationRefused,
    register_points,
)
from m2m_rt.geometry.registration_limits import (
    UNIT_FACTORS,
    Finding,
    RegistrationFault,
    RegistrationSettings,
)
from m2m_rt.geometry.registration_rivals import (
    left_out_errors_mm,
)
from m2m_rt.geometry.rigid import (
    RIGID_TOLERANCE,
    Rows,
    inverse,
    matrix_from_quaternion,
    matrix_rows,
    quaternion_from_matrix,
    rigid_fault,
    rotation_angle_deg,
    transform_points,
)

__all__ = [
    "MM_PER_UNIT",
    "OTHER_FRAMES",
    "RAS_FROM_LPS",
    "RIGID_TOLERANCE",
    "UNIT_FACTORS",
    "CoilConvention",
    "Finding",
    "HeadExpectation",
    "InvesaliusImage",
    "NavigatorSpace",
    "PhysicalFault",
    "PointNoise",
    "PointPairs",
    "PoseFinding",
    "Registration",
    "RegistrationFault",
    "RegistrationRefused",
    "RegistrationSettings",
    "RigidFit",
    "Rows",
    "field_findings",
    "fit_rigid",
    "handle_findings",
    "head_from_coil_of_invesalius",
    "head_from_coil_of_navigator",
    "head_from_coil_simnibs",
    "inverse",
    "left_out_errors_mm",
    "likely_conventions",
    "matrix_from_brainsight",
    "matrix_from_euler_sxyz",
    "matrix_from_quaternion",
    "matrix_in_convention",
    "matrix_of_navigator",
    "matrix_rows",
    "placement_findings",
    "point_noise",
    "pose_findings",
    "probable_cause",
    "quaternion_from_matrix",
    "recording_findings",
    "register_points",
    "rigid_fault",
    "rotation_angle_deg",
    "scanner_from_invesalius",
    "scanner_from_surface",
    "surface_from_voxel",
    "target_error_mm",
    "transform_points",
    "visor2_fault",
]
