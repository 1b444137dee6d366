"""How long a prediction takes from the field on, beside the published networks.

All models run in one process through ONNX Runtime on one thread and are timed in
turns, so that whatever else the machine does falls on all of them. One pose is timed
right after a call like it: what the model itself takes. Paced, as a rig asks, after a
pause and the other models, stands beside it: what a sleeping machine takes to wake up
comes on top, about 0.2 ms even for a graph that computes nothing.
"""

import hashlib
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import msgspec
import numpy as np
import onnxruntime as ort
import torch

from m2m_rt.adapters.onnx_predictor import OnnxPredictor
from m2m_rt.learning import first_posterior, predict
from m2m_rt.model import INPUT_NAME, MUSCLES
from m2m_rt.nets import HeadField, Progress
from m2m_rt.nets.field_process import N_PROCESS_COMPONENTS, Components, FieldProcess
from m2m_rt.nets.paper import (
    N_SYNERGIES,
    Autoencoder,
    DirectNet,
    FieldVolume,
    PaperHead,
    PaperInput,
    PaperNet,
    ResidualNet,
    SynergyNet,
)
from m2m_rt.nets.paper_box import box_grid
from m2m_rt.nets.paper_export import export_paper_net
from m2m_rt.nets.recruitment import (
    Recruited,
    RecruitmentSettings,
    fit_recruitment,
)
from m2m_rt.nets.recruitment_graph import RecruitmentGraph, export_recruitment
from m2m_rt.nets.recruitment_shared import SharedSettings, share_excitability
from m2m_rt.nets.refit import warm_start
from m2m_rt.studies.committee_graph import (
    CommitteeGraph,
    PopulationGraph,
    ProcessGraph,
    export_committee,
)
from m2m_rt.units import F32, F64

PACE_S = 0.01

N_TRAINING = 629
"""Pulses that the recruitment model has learnt from: it compares a field with each."""

US_PER_NS = 1e-3

Once = Callable[[F32], object]


@dataclass(frozen=True, slots=True)
class BenchPlan:
    """How much is timed."""

    n_poses: int = 256
    """Of the batch."""

    n_single: int = 60
    n_batches: int = 15
    n_slow_batches: int = 2
    """Of the published networks: seconds each."""

    side: int = 32
    """Voxels along the published networks' box."""

    published: tuple[tuple[PaperInput, PaperHead], ...] = tuple(
        (kind, last) for kind in PaperInput for last in PaperHead
    )


class BenchFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Median times in microseconds, one thread, from the field on."""

    default: str
    """The shipped model's name."""

    models: dict[str, dict[str, float]]
    """`us_1`, `us_1_paced` and `us_256` of each.

    The shipped one's are with its last layer.
    """

    torch_us_1: float
    """The shipped network for one pose in torch, where it could also run."""

    quickest_published_over: dict[str, dict[str, float]]
    """How many times longer the quickest published network takes."""

    side: int


@dataclass(frozen=True, slots=True)
class Timed:
    """A way from relative fields (n, n_roi, 3) to what is expected of them."""

    name: str
    once: Once
    n_batches: int


def bench_predict(
    head: HeadField,
    model_bytes: bytes,
    *,
    name: str,
    plan: BenchPlan,
    progress: Progress,
) -> BenchFigures:
    """Return the figures of `m2m bench predict`, by the names of its JSON file.

    Parameters
    ----------
    head
        Its table says how many points a field has.
    model_bytes
        The shipped model.
    name
        Of the shipped model.
    plan
        How much is timed.
    progress
        Told of every round.
    """
    torch.set_num_threads(1)
    predictor = OnnxPredictor(
        model_bytes, expected_hash=hashlib.sha256(model_bytes).hexdigest()
    )
    efield = _some_fields(head, plan.n_poses)
    ways = {name: _with_last_layer(predictor)}
    ways |= _from_scratch(head, model_bytes, predictor, efield[:1])
    ours = tuple(Timed(own, once, plan.n_batches) for own, once in ways.items())
    published = _published(head, plan, efield[:2], progress)
    net, _ = warm_start(model_bytes, predictor)
    in_torch = Timed("torch", lambda rows: net(torch.from_numpy(rows)), 0)
    with torch.no_grad():
        everyone, one_pose = (*ours, in_torch, *published), efield[:1]
        single = _single_us(everyone, one_pose, plan, progress)
        paced = _paced_us(everyone, one_pose, plan, progress)
        batch = _batch_us((*ours, *published), efield, progress)
    models = {
        model: {"us_1": single[model], "us_1_paced": paced[model], "us_256": us}
        for model, us in batch.items()
    }
    return BenchFigures(
        default=name,
        models=models,
        torch_us_1=single["torch"],
        quickest_published_over=_quickest_over(models, ours=ways.keys()),
        side=plan.side,
    )


def _quickest_over(
    models: Mapping[str, dict[str, float]], *, ours: Collection[str]
) -> dict[str, dict[str, float]]:
    """Return how many times longer than each of ours the quickest other one takes."""
    others = [times for name, times in models.items() if name not in ours]
    quickest = {key: min(one[key] for one in others) for key in others[0]}
    return {
        name: {key: us / models[name][key] for key, us in quickest.items()}
        for name in ours
    }


def _some_fields(head: HeadField, count: int) -> F32:
    """Return relative fields of the planned pose, a little apart from each other."""
    planned = head.cortex.planned_unit_efield / np.float32(head.planned_peak_v_per_m)
    rng = np.random.default_rng(0)
    scale = rng.uniform(1.0, 1.4, (count, 1, 1)).astype(np.float32)
    noise = 0.02 * rng.standard_normal((count, *planned.shape)).astype(np.float32)
    fields: F32 = np.ascontiguousarray(planned * scale + noise, np.float32)
    return fields


