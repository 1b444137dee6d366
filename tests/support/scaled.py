"""A small ball's table, built with any means: by tests, and as a process to be killed.

`python -m tests.support.scaled CACHE` builds it with its work kept in CACHE, and says
each step and its fraction on a line of standard output.
"""

import sys
from pathlib import Path

import numpy as np

from m2m_rt.efield import EfieldTable
from m2m_rt.fem import (
    BoundSettings,
    BuildMeans,
    BuildSettings,
    BuiltTable,
    HeadMesh,
    ModeSettings,
    TableSetup,
    Tissue,
    build_from_setup,
    demo_coil,
)
from m2m_rt.fem.mesh import outer_boundary
from m2m_rt.fem.plan import plan_region
from m2m_rt.fem.surfaces import grid_around, signed_distance
from tests.support.fem_roi import roi_in_shell
from tests.support.fem_shapes import layered_ball

KNOB_MM = np.array((-20.0, -10.0, 62.0))
SETTINGS = BuildSettings(
    modes=ModeSettings(
        n_sources=300,
        source_spacing_mm=9.0,
        n_sensors=100,
        sensor_spacing_mm=10.0,
        n_modes=120,
        rank=20,
        n_training_poses=60,
    ),
    bound=BoundSettings(n_fitted=8, n_calibrated=4),
    element_order=1,
)


def ball_setup() -> tuple[TableSetup, HeadMesh]:
    mesh = layered_ball(10, {1: 55.0, 2: 73.0, 3: 78.0, 4: 84.0, 5: 90.0})
    grid = grid_around(mesh.nodes_mm, margin_mm=60.0, spacing_mm=8.0)
    scalp = signed_distance(outer_boundary(mesh, Tissue.SCALP), grid)
    coil = demo_coil()
    region = plan_region(scalp, coil, KNOB_MM)
    roi = roi_in_shell(KNOB_MM, 60)
    return TableSetup("ball", "made for a test", coil, region, roi, scalp), mesh


def build(means: BuildMeans) -> BuiltTable:
    setup, mesh = ball_setup()
    return build_from_setup(setup, mesh, SETTINGS, lambda *_: None, means)


def largest_difference(one: EfieldTable, other: EfieldTable) -> float:
    """Return the largest difference of two tables' maps from B to E, relative."""
    maps = [t.basis.astype(float) @ t.project.astype(float) for t in (one, other)]
    return float(np.abs(maps[0] - maps[1]).max() / np.abs(maps[0]).max())


def main(cache: str) -> None:
    setup, mesh = ball_setup()

    def say(step: str, done: float) -> None:
        sys.stdout.write(f"{step} {done:.3f}\n")
        sys.stdout.flush()

    build_from_setup(setup, mesh, SETTINGS, say, BuildMeans(cache=Path(cache)))


if __name__ == "__main__":
    main(sys.argv[1])
