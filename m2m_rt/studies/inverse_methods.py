"""The rival methods of the inverse study: MEPs in, a map of the field out."""

from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsRegressor

from m2m_rt.learning import (
    COUNTED,
    FieldMap,
    Posterior,
    field_map,
    first_posterior,
    log_likelihood,
    mean_of_pulses,
    predict,
    probabilities,
    rebuild,
    shared_share,
)
from m2m_rt.nets.inverse import InverseSettings, field_basis, train_inverse
from m2m_rt.ports import Predictor
from m2m_rt.studies.inverse_data import LEVELS, Head, PoseFields, Pulses
from m2m_rt.units import F32, F64, I64

_RIDGE = 1.0
_N_NEAREST = 10
N_COMPONENTS = 10

_SHARED_BEFORE = 0.2
"""Taken until a subject's own pulses say it."""

_ENOUGH_FOR_SHARED = 30


@dataclass(frozen=True, slots=True)
class Bench:
    """What every method of a study is given."""

    head: Head
    predictor: Predictor
    poses: PoseFields
    """That pulses are given at."""

    features: F32
    """(n_levels, n_poses, n_features) of those."""

    pool: PoseFields
    """Candidates: other poses of the same design."""

    pool_features: F32


def bayesian_maps(
    posterior: Posterior, bench: Bench, log10_uv: F64, *, shared: float
) -> FieldMap:
    """Return the maps of stimuli from their answers (n, n_repeats, n_muscles)."""
    features = bench.pool_features.reshape(-1, bench.pool_features.shape[2])
    predicted = mean_of_pulses(posterior, features, log10_uv.shape[1])
    valid = np.ones(log10_uv.shape[2], np.bool_)
    fits = [
        log_likelihood(predicted, answer, valid=valid, shared=shared)
        for answer in log10_uv.mean(axis=1)
    ]
    return field_map(
        probabilities(np.array(fits), counted=COUNTED), LEVELS, bench.pool.strength
    )


def regressions(
    given: tuple[F64, F32], log10_uv: F64, network: tuple[InverseSettings, int]
) -> dict[str, FieldMap]:
    """Return the maps of every method that learns from answers and fields alone."""
    answers, fields = given
    basis = field_basis(fields[:: max(1, len(fields) // 3000)], N_COMPONENTS)
    scores = basis.coefficients(fields)
    no_sd = np.full((len(log10_uv), fields.shape[1]), np.nan)
    found = {"mean": FieldMap(np.tile(basis.mean, (len(log10_uv), 1)), no_sd)}
    rivals = {
        "ridge": Ridge(alpha=_RIDGE),
        "nearest": KNeighborsRegressor(n_neighbors=_N_NEAREST),
    }
    for name, rival in rivals.items():
        rival.fit(answers, scores)
        back = rival.predict(log10_uv) * basis.scale @ basis.components
        found[name] = FieldMap(basis.mean + back, no_sd)
    settings, seed = network
    trained = train_inverse(answers, fields, settings=settings, seed=seed)
    found["network"] = trained.field_map(log10_uv)
    return found


def bayes_of_subject(bench: Bench, pulses: Pulses, train: I64, test: I64) -> FieldMap:
    """Return the maps of some pulses, each alone, from what others taught."""
    posterior, shared = learnt_from(bench, pulses, train)
    alone = pulses.log10_uv[test][:, np.newaxis]
    return bayesian_maps(posterior, bench, alone, shared=shared)


def learnt_from(bench: Bench, pulses: Pulses, train: I64) -> tuple[Posterior, float]:
    """Return the last layer after some pulses, and the muscles' shared deviation."""
    features = bench.features[pulses.levels[train], pulses.rows[train]]
    answers = pulses.log10_uv[train]
    prior = bench.predictor.prior
    posterior, shared = first_posterior(prior), _SHARED_BEFORE
    if len(train):
        posterior = rebuild(
            prior, features, log10_uv=answers, valid=np.ones(answers.shape, np.bool_)
        )
    if len(train) >= _ENOUGH_FOR_SHARED:
        shared = shared_share(predict(posterior, features), answers)
    return posterior, shared
