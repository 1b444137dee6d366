"""What was learnt is learnt again without looking its fields up again."""

from pathlib import Path

import numpy as np
import pytest

from m2m_rt.adapters.onnx_predictor import ModelFolder
from m2m_rt.adapters.rig_models import RigModels
from m2m_rt.efield import EfieldLookup, FieldAnswer
from m2m_rt.model import MUSCLES
from m2m_rt.nodes.answers import Answer, answer_of
from m2m_rt.nodes.fields import Stimulus
from m2m_rt.nodes.forecaster import Forecaster
from m2m_rt.units import F64
from tests.support.efield import planned_pose
from tests.support.predicting import TABLE_HASH, small_lookup, store_models

N_TRIALS = 40


class CountingLookup(EfieldLookup):
    """Counts the poses it is asked for."""

    n_asked = 0

    def query(self, head_from_coil: F64) -> FieldAnswer:
        self.n_asked += 1
        return super().query(head_from_coil)


@pytest.fixture
def lookup() -> CountingLookup:
    return CountingLookup(small_lookup().table)


def forecaster(lookup: EfieldLookup, folder: Path, seed: int = 0) -> Forecaster:
    model_hash, _ = store_models(folder, seed, 1)
    models = RigModels(ModelFolder(folder), table_hash=TABLE_HASH, muscles=MUSCLES)
    return Forecaster(lookup, models, model_hash=model_hash, rmt_pct_mso=50.0)


def answers() -> list[Answer]:
    rng = np.random.default_rng(2)
    made = []
    for _ in range(N_TRIALS):
        pose = planned_pose()
        pose[:3, 3] += rng.uniform(-4.0, 4.0) * pose[:3, 0]
        sizes_uv = (10 ** rng.uniform(1.0, 3.5, len(MUSCLES))).tolist()
        stimulus = Stimulus(pose, float(rng.uniform(50.0, 70.0)))
        made.append(answer_of(stimulus, sizes_uv, [True] * len(MUSCLES)))
    return made


def forecast_of(one: Forecaster) -> tuple[float, ...]:
    field = one.field(Stimulus(planned_pose(), 60.0))
    assert not isinstance(field, str)
    found = one.forecast(field, 60.0)
    return (*found.mean, *found.sd, *found.p05, *found.p95)


def test_no_field_is_looked_up_again(lookup: CountingLookup, tmp_path: Path) -> None:
    one, given = forecaster(lookup, tmp_path), answers()
    for answer in given:
        one.learn(answer)
    assert lookup.n_asked == N_TRIALS
    (other,) = store_models(tmp_path, 1)
    one.forget(given[-1])
    one.switch(other)
    one.forget(given[-2])
    assert lookup.n_asked == N_TRIALS


def test_a_forgotten_answer_leaves_no_trace(
    lookup: CountingLookup, tmp_path: Path
) -> None:
    without, with_bad, given = (
        forecaster(lookup, tmp_path),
        forecaster(lookup, tmp_path),
        answers(),
    )
    for answer in given:
        with_bad.learn(answer)
    for answer in given[:-1]:
        without.learn(answer)
    with_bad.forget(given[-1])
    assert forecast_of(with_bad) == forecast_of(without)
    (other,) = store_models(tmp_path, 1)
    with_bad.switch(other)
    without.switch(other)
    assert forecast_of(with_bad) == forecast_of(without)


def test_a_model_switched_to_has_learnt_what_it_would_have_from_the_start(
    lookup: CountingLookup, tmp_path: Path
) -> None:
    switched, always = forecaster(lookup, tmp_path), forecaster(lookup, tmp_path, 1)
    for answer in answers():
        switched.learn(answer)
        always.learn(answer)
    (other,) = store_models(tmp_path, 1)
    switched.switch(other)
    assert switched.model_hash == always.model_hash
    # Features of all trials in one call of the network: float32 rounding.
    np.testing.assert_allclose(forecast_of(switched), forecast_of(always), rtol=1e-5)
