from pathlib import Path

import numpy as np
import pytest

from m2m_rt.adapters.table_file import read_table
from m2m_rt.efield import EfieldLookup
from m2m_rt.sim.lab import LabPlan
from m2m_rt.sim.navigator import PoseTimeline
from m2m_rt.sim.schedule import make_schedule
from m2m_rt.sim.stimulation import open_stimulation
from tests.support.lab import plan_small_lab


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> LabPlan:
    return plan_small_lab(tmp_path_factory.mktemp("plan"), n_pulses=100)


def test_table_answers_every_pose_a_second_before_the_pulse_with_jitter(
    plan: LabPlan,
) -> None:
    guard = EfieldLookup(read_table(Path(plan.settings.table))).guard
    schedule = make_schedule(plan.settings)
    poses = PoseTimeline(plan.settings, schedule)
    faults = {
        guard.fault(poses.pose_at(float(pulse_s - before_s)))
        for pulse_s in schedule.pulse_s
        for before_s in np.linspace(0.0, 1.0, 20)
    }
    assert faults == {None}


def test_intensities_are_whole_per_cents_around_100_to_140_of_the_threshold(
    plan: LabPlan,
) -> None:
    for pulse in plan.settings.pulses:
        assert pulse.intensity_pct_mso == round(pulse.intensity_pct_mso)
        ratio = pulse.intensity_pct_mso / plan.rmt_pct_mso
        assert 0.99 <= ratio <= 1.41


def test_plan_is_the_same_for_the_same_seed(plan: LabPlan, tmp_path: Path) -> None:
    again = plan_small_lab(tmp_path, n_pulses=100)
    assert again.settings.pulses == plan.settings.pulses
    assert again.rmt_pct_mso == plan.rmt_pct_mso
    other = plan_small_lab(tmp_path, n_pulses=100, seed=1)
    assert other.settings.pulses != plan.settings.pulses


def test_answer_to_a_pulse_does_not_depend_on_those_before_it(plan: LabPlan) -> None:
    pose = np.array(plan.settings.pulses[0].head_from_coil)
    in_order = open_stimulation(plan.settings)
    answers = [in_order.give(number, pose, 60.0) for number in (1, 2, 3)]
    alone = open_stimulation(plan.settings).give(3, pose, 60.0)
    assert np.array_equal(alone.evoked_uv, answers[2].evoked_uv)
    assert not np.array_equal(answers[0].evoked_uv, answers[2].evoked_uv)
    assert np.array_equal(answers[0].expected_log10_uv, alone.expected_log10_uv)
