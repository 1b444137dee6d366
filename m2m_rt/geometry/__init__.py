"""Rigid transforms, coil poses and the coordinate conventions of navigators."""

from m2m_rt.geometry.coil_conventions import (
    CoilConvention,
    head_from_coil_of_invesalius,
    head_from_coil_simnibs,
    matrix_from_brainsight,
    matrix_from_euler_sxyz,
    visor2_fault,
)
from m2m_rt.geometry.image_spaces import (
    RAS_FROM_LPS,
    InvesaliusImage,
    scanner_from_invesalius,
    scanner_from_surface,
    surface_from_voxel,
)
from m2m_rt.geometry.physical_checks import (
    HeadExpectation,
    PhysicalFault,
    PoseFinding,
    field_findings,
    likely_conventions,
    pose_findings,
    recording_findings,
)
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
    inverse,
    matrix_from_quaternion,
    quaternion_from_matrix,
    rigid_fault,
    rotation_angle_deg,
    transform_points,
)

__all__ = [
    "RAS_FROM_LPS",
    "RIGID_TOLERANCE",
    "UNIT_FACTORS",
    "CoilConvention",
    "Finding",
    "HeadExpectation",
    "InvesaliusImage",
    "PhysicalFault",
    "PointNoise",
    "PointPairs",
    "PoseFinding",
    "Registration",
    "RegistrationFault",
    "RegistrationRefused",
    "RegistrationSettings",
    "RigidFit",
    "field_findings",
    "fit_rigid",
    "head_from_coil_of_invesalius",
    "head_from_coil_simnibs",
    "inverse",
    "left_out_errors_mm",
    "likely_conventions",
    "matrix_from_brainsight",
    "matrix_from_euler_sxyz",
    "matrix_from_quaternion",
    "point_noise",
    "pose_findings",
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
