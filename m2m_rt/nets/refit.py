"""A refit of the model in use on one subject's own trials.

Two candidates: the network, started from its weights, and a committee of that network
with curves and a process that learn the subject from nothing. All weights of the
network and the last layer's prior may move, each held back to where it was in
proportion to its size: tens of trials must not undo what the population taught. No
candidate sees the held-out last trials; each and the parent are scored on them one by
one, learning the plain last layer as it goes, without what muscles share in a session.
The better one is handed over, its score lessened by what the better of two gains by
chance.
"""

import hashlib
import logging
from dataclasses import dataclass
from typing import Annotated

import msgspec
import numpy as np
import torch
from msgspec import Meta
from torch import Tensor

from m2m_rt.adapters.onnx_predictor import OnnxPredictor
from m2m_rt.errors import DataError, ModelRefused
from m2m_rt.learning import predict_mean, rebuild
from m2m_rt.model import ModelContract
from m2m_rt.nets.committee import fit_columns, shape_spread
from m2m_rt.nets.committee_file import network_part, with_columns
from m2m_rt.nets.evidence import session_log_evidence
from m2m_rt.nets.held_out import choose, held_out_scores, mean_score
from m2m_rt.nets.onnx_file import read_weights, with_parent, with_weights
from m2m_rt.nets.realtime import PopulationPrior, RealtimeNet, RealtimeSettings
from m2m_rt.units import F32, F64, Bools

N_REHEARSED_HELD_OUT = 2

_log = logging.getLogger(__name__)


class RefitSettings(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True
):
    """How far and how long a refit goes: a few seconds on one core."""

    n_steps: Annotated[int, Meta(gt=0)] = 150
    learning_rate: Annotated[float, Meta(gt=0)] = 2e-3
    hold: Annotated[float, Meta(gt=0)] = 0.2
    """Prior sd of a weight's change over the root mean square of its array."""

    committee: bool = True
    """Whether a committee is a candidate too."""

    least_trials: Annotated[int, Meta(gt=0)] = 20
    """That a committee is fitted to; with fewer the population knew better."""

    least_shape_spread: Annotated[float, Meta(ge=0)] = 0.05
    """Of the trials' fields, over their size; a map's is about 0.4."""

    least_valid_share: Annotated[float, Meta(gt=0, le=1)] = 0.5
    """Of a muscle's MEPs, for the committee to speak of it; else the network alone
    does."""


@dataclass(frozen=True, slots=True)
class Trials:
    """One subject's trials in order."""

    relative_efield: F32
    """(n, n_roi, 3)"""

    log10_uv: F64
    """(n, n_muscles); any finite number where not valid."""

    valid: Bools
    """(n, n_muscles)"""


@dataclass(frozen=True, slots=True)
class Refitted:
    """A candidate and how it did on the held-out trials."""

    model_bytes: bytes
    candidate_score: float
    """Mean natural log predictive density per held-out valid MEP, less what having
    chosen the better of two candidates is worth."""

    incumbent_score: float
    n_scored: int
    """Number of MEPs scored."""


def refit(
    model_bytes: bytes,
    trials: Trials,
    *,
    n_held_out: int,
    seed: int,
    settings: RefitSettings | None = None,
) -> Refitted:
    """Return the better candidate, fitted on all but the last `n_held_out` trials.

    The same input on the same machine gives the same bytes. The seed is that of torch's
    numbers; as long as candidates start from stored weights, none are drawn.

    Raises
    ------
    DataError
        If too few trials are left to fit on, or nothing is left to score.
    """
    how = settings or RefitSettings()
    n_fitted = len(trials.log10_uv) - n_held_out
    valid = trials.valid
    if n_fitted < 1 or not valid[:n_fitted].any() or not valid[n_fitted:].any():
        msg = (
            f"{len(trials.log10_uv)} trials, {n_held_out} held out: expected valid "
            "MEPs among both"
        )
        raise DataError(msg)
    fitted = Trials(
        relative_efield=trials.relative_efield[:n_fitted],
        log10_uv=trials.log10_uv[:n_fitted],
        valid=trials.valid[:n_fitted],
    )
    torch.set_num_threads(1)
    network_bytes = network_part(model_bytes)
    torch.manual_seed(seed)
    candidates = [_refit_network(network_bytes, fitted, how)]
    if how.committee and n_fitted >= how.least_trials:
        candidates += _committees(candidates[0], fitted, how)
    parent_hash = _hash(model_bytes)
    candidates = [with_parent(one, parent_hash) for one in candidates]
    scores = [_held_out(one, trials, n_fitted) for one in candidates]
    best, price = choose(scores)
    incumbent = _held_out(model_bytes, trials, n_fitted)
    return Refitted(
        model_bytes=candidates[best],
        candidate_score=mean_score(scores[best]) - price,
        incumbent_score=mean_score(incumbent),
        n_scored=int(trials.valid[n_fitted:].sum()),
    )


def rehearse(model_bytes: bytes) -> None:
    """Take every step of a refit once, on invented trials: libraries load lazily."""
    trials, brief = rehearsal(_load(model_bytes))
    refit(model_bytes, trials, n_held_out=N_REHEARSED_HELD_OUT, seed=0, settings=brief)


