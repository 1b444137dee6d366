"""Features of a field's shape, whatever its size."""

import math
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta
from scipy.linalg import eigh

from m2m_rt.units import F64


class ShapeSettings(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True
):
    """How fine the features are."""

    n_components: Annotated[int, Meta(gt=0)] = 12
    """Principal components of the shape."""

    n_features: Annotated[int, Meta(gt=0)] = 40
    """At most; there are no more than training rows."""

    length: Annotated[float, Meta(gt=0)] = 4.0
    """Of the features' smoothness, over the first component's standard deviation."""


class ShapeFeatures:
    """Leading functions of a smooth Gaussian process over training's shapes."""

    def __init__(self, rows: F64, how: ShapeSettings) -> None:
        """Take them from training rows (n, n_inputs)."""
        self.typical_size = float(np.linalg.norm(rows, axis=1).mean())
        shapes = _shapes(rows)
        self.centre = shapes.mean(axis=0)
        _, values, axes = np.linalg.svd(shapes - self.centre, full_matrices=False)
        scale = values[0] / math.sqrt(len(rows))
        self.axes = axes[: how.n_components].T / scale
        self.length = how.length
        self.known = (shapes - self.centre) @ self.axes
        values, vectors = eigh(self._kernel(self.known))
        leading = np.argsort(-values)[: how.n_features]
        self.mix = vectors[:, leading] / np.sqrt(np.maximum(values[leading], 1e-6))

    @property
    def count(self) -> int:
        """Number of features."""
        return int(self.mix.shape[1])

    def of(self, rows: F64) -> tuple[F64, F64]:
        """Return features (n, count) and ln of the size (n, 1)."""
        places = (_shapes(rows) - self.centre) @ self.axes
        size = np.linalg.norm(rows, axis=1, keepdims=True) / self.typical_size
        return self._kernel(places) @ self.mix, np.log(size)

    def _kernel(self, places: F64) -> F64:
        a, b = places / self.length, self.known / self.length
        apart = np.sum(a**2, 1)[:, np.newaxis] + np.sum(b**2, 1) - 2.0 * a @ b.T
        kernel: F64 = np.exp(-0.5 * np.maximum(apart, 0.0))
        return kernel


def _shapes(rows: F64) -> F64:
    shapes: F64 = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return shapes
