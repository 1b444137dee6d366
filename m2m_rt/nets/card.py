"""A model's card: what it is, what it was made from, how good it is, where it ends.

Everything in it is read from the model and its table, or measured when it is written.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from m2m_rt.adapters.model_sums import write_sums
from m2m_rt.adapters.onnx_predictor import (
    OnnxPredictor,
    read_manifest,
    read_shipped_model,
)
from m2m_rt.efield import draw_pose
from m2m_rt.errors import ModelRefused
from m2m_rt.model import ModelManifest
from m2m_rt.nets.evaluate import Evaluation, evaluate
from m2m_rt.nets.recipe import scored_sessions
from m2m_rt.nets.refit import warm_start
from m2m_rt.nets.sessions import HeadField, Progress
from m2m_rt.units import F32

CARD_FILE = "CARD.md"

_N_PARITY = 128


@dataclass(frozen=True, slots=True)
class CardRequest:
    """How much is measured."""

    n_subjects: int
    seed: int
    """Of the subjects; their stream is none that a network is trained on."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured for a card."""

    evaluation: Evaluation
    parity: float
    """Largest difference of a feature between torch and ONNX Runtime."""

    largest_feature: float


def write_card(
    folder: Path, head: HeadField, request: CardRequest, progress: Progress
) -> str:
    """Measure a shipped model, write its card and seal the folder; return the text.

    Raises
    ------
    ModelRefused
        If the model fails its checks, or was made for another table.
    """
    manifest = read_manifest(folder)
    model_bytes = read_shipped_model(folder)
    if manifest.contract.table_hash != head.lookup.table.table_hash:
        raise ModelRefused(f"{folder}: made for another table than this one")
    measured = measure(model_bytes, head, request, progress)
    text = card_text(manifest, head, request, measured)
    (folder / CARD_FILE).write_bytes(text.encode())
    write_sums(folder)
    read_shipped_model(folder)
    return text


def measure(
    model_bytes: bytes, head: HeadField, request: CardRequest, progress: Progress
) -> Measured:
    """Return a model's scores on new subjects, and its parity with torch."""
    model_hash = hashlib.sha256(model_bytes).hexdigest()
    predictor = OnnxPredictor(model_bytes, expected_hash=model_hash)
    sessions = scored_sessions(
        head, seed=request.seed, n_sessions=request.n_subjects, progress=progress
    )
    features = np.array(
        [predictor.features(head.fields(one)) for one in sessions.relative]
    )
    evaluation = evaluate(
        predictor.prior, features, sessions, baselines=(), progress=progress
    )
    fields = _parity_fields(head, request.seed)
    net, _ = warm_start(model_bytes, predictor)
    with torch.no_grad():
        expected = net(torch.tensor(fields)).numpy()
    found = predictor.features(fields)
    return Measured(
        evaluation=evaluation,
        parity=float(np.max(np.abs(found - expected))),
        largest_feature=float(np.max(np.abs(expected))),
    )


def _parity_fields(head: HeadField, seed: int) -> F32:
    """Return relative fields (n, n_roi, 3) from all over the table's region."""
    rng, lookup = np.random.default_rng(seed), head.lookup
    poses = [
        draw_pose(lookup.table.region, lookup.guard, rng) for _ in range(_N_PARITY)
    ]
    unit = lookup.query_batch(np.array(poses)).unit_efield_v_per_m
    levels = rng.uniform(0.8, 1.5, _N_PARITY) / head.planned_peak_v_per_m
    fields: F32 = unit * levels.astype(np.float32)[:, np.newaxis, np.newaxis]
    return fields


def card_text(
    manifest: ModelManifest, head: HeadField, request: CardRequest, measured: Measured
) -> str:
    """Return the card."""
    parts = (
        _title(manifest),
        _data(manifest, head),
        _figures(request, measured),
        _files(manifest),
        _limits(manifest, head),
    )
    return "\n".join(parts)


def _title(manifest: ModelManifest) -> str:
    contract = manifest.contract
    return f"""# {manifest.name} {manifest.version}

Field in motor cortex → {contract.n_features} features → log10 MEP, with its spread, of
{len(contract.muscles)} muscles: {", ".join(contract.muscles)}.
A Bayesian last layer knows {contract.n_latent} ways in which a muscle differs between
people, and learns them from every pulse.

Research use only; not a medical device. Written by `m2m model card`.
"""


def _data(manifest: ModelManifest, head: HeadField) -> str:
    table, contract = head.lookup.table, manifest.contract
    parent = contract.parent_hash or "none"
    n_points = len(table.roi.points_mm)
    return f"""## Made from

- Simulated subjects only (`m2m_rt.sim.population`), seed stream TRAINING; the seed is
  in the command: `{manifest.command}`.
- Producer: {contract.producer}. Parent model: {parent}.
- Fields of table `{table.name}` (sha256 `{table.table_hash}`):
  head {table.provenance.head_name}, coil {table.coil.name}, {n_points} points.
- Anatomy: {" ".join(table.provenance.made_from.split())}
"""


def _figures(request: CardRequest, measured: Measured) -> str:
    scores = measured.evaluation
    worst = min(subject.online / subject.ceiling for subject in scores.subjects)
    rows = {
        "R² of log10 MEP, learnt online": f"{scores.mean('online'):.3f}",
        "the same without learning": f"{scores.mean('prior'):.3f}",
        "R² of the true expectation": f"{scores.mean('ceiling'):.3f}",
        "online over true, worst subject": f"{worst:.3f}",
        "MEPs inside their 90 % interval": f"{100 * scores.mean('coverage_90'):.1f} %",
        "RMSE of log10 MEP": f"{scores.mean('rmse_log10'):.3f}",
        "RMSE of the true expectation": f"{scores.ceiling_rmse:.3f}",
        "log score per MEP, nats": f"{scores.mean('log_score'):.3f}",
        f"ONNX Runtime − torch, largest of {_N_PARITY} poses": f"{measured.parity:.1e}",
        "largest feature there": f"{measured.largest_feature:.1f}",
    }
    table = "\n".join(f"| {name} | {figure} |" for name, figure in rows.items())
    return f"""## Figures

On {request.n_subjects} subjects of seed stream EVALUATION (seed {request.seed}), 60
pulses each, the last 30 predicted one by one from those before; means over subjects.

| what | figure |
|---|---|
{table}
"""


def _files(manifest: ModelManifest) -> str:
    return f"""## Files

- `{manifest.onnx_file}`: sha256 `{manifest.onnx_sha256}`, ONNX opset {manifest.opset}
- `{manifest.golden_file}`: sha256 `{manifest.golden_sha256}`
- `manifest.toml` and this card: hashes in `SHA256SUMS`. A folder in which any bit of a
  listed file has changed is refused.
"""


def _limits(manifest: ModelManifest, head: HeadField) -> str:
    region = head.lookup.table.region
    winding = f"{region.min_winding_mm:g} to {region.max_winding_mm:g} mm"
    return f"""## Limits

- No recording of a person went into it, and none into its figures: they hold for people
  like the simulated ones, on this head and with this coil.
- The input follows the table's {manifest.contract.n_roi} points; with another table the
  model is refused.
- Poses: centre within {region.max_offset_mm:g} mm of the planned one, tilt up to
  {region.max_tilt_deg:g}°, winding {winding} from the scalp.
- Intensities of 100 to 140 % of the resting motor threshold as the operator measured
  it; a wrong threshold is a wrong intensity.
- Single pulses at rest; no paired pulses, no voluntary contraction.
"""