def rehearsal(model: OnnxPredictor) -> tuple[Trials, RefitSettings]:
    """Return invented trials, and settings with which all candidates are fitted."""
    rng, n_trials = np.random.default_rng(0), 6
    scale = rng.uniform(0.9, 1.3, (n_trials, model.contract.n_roi, 3))
    trials = Trials(
        relative_efield=(model.golden_efield * scale).astype(np.float32),
        log10_uv=rng.uniform(1.0, 3.0, (n_trials, model.prior.n_muscles)),
        valid=np.ones((n_trials, model.prior.n_muscles), np.bool_),
    )
    return trials, RefitSettings(n_steps=2, least_trials=2)


def warm_start(
    model_bytes: bytes, incumbent: OnnxPredictor
) -> tuple[RealtimeNet, PopulationPrior]:
    """Return a network and its prior in torch, from its own file."""
    weights = read_weights(model_bytes)
    settings = RealtimeSettings(
        n_filters=weights["filters"].shape[1],
        n_hidden=weights["hidden_out.bias"].shape[0],
        n_features=incumbent.contract.n_features,
        n_latent=incumbent.contract.n_latent,
    )
    net = RealtimeNet(incumbent.contract.n_roi, settings)
    names = dict(net.named_parameters())
    net.load_state_dict({name: torch.tensor(weights[name]) for name in names})
    prior = PopulationPrior(settings)
    prior.load_state_dict(
        {
            "mean": _tensor(incumbent.prior.mean),
            "factor": _tensor(incumbent.prior.factor),
            "log_noise": _tensor(incumbent.prior.log_noise),
        }
    )
    return net, prior


def _refit_network(
    network_bytes: bytes, trials: Trials, settings: RefitSettings
) -> bytes:
    """Return the network fitted on."""
    incumbent = _load(network_bytes)
    net, prior = warm_start(network_bytes, incumbent)
    _fit(net, prior, trials, settings)
    return _candidate(network_bytes, incumbent, net, prior)


def _committees(
    network_bytes: bytes, trials: Trials, settings: RefitSettings
) -> list[bytes]:
    """Return the network with curves and a process beside it, if these can be fitted.

    What is not valid is filled in with what the network expects, so that one process
    serves all muscles. Trials of one place and direction teach no map: then there is
    none.
    """
    if shape_spread(trials.relative_efield) < settings.least_shape_spread:
        return []
    network = _load(network_bytes)
    features = network.features(trials.relative_efield)
    posterior = rebuild(
        network.prior, features, log10_uv=trials.log10_uv, valid=trials.valid
    )
    expected = predict_mean(posterior, features)
    log10_uv = np.where(trials.valid, trials.log10_uv, expected)
    learnt = trials.valid.mean(axis=0) >= settings.least_valid_share
    try:
        columns = fit_columns(trials.relative_efield, log10_uv)
        return [with_columns(network_bytes, columns, learnt)]
    except (np.linalg.LinAlgError, ModelRefused) as err:
        # numbers that lead nowhere cost a candidate, not the fit
        _log.warning("no committee: %s", err)
        return []


def _fit(
    net: RealtimeNet, prior: PopulationPrior, trials: Trials, settings: RefitSettings
) -> None:
    """Climb the evidence of the trials, held back to the start."""
    parameters = [*net.parameters(), *prior.parameters()]
    start = [parameter.detach().clone() for parameter in parameters]
    stiffness = [
        0.5 / (settings.hold**2 * (values**2).mean().clamp(min=1e-6))
        for values in start
    ]
    efield = torch.tensor(trials.relative_efield)
    log10_uv = _tensor(np.where(trials.valid, trials.log10_uv, 0.0))[None]
    valid = _tensor(trials.valid)[None]
    n_meps = float(trials.valid.sum())
    optimizer = torch.optim.Adam(parameters, lr=settings.learning_rate)
    for _ in range(settings.n_steps):
        held = torch.stack(
            [
                k * ((now - then) ** 2).sum()
                for k, now, then in zip(stiffness, parameters, start, strict=True)
            ]
        ).sum()
        features = net(efield)[None]
        evidence = session_log_evidence(prior, features, log10_uv, valid).sum()
        loss: Tensor = held / max(n_meps, 1.0) - evidence
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch has no annotation
        optimizer.step()


def _candidate(
    model_bytes: bytes,
    incumbent: OnnxPredictor,
    net: RealtimeNet,
    prior: PopulationPrior,
) -> bytes:
    """Return the parent's graph with the new weights and prior."""
    contract = incumbent.contract
    return with_weights(
        model_bytes,
        {name: p.detach().numpy() for name, p in net.named_parameters()},
        prior=prior.as_arrays(incumbent.prior.scale_dof),
        contract=ModelContract(
            producer="m2m_rt nets.refit",
            muscles=contract.muscles,
            n_roi=contract.n_roi,
            n_features=contract.n_features,
            n_latent=contract.n_latent,
            table_hash=contract.table_hash,
            parent_hash=incumbent.model_hash,
        ),
    )


def _held_out(model_bytes: bytes, trials: Trials, n_fitted: int) -> F64:
    """Return a model's scores of the trials after the fitted ones."""
    model = _load(model_bytes)
    return held_out_scores(
        model.prior,
        model.features(trials.relative_efield),
        log10_uv=trials.log10_uv,
        valid=trials.valid,
        n_learnt=n_fitted,
    )


def _load(model_bytes: bytes) -> OnnxPredictor:
    return OnnxPredictor(model_bytes, expected_hash=_hash(model_bytes))


def _hash(model_bytes: bytes) -> str:
    return hashlib.sha256(model_bytes).hexdigest()


def _tensor(values: F64 | Bools) -> Tensor:
    return torch.tensor(values, dtype=torch.float32)
