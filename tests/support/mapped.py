"""A recorded session without its processes: trials of a virtual person."""

import functools
from pathlib import Path

import msgspec
import numpy as np

from m2m_rt.adapters.recorder import Recorder
from m2m_rt.adapters.table_file import read_table
from m2m_rt.app.config import RigConfig, SessionConfig, read_rig
from m2m_rt.app.config_path import config_path
from m2m_rt.app.new_session import check_rig, create_session
from m2m_rt.app.protocol_config import ProtocolConfig
from m2m_rt.app.table_path import table_path
from m2m_rt.efield import EfieldLookup
from m2m_rt.messages import MepMeasured, Prediction, Trial, encode, pack_f64
from m2m_rt.model import MUSCLES
from m2m_rt.sim import PlannedPulse, SeedStream, demo_design
from m2m_rt.studies.target_person import Person, Scene, draw_person, open_scene
from m2m_rt.units import F64, RigNs


@functools.cache
def demo_scene() -> Scene:
    """Return the shipped table with its candidate poses; a second, so only once."""
    return open_scene(EfieldLookup(read_table(table_path("demo"))))


def record_session(
    root: Path,
    scene: Scene,
    *,
    n_pulses: int,
    seed: int,
    muscles: tuple[str, ...] = MUSCLES,
) -> Person:
    """Write a session's folder with a new person's trials; return the person."""
    person, rng = draw_person(scene, seed=seed, stream=SeedStream.DEMO, index=0)
    rig = rig_of(muscles)
    per_pct = rig.stimulator.didt_at_100_pct_mso_a_per_us / 100.0
    rmt_pct_mso = round(float(person.at_rmt) / per_pct)
    protocol = ProtocolConfig(subject="s01", rmt_pct_mso=rmt_pct_mso)
    new = check_rig(rig, protocol)
    folder = create_session(new, root)
    pulses = demo_design(
        rng,
        scene.lookup.guard,
        planned_head_from_coil=scene.planned,
        n_pulses=n_pulses,
    )
    poses = np.array([pulse.head_from_coil for pulse in pulses])
    unit = scene.lookup.query_batch(poses).unit_efield_v_per_m
    columns = [MUSCLES.index(name) for name in muscles]
    with Recorder(folder, list(muscles)) as recorder:
        for index, pulse in enumerate(pulses):
            pct_mso = pulse.intensity_pct_rmt * rmt_pct_mso / 100.0
            field = unit[index] * np.float32(pct_mso * per_pct)
            prediction = _prediction(index, pulse, pct_mso, new.config)
            trial = _trial(prediction, person.subject.draw_uv(field, rng)[columns])
            recorder.take("trial/predictd", encode(trial), trial.t_ns)
    return person


def rig_of(muscles: tuple[str, ...]) -> RigConfig:
    """Return the demo's rig with these muscles only."""
    rig = read_rig(config_path("rig.demo.toml"))
    by_name = {one.name: one for one in rig.emg.muscles}
    chosen = tuple(by_name[name] for name in muscles)
    emg = msgspec.structs.replace(rig.emg, muscles=chosen)
    return msgspec.structs.replace(rig, emg=emg)


def _trial(prediction: Prediction, size_uv: F64) -> Trial:
    t_ns, index, n_muscles = prediction.t_ns, prediction.seq, len(size_uv)
    return Trial(
        t_ns=t_ns,
        seq=index,
        trial_index=index,
        revision=0,
        prediction=prediction,
        prediction_seq=index,
        lead_ms=5.0,
        mep=MepMeasured(
            t_ns=t_ns,
            pulse_id=index,
            mep_p2p_uv=tuple(size_uv.tolist()),
            mep_latency_ms=(None,) * n_muscles,
            preactivation_rms_uv=(2.0,) * n_muscles,
            present=(True,) * n_muscles,
            valid=(True,) * n_muscles,
            reason=("",) * n_muscles,
        ),
        learnt=(True,) * n_muscles,
        valid=True,
    )


def _prediction(
    index: int, pulse: PlannedPulse, pct_mso: float, config: SessionConfig
) -> Prediction:
    one_each = (2.0,) * len(config.rig.emg.muscles)
    return Prediction(
        t_ns=RigNs((index + 1) * 10**9),
        seq=index,
        pose_seq=0,
        head_from_coil=pack_f64(pulse.head_from_coil),
        intensity_pct_mso=pct_mso,
        mean_log10_uv=one_each,
        sd_log10_uv=one_each,
        p05_log10_uv=one_each,
        p95_log10_uv=one_each,
        prior_log10_uv=one_each,
        model_hash=config.model_hash,
        table_hash="",
        posterior_seq=0,
        valid=True,
    )