def _with_last_layer(predictor: OnnxPredictor) -> Once:
    """Return the shipped model with the last layer that a session learns."""
    posterior = first_posterior(predictor.prior)
    return lambda rows: predict(posterior, predictor.features(rows))


def _in_onnx(model_bytes: bytes) -> Once:
    """Return a session that gives its memory back: a batch of volumes takes 2 GB."""
    options = ort.SessionOptions()
    options.enable_cpu_mem_arena = False
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = ort.InferenceSession(
        model_bytes, options, providers=["CPUExecutionProvider"]
    )
    return lambda rows: session.run(None, {INPUT_NAME: rows})


def _recruitment(head: HeadField) -> tuple[Recruited, F64, F64]:
    """Return a model of the usual size, and the rows it has learnt.

    How it was fitted does not change its time.
    """
    fields = _some_fields(head, N_TRAINING)
    rows = fields.reshape(N_TRAINING, -1).astype(np.float64) @ head.basis
    log10_uv = np.random.default_rng(1).uniform(1.0, 3.0, (N_TRAINING, len(MUSCLES)))
    model = fit_recruitment(rows, log10_uv, RecruitmentSettings(n_steps=2))
    return model, rows, log10_uv


def _from_scratch(
    head: HeadField, model_bytes: bytes, predictor: OnnxPredictor, example: F32
) -> dict[str, Once]:
    """Return the recruitment model and the committee that it is in."""
    model, rows, log10_uv = _recruitment(head)
    parts = Components(rows, N_PROCESS_COMPONENTS)
    net, _ = warm_start(model_bytes, predictor)
    shared = share_excitability(model, rows, log10_uv, SharedSettings(n_steps=2))
    committee = CommitteeGraph(
        (
            RecruitmentGraph(model, head.basis),
            RecruitmentGraph(shared, head.basis),
            PopulationGraph(net, first_posterior(predictor.prior)),
            ProcessGraph(parts, FieldProcess(parts.of(rows), log10_uv), head.basis),
        )
    )
    return {
        "recruitment": _in_onnx(export_recruitment(model, head.basis, example)),
        "committee": _in_onnx(export_committee(committee, example)),
    }


def _published(
    head: HeadField, plan: BenchPlan, example: F32, progress: Progress
) -> tuple[Timed, ...]:
    """Return the six published systems with random weights."""
    timed = []
    for done, (kind, last) in enumerate(plan.published):
        net = _published_net(head, plan.side, kind, last)
        once = _in_onnx(export_paper_net(net, example))
        timed.append(Timed(f"{kind.value}.{last.value}", once, plan.n_slow_batches))
        progress("exporting the published networks", done + 1, len(plan.published))
    return tuple(timed)


def _published_net(
    head: HeadField, side: int, kind: PaperInput, last: PaperHead
) -> PaperNet:
    volume = FieldVolume(box_grid(head.lookup.table.roi, side), kind)
    code_side, n_muscles = side // 4, len(MUSCLES)
    nets: tuple[torch.nn.Module, ...] = (DirectNet(code_side, n_muscles),)
    if last is not PaperHead.DIRECT:
        synergies = np.full((N_SYNERGIES, n_muscles), 0.1, np.float32)
        nets = (SynergyNet(code_side, synergies),)
    if last is PaperHead.BOTH:
        nets = (*nets, ResidualNet(code_side, n_muscles))
    largest_uv = np.full(n_muscles, 1000.0, np.float32)
    return PaperNet(volume, Autoencoder(volume.mask), nets, largest_uv).eval()


def _single_us(
    models: tuple[Timed, ...], row: F32, plan: BenchPlan, progress: Progress
) -> dict[str, float]:
    """Return each model's median time for one pose, after a call like it, in turns."""
    rounds: list[list[float]] = []
    for done in range(plan.n_single):
        rounds.append([_again_us(model.once, row) for model in models])
        progress("one pose", done + 1, plan.n_single)
    return _medians(models, np.array(rounds))


def _paced_us(
    models: tuple[Timed, ...], row: F32, plan: BenchPlan, progress: Progress
) -> dict[str, float]:
    """Return each model's median time for one pose, after a pause, in turns."""
    rounds: list[list[float]] = []
    for done in range(plan.n_single):
        rounds.append([_once_us(model.once, row, PACE_S) for model in models])
        progress("one pose, paced", done + 1, plan.n_single)
    return _medians(models, np.array(rounds))


def _batch_us(
    models: tuple[Timed, ...], rows: F32, progress: Progress
) -> dict[str, float]:
    """Return each model's median time for a batch, in turns."""
    times: dict[str, list[float]] = {model.name: [] for model in models}
    n_rounds = max(model.n_batches for model in models)
    for done in range(n_rounds):
        for model in models:
            if done < model.n_batches:
                times[model.name].append(_once_us(model.once, rows))
        progress(f"{len(rows)} poses", done + 1, n_rounds)
    return {name: float(np.median(values)) for name, values in times.items()}


def _medians(models: tuple[Timed, ...], times_us: F64) -> dict[str, float]:
    median = np.median(times_us, axis=0)
    return {model.name: float(us) for model, us in zip(models, median, strict=True)}


def _again_us(once: Once, row: F32) -> float:
    once(row)
    return _once_us(once, row)


def _once_us(once: Once, rows: F32, pause_s: float = 0.0) -> float:
    if pause_s:
        time.sleep(pause_s)
    started_ns = time.perf_counter_ns()
    once(rows)
    return (time.perf_counter_ns() - started_ns) * US_PER_NS
