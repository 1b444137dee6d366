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
from m2m_rt.nets.inverse import (
    FieldBasis,
    InverseSettings,
    TrainedInverse,
    field_basis,
    train_inverse,
)
from m2m_rt.ports import Predictor
from m2m_rt.studies.inverse_data import LEVELS, Head, PoseFields, Pulses
from m2m_rt.units import F32, F64, I64

_RIDGE = 1.0
_N_NEAREST = 10
N_COMPONENTS = 10
"""That fields are written in: those of one coil over one head live on a manifold of
about five dimensions."""

_ENOUGH_FOR_BASIS = 3000
"""About so many fields tell the components as well as six times as many."""

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
    fits = log_likelihood(predicted, log10_uv.mean(axis=1), valid=valid, shared=shared)
    return field_map(probabilities(fits, counted=COUNTED), LEVELS, bench.pool.strength)


@dataclass(frozen=True, slots=True)
class Regressions:
    """What methods have learnt from answers and fields alone."""

    basis: FieldBasis
    rivals: dict[str, Ridge | KNeighborsRegressor]
    """By name; from answers to coefficients of the basis."""

    network: TrainedInverse

    def field_maps(self, log10_uv: F64) -> dict[str, FieldMap]:
        """Return every method's maps of answers (n, n_muscles)."""
        basis = self.basis
        mean = np.tile(basis.mean, (len(log10_uv), 1))
        no_sd = np.full(mean.shape, np.nan)
        found = {"mean": FieldMap(mean, no_sd)}
        for name, rival in self.rivals.items():
            back = rival.predict(log10_uv) * basis.scale @ basis.components
            found[name] = FieldMap(basis.mean + back, no_sd)
        found["network"] = self.network.field_map(log10_uv)
        return found


def learn_regressions(
    log10_uv: F64, strength: F32, settings: InverseSettings, *, seed: int
) -> Regressions:
    """Return what answers (n, n_muscles) and their fields (n, n_points) teach."""
    every = max(1, len(strength) // _ENOUGH_FOR_BASIS)
    basis = field_basis(strength[::every], N_COMPONENTS)
    coefficients = basis.coefficients(strength)
    rivals = {
        "ridge": Ridge(alpha=_RIDGE),
        "nearest": KNeighborsRegressor(n_neighbors=_N_NEAREST),
    }
    for rival in rivals.values():
        rival.fit(log10_uv, coefficients)
    network = train_inverse(log10_uv, coefficients, basis, settings=settings, seed=seed)
    return Regressions(basis, rivals, network)


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
