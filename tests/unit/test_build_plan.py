"""How far a build is, and how long it will take, from what its steps report."""

import pytest

from m2m_rt.app.build_plan import (
    MEASURED_S,
    PRIOR_S,
    PlannedStep,
    WholeBuild,
    planned_steps,
    planned_with_simnibs,
)

PLAN = [
    PlannedStep("mesh", 100.0),
    PlannedStep("modes", 300.0),
    PlannedStep("end", 600),
]


def test_time_left_is_the_rest_of_the_plan_at_the_speed_seen_so_far() -> None:
    build = WholeBuild(PLAN, started_s=50.0)
    assert build.remaining_s(50.0) == pytest.approx(1000.0)
    build.report("mesh", 0.0, 50.0)
    build.report("modes", 0.0, 300.0)
    build.report("modes", 0.5, 550.0)
    assert build.fraction == pytest.approx(0.25)
    # Half the plan's speed: 250 of its seconds took 500.
    slowness = (500.0 + PRIOR_S) / (250.0 + PRIOR_S)
    assert build.remaining_s(550.0) == pytest.approx(slowness * 750.0)


def test_a_step_that_says_nothing_goes_on_as_planned_until_it_is_overdue() -> None:
    build = WholeBuild(PLAN, started_s=0.0)
    build.report("mesh", 0.0, 0.0)
    assert build.remaining_s(40.0) == pytest.approx(960.0)
    assert build.remaining_s(80.0) == pytest.approx(920.0)
    # Ten times its plan: the rest is still about the plan's, not ten times it.
    assert 900.0 < build.remaining_s(1000.0) < 1100.0
    left_s = [build.remaining_s(now_s) for now_s in range(0, 2000, 10)]
    assert all(900.0 <= each <= 1100.0 for each in left_s)


def test_what_was_done_before_counts_as_done_but_not_as_speed() -> None:
    build = WholeBuild(PLAN, started_s=0.0)
    assert build.report("modes", 0.5, 0.0) == ["mesh", "50% of modes"]
    assert build.fraction == pytest.approx(0.25)
    assert build.remaining_s(0.0) == pytest.approx(750.0)
    build.report("modes", 1.0, 150.0)
    assert build.remaining_s(150.0) == pytest.approx(600.0)


def test_every_step_has_its_seconds_and_plans_with_simnibs_are_short() -> None:
    for is_job in (False, True):
        plan = planned_with_simnibs(is_job=is_job)
        assert sum(step.seconds for step in plan) < 300.0
    labels = planned_steps(["a"], tissues="tissues from labels", is_adapted=False)
    assert {step.name for step in labels} <= set(MEASURED_S)


def test_remarks_and_steps_that_nobody_planned_do_no_harm() -> None:
    build = WholeBuild(PLAN, started_s=0.0)
    assert build.report("mesh (10 minutes or more)", 0.0, 0.0) == []
    assert build.report("tea", 0.5, 0.0) == []
    build.report("modes", 0.0, 0.0)
    assert build.report("mesh", 0.1, 0.0) == []
    assert build.fraction == pytest.approx(0.1)
    build.finish()
    assert build.fraction == 1.0
    assert build.remaining_s(9e9) == 0.0


def test_a_plan_has_each_coils_steps_in_the_builds_order() -> None:
    names = [
        step.name for step in planned_steps(["a", "b"], tissues=None, is_adapted=True)
    ]
    assert names[0] == "region and scalp"
    assert names[-6:] == [
        "direct solves, a",
        "coil at the sensors, b",
        "direct solves, b",
        "reference, a",
        "reference, b",
        "conductivities",
    ]
    assert "finer mesh" not in names
    alone = [
        s.name
        for s in planned_steps(["a"], tissues="tissues from labels", is_adapted=False)
    ]
    assert alone[:4] == [
        "tissues from labels",
        "tetrahedra",
        "region and scalp",
        "finer mesh",
    ]
    assert "direct solves" in alone
