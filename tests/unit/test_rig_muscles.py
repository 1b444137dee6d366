"""A rig of fewer muscles than the model's, and what its session is refused for."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

from m2m_rt.adapters.onnx_predictor import ModelFolder
from m2m_rt.adapters.rig_models import RigModels
from m2m_rt.app.compose import predict_settings
from m2m_rt.app.config import MuscleRig, RigConfig, read_protocol, read_rig
from m2m_rt.app.new_session import check_rig
from m2m_rt.emg import GapDetector
from m2m_rt.errors import ConfigError, ModelRefused
from m2m_rt.learning import select_muscles
from tests.support.models import small_prior
from tests.support.predicting import TABLE_HASH, store_models

CONFIGS = Path(__file__).parents[2] / "configs"


def rig_of(*names: str) -> RigConfig:
    rig = read_rig(CONFIGS / "rig.demo.toml")
    muscles = tuple(MuscleRig(name=name, window_ms=(15, 50)) for name in names)
    emg = msgspec.structs.replace(rig.emg, muscles=muscles)
    return msgspec.structs.replace(rig, emg=emg)


def check(*names: str) -> tuple[str, ...]:
    protocol = read_protocol(CONFIGS / "protocol.demo.toml")
    config = check_rig(rig_of(*names), protocol).config
    return tuple(muscle.name for muscle in config.rig.emg.muscles)


def test_a_session_may_have_some_muscles_in_any_order() -> None:
    assert check("TRI", "FDI") == ("TRI", "FDI")


@pytest.mark.parametrize(
    ("names", "named"),
    [(("FDI", "TOE"), "found TOE,"), (("FDI", "APB", "FDI"), "found FDI,")],
)
def test_a_session_of_unknown_or_repeated_muscles_is_refused(
    names: tuple[str, ...], named: str
) -> None:
    with pytest.raises(ConfigError, match=named):
        check(*names)


def test_the_selected_prior_holds_the_rows_asked_for() -> None:
    prior = small_prior()
    chosen = select_muscles(prior, [12, 0])
    for name in ("mean", "factor", "log_noise"):
        whole, part = getattr(prior, name), getattr(chosen, name)
        np.testing.assert_array_equal(part, whole[[12, 0]])
    assert (chosen.n_muscles, chosen.scale_dof) == (2, prior.scale_dof)


def test_all_muscles_in_the_models_order_are_the_models_own_bytes(
    tmp_path: Path,
) -> None:
    (model_hash,) = store_models(tmp_path, 0)
    model = ModelFolder(tmp_path).load(model_hash)
    whole = RigModels(
        ModelFolder(tmp_path), table_hash=TABLE_HASH, muscles=model.contract.muscles
    ).load(model_hash)
    assert whole.model_hash == model_hash
    assert whole.prior.mean.tobytes() == model.prior.mean.tobytes()
    assert whole.prior.factor.tobytes() == model.prior.factor.tobytes()


def test_a_model_of_another_table_is_refused(tmp_path: Path) -> None:
    (model_hash,) = store_models(tmp_path, 0)
    models = RigModels(ModelFolder(tmp_path), table_hash="5" * 64, muscles=("FDI",))
    with pytest.raises(ModelRefused, match="made for table 000000000000"):
        models.load(model_hash)


def test_the_demo_rig_sees_one_lost_row() -> None:
    emg = read_rig(CONFIGS / "rig.demo.toml").emg
    stamps_s = 5000.0 + np.delete(np.arange(1000), 500) / emg.fs_hz
    (gap,) = GapDetector(emg.gaps, emg.fs_hz).push(stamps_s)
    assert gap.row == 500


@pytest.mark.parametrize(
    ("said", "named"),
    [
        (
            'muscles = [{ name = "FDI", window_ms = [50, 15] }]',
            r"emg\.muscles: FDI: window_ms: found \[50, 15\]",
        ),
        (
            'muscles = [{ name = "FDI", window_ms = [15, inf] }]',
            r"emg\.muscles: FDI: window_ms: found \[15, inf\]",
        ),
        ('muscles = [{ name = "FDI", window_ms = [15, 15.1] }]', "window of FDI"),
        ('muscles = [{ name = "TOE" }]', "emg.muscles: TOE: found no window_ms"),
        ('muscles = [{ name = "FDI" }, { name = "FDI" }]', "emg: found muscles must"),
        ("muscles = []", "emg: found muscles must not be empty"),
        ("filter = { hold_end_ms = inf }", "emg: found cannot convert"),
        ("filter = { lowpass_hz = 2500 }", r"emg\.filter\.lowpass_hz: found 2500 Hz"),
    ],
)
def test_a_rig_whose_emg_cannot_be_read_is_refused_with_file_and_field(
    tmp_path: Path, said: str, named: str
) -> None:
    text = (CONFIGS / "rig.demo.toml").read_text("utf-8")
    path = tmp_path / "rig.toml"
    path.write_text(text.replace("[emg]\n", f"[emg]\n{said}\n"))
    with pytest.raises(ConfigError, match=f"rig.toml: .*{named}"):
        read_rig(path)


@pytest.mark.parametrize(("said", "acts"), [("", True), ("false", False)])
def test_a_protocol_says_whether_changes_are_acted_on(
    said: str, acts: bool, tmp_path: Path
) -> None:
    path = tmp_path / "protocol.toml"
    line = f"[learning]\nacts_on_changes = {said}" if said else ""
    path.write_text(f'subject = "s01"\nrmt_pct_mso = 50.0\n{line}\n', encoding="utf-8")
    config = check_rig(rig_of("FDI"), read_protocol(path)).config
    assert predict_settings(config).acts_on_changes is acts
