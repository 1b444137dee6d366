"""Rigid transforms, coil poses and the coordinate conventions of navigators."""

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
    "RIGID_TOLERANCE",
    "inverse",
    "matrix_from_quaternion",
    "quaternion_from_matrix",
    "rigid_fault",
    "rotation_angle_deg",
    "transform_points",
]
