"""What else could be true of paired points: mirror, swap, scale, one point wrong."""

from dataclasses import dataclass
from itertools import combinations, permutations

import numpy as np

from m2m_rt.geometry.registration import (
    FIT_FREEDOMS,
    PointPairs,
    RigidFit,
    fit_rigid,
)
from m2m_rt.geometry.rigid import transform_points
from m2m_rt.units import F64, I64

_ALL_ORDERS = 7
"""Up to so many points every order is tried (5040); above, one swap after another."""


@dataclass(frozen=True, slots=True)
class Order:
    """Points of b in another order, and what is left when they are fitted."""

    order: I64
    squares_mm2: float


def squares_if_mirrored(pairs: PointPairs) -> float:
    """Return what a rigid fit leaves if one frame is mirrored."""
    mirrored = PointPairs(pairs.names, pairs.a_mm, -pairs.b_mm)
    return _squares(mirrored, np.arange(len(pairs.names)))


def squares_if_scaled(pairs: PointPairs, fit: RigidFit) -> tuple[float, float]:
    """Return what a similarity leaves, and its scale from b to a."""
    moved = centred(pairs.b_mm) @ fit.a_from_b[:3, :3].T
    a = centred(pairs.a_mm)
    scale = float(np.sum(moved * a) / np.sum(moved**2))
    return float(np.sum((a - scale * moved) ** 2)), scale


def left_out_errors_mm(pairs: PointPairs) -> F64:
    """Return (n,): each point's distance from where the others put it; n ≥ 4."""
    errors = np.empty(len(pairs.names))
    for point in range(len(errors)):
        fit = _fit_without(pairs, point)
        moved = transform_points(fit.a_from_b, pairs.b_mm[point : point + 1])
        errors[point] = np.linalg.norm(pairs.a_mm[point] - moved[0])
    return errors


def outlier(pairs: PointPairs, *, expected_noise_mm: float) -> str | None:
    """Return the point that does not belong to the others, or None.

    The residuals without it are compared by an F test, corrected for the choice among
    n points; below five points any one could be the wrong one.
    """
    # Not at the top: a tenth of a second of every process that knows poses.
    from scipy.special import fdtrc

    n = len(pairs.names)
    if n < 5:
        return None
    whole = _squares(pairs, np.arange(n))
    without = np.array(
        [np.sum(_fit_without(pairs, k).residual_mm ** 2) for k in range(n)]
    )
    worst = int(np.argmin(without))
    freedoms = 3 * (n - 1) - FIT_FREEDOMS
    # Residuals of a computer's rounding would make an outlier of anything.
    rest_mm2 = max(without[worst] / freedoms, (0.1 * expected_noise_mm) ** 2)
    chance = n * float(fdtrc(3, freedoms, (whole - without[worst]) / 3.0 / rest_mm2))
    is_far = left_out_errors_mm(pairs)[worst] > 3.0 * expected_noise_mm
    return pairs.names[worst] if chance < 0.01 and is_far else None


def best_order(pairs: PointPairs, *, is_other: bool = False) -> Order:
    """Return the order of b's points that fits best; `is_other`: but for the given."""
    n = len(pairs.names)
    if n <= _ALL_ORDERS:
        orders = np.array(list(permutations(range(n))))[int(is_other) :]
        squares = _squares_of_orders(pairs, orders)
        best = int(np.argmin(squares))
        return Order(orders[best], float(squares[best]))
    order = np.arange(n)
    left = np.inf if is_other else _squares(pairs, order)
    for _ in range(n):
        swaps, squares = _swaps(pairs, order)
        best = int(np.argmin(squares))
        if squares[best] >= left:
            break
        left = float(squares[best])
        order[swaps[best]] = order[swaps[best][::-1]]
        if is_other:
            break
    return Order(order, float(left))


def _swaps(pairs: PointPairs, order: I64) -> tuple[I64, F64]:
    """Return every pair of places (m, 2) and what is left if they are exchanged (m,).

    An exchange changes the product of the points by one outer product.
    """
    a, b = centred(pairs.a_mm), centred(pairs.b_mm)[order]
    swaps = np.array(list(combinations(range(len(a)), 2)))
    i, j = swaps.T
    changes = (b[j] - b[i])[:, :, np.newaxis] * (a[i] - a[j])[:, np.newaxis, :]
    return swaps, _squares_of_products(a, b, b.T @ a + changes)


def _squares(pairs: PointPairs, order: I64) -> float:
    return float(_squares_of_orders(pairs, order[np.newaxis])[0])


def _squares_of_orders(pairs: PointPairs, orders: I64) -> F64:
    """Return (m,): what a rigid fit leaves with b's points in each order (m, n)."""
    a, b = centred(pairs.a_mm), centred(pairs.b_mm)
    products = np.einsum("mni,nj->mij", b[orders], a)
    return _squares_of_products(a, b, products)


def _squares_of_products(a: F64, b: F64, products: F64) -> F64:
    """Return what is left (m,) for each of the products bᵀa (m, 3, 3)."""
    singular = np.linalg.svd(products, compute_uv=False)
    singular[:, 2] *= np.where(np.linalg.det(products) < 0.0, -1.0, 1.0)
    squares: F64 = np.sum(a**2) + np.sum(b**2) - 2.0 * singular.sum(axis=1)
    return np.maximum(squares, 0.0)


def _fit_without(pairs: PointPairs, point: int) -> RigidFit:
    rest = np.arange(len(pairs.names)) != point
    return fit_rigid(a_mm=pairs.a_mm[rest], b_mm=pairs.b_mm[rest])


def size_ratio(pairs: PointPairs) -> float:
    """Return the size of the points in a over that in b."""
    return float(np.linalg.norm(centred(pairs.a_mm))) / float(
        np.linalg.norm(centred(pairs.b_mm))
    )


def centred(points: F64) -> F64:
    """Return points (n, 3) from their centre."""
    centred: F64 = points - points.mean(axis=0)
    return centred
