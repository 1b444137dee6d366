"""The live response map: whole after some slices, anew after every change of belief."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from m2m_rt.learning import ResponseMap
from m2m_rt.messages import (
    Message,
    Prediction,
    ResponseMapMade,
    StreamGap,
    decode,
    encode,
    unpack_f32,
)
from m2m_rt.nodes.map_slices import MapSlices
from m2m_rt.units import F32, F64, RigNs
from tests.support.efield import planned_pose
from tests.support.models import draw_features
from tests.support.predicting import (
    Desk,
    intensity_at,
    mep_at,
    pose_at,
    predict_node,
    pulse_at,
)

N_POSES = 100
MOST_STEPS = 200


@dataclass
class Knowing:
    """A source whose answers say which model and belief they are from."""

    model_hash: str = "a"
    posterior_seq: int = 0
    shift_mm: tuple[float, float] = (0.0, 0.0)
    asked: list[int] = field(default_factory=list)
    unknown: float | None = None
    """What the first candidate of every slice answers, if no number."""

    def candidate_features(self, head_from_coil: F64, intensity_pct_rmt: float) -> F32:
        self.asked.append(len(head_from_coil))
        assert intensity_pct_rmt <= 120.0
        return draw_features(np.random.default_rng(0), len(head_from_coil), 3)

    def answers_at(self, features: F32) -> ResponseMap:
        values = np.full((len(features), 2), float(self.posterior_seq))
        if self.unknown is not None:
            values[0] = self.unknown
        return ResponseMap(values, values, values, values, values)


def poses(n: int = N_POSES) -> F64:
    return np.tile(planned_pose(), (n, 1, 1))


def heard(
    slices: MapSlices, source: Knowing, n_steps: int
) -> list[ResponseMapMade | StreamGap]:
    return [
        one for step in range(n_steps) for one in slices.step(source, RigNs(step + 1))
    ]


def maps(slices: MapSlices, source: Knowing, n_steps: int) -> list[ResponseMapMade]:
    every = heard(slices, source, n_steps)
    return [one for one in every if isinstance(one, ResponseMapMade)]


def test_one_whole_map_is_made_of_each_belief() -> None:
    slices, source = MapSlices(poses(), rmt_pct_mso=50.0), Knowing()
    (first,) = maps(slices, source, MOST_STEPS)
    assert unpack_f32(first.mean_log10_uv).shape == (N_POSES, 2)
    assert first.intensity_pct_mso == 60.0
    source.posterior_seq = 1
    (second,) = maps(slices, source, MOST_STEPS)
    assert (second.posterior_seq, unpack_f32(second.mean_log10_uv).max()) == (1, 1.0)
    assert sum(source.asked) == N_POSES  # features are those of the model: kept


def test_a_belief_that_changes_midway_is_not_mixed_into_the_next() -> None:
    slices, source = MapSlices(poses(), rmt_pct_mso=50.0), Knowing()
    while sum(source.asked) < N_POSES:
        maps(slices, source, 1)
    maps(slices, source, 1)  # some answers of belief 0
    source.posterior_seq = 1
    (made,) = maps(slices, source, MOST_STEPS)
    assert np.all(unpack_f32(made.mean_log10_uv) == 1.0)


def test_another_model_gets_features_of_its_own() -> None:
    slices, source = MapSlices(poses(), rmt_pct_mso=50.0), Knowing()
    maps(slices, source, MOST_STEPS)
    source.model_hash = "b"
    (made,) = maps(slices, source, MOST_STEPS)
    assert made.model_hash == "b"
    assert sum(source.asked) == 2 * N_POSES


@pytest.mark.parametrize("rmt_pct_mso", [40.0, 83.0, 90.0, 100.0])
def test_the_map_asks_for_no_more_than_the_stimulator_gives(rmt_pct_mso: float) -> None:
    (made,) = maps(MapSlices(poses(), rmt_pct_mso=rmt_pct_mso), Knowing(), MOST_STEPS)
    assert made.intensity_pct_mso == min(1.2 * rmt_pct_mso, 100.0)
    assert decode(encode(made)) == made


def test_without_poses_there_is_no_map() -> None:
    assert maps(MapSlices(poses(0), rmt_pct_mso=50.0), Knowing(), 20) == []


@pytest.mark.parametrize("unknown", [np.nan, np.inf, 1e39])
def test_a_map_with_what_is_no_float32_is_withheld_and_that_is_said_once(
    unknown: float,
) -> None:
    slices, source = MapSlices(poses(), rmt_pct_mso=50.0), Knowing(unknown=unknown)
    (gap,) = heard(slices, source, MOST_STEPS)
    assert isinstance(gap, StreamGap)
    assert (gap.stream, gap.n_lost) == ("response_map", 0)
    assert gap.reason == "withheld, not finite at 2 of 100 poses, model a"
    source.posterior_seq = 1
    assert heard(slices, source, MOST_STEPS) == []  # known already
    source.posterior_seq, source.unknown = 2, None
    (made,) = heard(slices, source, MOST_STEPS)
    assert isinstance(made, ResponseMapMade)
    source.posterior_seq, source.unknown = 3, unknown
    (again,) = heard(slices, source, MOST_STEPS)
    assert isinstance(again, StreamGap)


def said_to_poses(desk: Desk, n_poses: int) -> list[Sequence[Message]]:
    return [desk.give(pose_at(20.0 * n, seq=n)) for n in range(n_poses)]


@pytest.fixture
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    folder = tmp_path_factory.mktemp("models")
    return Desk(predict_node(folder, map_poses=poses(30)))


def test_the_prediction_leaves_before_the_slice_and_is_the_same(
    desk: Desk, tmp_path_factory: pytest.TempPathFactory
) -> None:
    plain = Desk(predict_node(tmp_path_factory.mktemp("plain")))
    for one in (desk, plain):
        one.give(intensity_at(0.0))
    with_map, without = said_to_poses(desk, 20), said_to_poses(plain, 20)
    assert sum(isinstance(one, ResponseMapMade) for said in with_map for one in said)
    for said, expected in zip(with_map, without, strict=True):
        assert [one for one in said if not isinstance(one, ResponseMapMade)] == expected
        assert isinstance(said[1], Prediction)


def test_a_learnt_trial_is_followed_by_a_map_of_the_new_belief(desk: Desk) -> None:
    desk.give(intensity_at(0.0))
    said_to_poses(desk, 20)
    desk.give(pulse_at(385.0))
    desk.give(mep_at(385.0))
    later = [desk.give(pose_at(400.0 + 20.0 * n, seq=n)) for n in range(10)]
    (made,) = [o for said in later for o in said if isinstance(o, ResponseMapMade)]
    assert made.posterior_seq == 1


def test_a_found_shift_makes_the_candidates_features_anew() -> None:
    slices, source = MapSlices(poses(), rmt_pct_mso=50.0), Knowing()
    maps(slices, source, MOST_STEPS)
    n_asked = sum(source.asked)
    source.posterior_seq += 1
    assert len(maps(slices, source, MOST_STEPS)) == 1
    assert sum(source.asked) == n_asked
    source.posterior_seq, source.shift_mm = source.posterior_seq + 1, (5.0, 0.0)
    assert len(maps(slices, source, MOST_STEPS)) == 1
    assert sum(source.asked) == n_asked + N_POSES
