"""The figures of `m2m bench predict` are there, whole, and of the right things."""

from pathlib import Path

from m2m_rt.adapters.onnx_predictor import read_shipped_model
from m2m_rt.adapters.table_file import read_table
from m2m_rt.app.predict_bench import BenchPlan, bench_predict
from m2m_rt.efield import EfieldLookup
from m2m_rt.nets import head_field
from m2m_rt.nets.paper import PaperHead, PaperInput

MODELS = Path(__file__).parents[2] / "models"


def test_every_model_is_timed_for_one_pose_and_for_a_batch() -> None:
    head = head_field(EfieldLookup(read_table(MODELS / "tables" / "demo" / "table.h5")))
    published = ((PaperInput.NRP, PaperHead.BOTH),)
    plan = BenchPlan(
        n_poses=2, n_single=2, n_batches=2, n_slow_batches=1, published=published
    )
    figures = bench_predict(
        head,
        read_shipped_model(MODELS / "m2mnet-rt" / "1"),
        name="m2mnet-rt",
        plan=plan,
        progress=lambda _stage, _done, _total: None,
    )
    assert figures.default == "m2mnet-rt"
    assert figures.torch_us_1 > 0.0
    assert set(figures.models) == {"m2mnet-rt", "recruitment", "committee", "nrp.both"}
    for times in figures.models.values():
        assert set(times) == {"us_1", "us_1_paced", "us_256"}
        assert min(times.values()) > 0.0
