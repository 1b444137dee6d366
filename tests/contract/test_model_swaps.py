"""Models are swapped and rolled back between predictions, and each is of one model."""

import itertools
from pathlib import Path

from m2m_rt.adapters.onnx_predictor import ModelFolder
from m2m_rt.app.swap_bench import SwapBench, Variants
from m2m_rt.app.swap_check import SwapPlan, check_swaps
from m2m_rt.model import MUSCLES
from tests.support.efield import planned_pose
from tests.support.predicting import TABLE_HASH, model_bytes, small_lookup

N_READS = 2000


def quiet(_stage: str, _done: int, _total: int) -> None:
    """Show no progress."""


def variants() -> Variants:
    models = tuple(model_bytes(seed) for seed in range(3))
    return Variants(models, TABLE_HASH, MUSCLES)


def test_under_swaps_and_roll_backs_no_prediction_is_torn_missed_or_late() -> None:
    found = check_swaps(small_lookup(), variants(), SwapPlan(N_READS, 0), quiet)
    assert found.is_good
    assert found.reads == N_READS
    assert found.swaps > 5
    assert found.rollbacks > 0
    assert found.refused > 0
    assert found.writes > 0


def test_the_check_would_see_a_mixture_of_models(tmp_path: Path) -> None:
    folder = ModelFolder(tmp_path)
    some = variants()
    hashes = [folder.store(model) for model in some.models]
    bench = SwapBench(small_lookup(), folder, some, hashes, [planned_pose()])
    answers = [bench.answers_of(one)[0] for one in hashes]
    assert all(a != b for a, b in itertools.combinations(answers, 2))
    assert bench.answers_of(hashes[1])[0] == answers[1]
