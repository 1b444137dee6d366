"""Rigid transforms `a_from_b`: 4×4, millimetres, acting on column points."""

import numpy as np

from m2m_rt.units import F64

RIGID_TOLERANCE = 1e-3
"""Largest accepted entry of RᵀR − 1: float32 poses and rounded exports pass it."""


def rigid_fault(a_from_b: F64, *, tolerance: float = RIGID_TOLERANCE) -> str | None:
    """Return why a matrix is not a rigid transform, or None if it is one.

    A shear or scale in a navigator's matrix warps the coil (simnibs issue 236), so
    every pose from outside is asked this first.

    >>> rigid_fault(np.eye(4)) is None
    True
    >>> rigid_fault(np.diag([-1.0, 1.0, 1.0, 1.0]))
    'reflection'
    """
    if a_from_b.shape != (4, 4):
        return f"shape {a_from_b.shape}, expected (4, 4)"
    if not np.all(np.isfinite(a_from_b)):
        return "not finite"
    if not np.array_equal(a_from_b[3], (0.0, 0.0, 0.0, 1.0)):
        return "last row is not 0 0 0 1"
    rotation = a_from_b[:3, :3]
    if np.abs(rotation.T @ rotation - np.eye(3)).max() > tolerance:
        return "shear or scale"
    return "reflection" if np.linalg.det(rotation) < 0 else None


Row = tuple[float, float, float, float]
Rows = tuple[Row, Row, Row, Row]
"""A 4×4 matrix as plain numbers, for messages and files."""


def matrix_rows(matrix: F64) -> Rows:
    """Return a 4×4 matrix as rows of plain numbers."""
    first, second, third, last = map(_row, matrix)
    return first, second, third, last


def _row(row: F64) -> Row:
    a, b, c, d = map(float, row)
    return a, b, c, d


def inverse(a_from_b: F64) -> F64:
    """Return `b_from_a` of a rigid transform, exactly rigid again."""
    b_from_a = np.eye(4)
    b_from_a[:3, :3] = a_from_b[:3, :3].T
    b_from_a[:3, 3] = -a_from_b[:3, :3].T @ a_from_b[:3, 3]
    return b_from_a


def transform_points(a_from_b: F64, points_b_mm: F64) -> F64:
    """Return points (n, 3) of frame b in frame a."""
    moved: F64 = points_b_mm @ a_from_b[:3, :3].T + a_from_b[:3, 3]
    return moved


def matrix_from_quaternion(position_mm: F64, quaternion_wxyz: F64) -> F64:
    """Return `a_from_b` from a position and a unit quaternion, scalar first."""
    w, x, y, z = quaternion_wxyz / np.linalg.norm(quaternion_wxyz)
    a_from_b = np.eye(4)
    a_from_b[:3, :3] = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )
    a_from_b[:3, 3] = position_mm
    return a_from_b


def quaternion_from_matrix(a_from_b: F64) -> F64:
    """Return the unit quaternion (w, x, y, z), w ≥ 0, of a rigid transform.

    The symmetric 4×4 eigenproblem (Bar-Itzhack 2000) has no special cases near 180°.
    """
    r = a_from_b[:3, :3]
    k = np.array(
        (
            (r[0, 0] - r[1, 1] - r[2, 2], 0.0, 0.0, 0.0),
            (r[1, 0] + r[0, 1], r[1, 1] - r[0, 0] - r[2, 2], 0.0, 0.0),
            (r[2, 0] + r[0, 2], r[2, 1] + r[1, 2], r[2, 2] - r[0, 0] - r[1, 1], 0.0),
            (r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1], np.trace(r)),
        )
    )
    _, vectors = np.linalg.eigh(k / 3.0)  # reads the lower triangle
    x, y, z, w = vectors[:, -1]
    quaternion: F64 = np.array((w, x, y, z)) * (1.0 if w >= 0 else -1.0)
    return quaternion


def rotation_angle_deg(a_from_b: F64, a_from_c: F64) -> float:
    """Return the angle between two orientations, 0…180°."""
    cosine = (np.trace(a_from_b[:3, :3].T @ a_from_c[:3, :3]) - 1.0) / 2.0
    return float(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))))
