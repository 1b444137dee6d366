"""Several coils over one head: modes solved once, a table and its errors for each."""

from dataclasses import replace

import pytest

from m2m_rt.app.build_plan import WholeBuild, planned_steps
from m2m_rt.fem import (
    BoundSettings,
    BuiltTable,
    HeadBuild,
    ReferenceSettings,
    build_for_coils,
    coil_sha256,
    demo_coil,
    round_coil,
    setup_for_coil,
)
from tests.support.scaled import SETTINGS, ball_setup

COILS = (demo_coil(), round_coil())
SECOND_ORDER = replace(
    SETTINGS,
    element_order=2,
    bound=BoundSettings(n_fitted=6, n_calibrated=4),
    reference=ReferenceSettings(n_poses=1),
)


@pytest.fixture(scope="module")
def said() -> list[str]:
    return []


@pytest.fixture(scope="module")
def built(said: list[str]) -> list[BuiltTable]:
    head, mesh = ball_setup()

    def report(step: str, _: float) -> None:
        if step not in said:
            said.append(step)

    build = HeadBuild(head, mesh, SECOND_ORDER, report, is_adapted=True)
    return build_for_coils(build, [setup_for_coil(head, coil) for coil in COILS])


def test_each_coil_has_a_table_with_all_of_its_errors(
    built: list[BuiltTable],
) -> None:
    for each, coil in zip(built, COILS, strict=True):
        table = each.table
        assert table.coil.name == coil.name
        assert table.provenance.coil_sha256 == coil_sha256(coil)
        assert table.provenance.element_order == 2
        # So coarse a ball with so few modes has no good table; every figure is there.
        assert table.self_error > 0.0
        assert table.fem_rel_error is not None
        assert 0.0 < table.fem_rel_error < 0.5
        assert table.bound is not None
        assert table.uncertainty is not None
        assert table.uncertainty.conductivity_total > 0.0


def test_the_heads_part_is_done_once_and_all_steps_are_planned(
    built: list[BuiltTable], said: list[str]
) -> None:
    assert len(built) == 2
    assert said.count("source modes") == 1
    names = [coil.name for coil in COILS]
    plan = planned_steps(names, tissues=None, is_adapted=True)
    whole = WholeBuild(plan, 0.0)
    skipped = [name for step in said for name in whole.report(step, 0.0, 0.0)]
    # The region was made before.
    assert skipped == ["region and scalp"]
    assert whole.report("conductivities", 1.0, 0.0) == []
    assert whole.fraction == pytest.approx(1.0)
