import math

import numpy as np
import pylsl

from m2m_rt.adapters.lsl_discovery import header_of
from m2m_rt.adapters.lsl_prediction_outlet import PredictionOutlet, prediction_row
from m2m_rt.messages import Prediction, pack_f64
from m2m_rt.units import RigNs

MUSCLES = ("FDI", "APB")
T_NS = RigNs(123_456_789_012)


def _prediction(**changes: object) -> Prediction:
    fields: dict[str, object] = {
        "t_ns": T_NS,
        "pose_seq": 0,
        "head_from_coil": pack_f64(np.eye(4)),
        "intensity_pct_mso": 50.0,
        "mean_log10_uv": (2.0, 3.0),
        "sd_log10_uv": (0.2, 0.2),
        "p05_log10_uv": (1.0, 2.0),
        "p95_log10_uv": (3.0, 4.0),
        "prior_log10_uv": (2.0, 3.0),
        "model_hash": "m",
        "table_hash": "t",
        "posterior_seq": 0,
        "valid": True,
    }
    return Prediction(**(fields | changes))  # type: ignore[arg-type]  # any field


def _invalid() -> Prediction:
    empty = dict.fromkeys(
        (
            "mean_log10_uv",
            "sd_log10_uv",
            "p05_log10_uv",
            "p95_log10_uv",
            "prior_log10_uv",
        ),
        (),
    )
    return _prediction(**empty, valid=False, reason="stale")


def test_row_is_median_p05_and_p95_of_each_muscle_in_microvolts() -> None:
    row = prediction_row(_prediction(), 2)
    assert row.dtype == np.float32
    assert np.allclose(row, (100, 10, 1000, 1000, 100, 10_000), rtol=1e-6)  # float32


def test_invalid_prediction_is_a_row_of_nan() -> None:
    row = prediction_row(_invalid(), 2)
    assert row.shape == (6,)
    assert np.isnan(row).all()


def test_another_program_reads_labels_units_and_the_poses_own_time() -> None:
    outlet = PredictionOutlet(MUSCLES, rig="test")
    (info,) = pylsl.resolve_byprop("source_id", "m2m_pred-test", 1, 10.0)
    inlet = pylsl.StreamInlet(info)
    header = header_of(inlet.info(timeout=10.0))
    inlet.open_stream(timeout=10.0)
    outlet.publish(_prediction())
    outlet.publish(_invalid())
    (first, first_s), (second, _) = inlet.pull_sample(10.0), inlet.pull_sample(10.0)
    assert (header.name, header.type, header.fs_hz) == ("m2m_pred", "MEP-prediction", 0)
    assert header.labels == (
        "FDI",
        "FDI_p05",
        "FDI_p95",
        "APB",
        "APB_p05",
        "APB_p95",
    )
    assert set(header.units) == {"microvolts"}
    assert np.allclose(first, (100, 10, 1000, 1000, 100, 10_000), rtol=1e-6)
    assert all(math.isnan(value) for value in second)
    assert first_s == T_NS / 1e9
