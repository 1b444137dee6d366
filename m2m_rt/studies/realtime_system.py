"""The real-time family on one subject's recording, from population to scratch.

All see the field's direction, cost microseconds a pose, and learn from the training
rows alone; those that start from a population bring the shipped network.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch

from m2m_rt.adapters.onnx_predictor import OnnxPredictor
from m2m_rt.learning import Posterior, first_posterior, learn, predict
from m2m_rt.nets.paper_data import PaperData
from m2m_rt.nets.recruitment import Recruited, RecruitmentSettings, fit_recruitment
from m2m_rt.nets.recruitment_shared import (
    SMOOTH,
    SharedSettings,
    share_excitability,
)
from m2m_rt.nets.refit import RefitSettings, Trials, refit
from m2m_rt.nets.sessions import HeadField, Progress
from m2m_rt.nets.subject_net import SubjectNet, SubjectNetSettings, fit_subject_net
from m2m_rt.studies.baselines import NamedSystem, fit_process, log10_meps
from m2m_rt.studies.committee import STUDY_WEIGHTS, Committee, Remembered
from m2m_rt.studies.field_rows import FieldRows, FilterPlan, start_filters
from m2m_rt.studies.smearing import Smearing, learn_smearing
from m2m_rt.studies.systems import Fitted, Predicted, System
from m2m_rt.units import F64, I64

_HELD_OUT = 0.2
"""Part of the training rows that a refit is judged on, before it is taken."""


def realtime_systems(
    head: HeadField, model_bytes: bytes | None = None
) -> tuple[System, ...]:
    """Return the family; without a shipped model, those that need none.

    Parameters
    ----------
    head
        Whose fields are given.
    model_bytes
        The shipped network of the same table.
    """
    recruitment = Remembered(RecruitmentSystem("realtime.recruitment", head))
    smooth = RecruitmentSystem("smooth", head, SMOOTH)
    shared = Remembered(SharedSystem("realtime.recruitment_shared", smooth))
    filters = FilterSystem("realtime.filters", head)
    if model_bytes is None:
        return filters, recruitment, shared
    population = Remembered(PopulationSystem("realtime.population", model_bytes))
    refitted = PopulationSystem("realtime.population_refit", model_bytes, refits=True)
    process = NamedSystem("pca_gp", lambda data, rows: fit_process(head, data, rows))
    committee = Committee(
        "realtime.committee",
        members=(recruitment, shared, population, process),
        weights=STUDY_WEIGHTS,
    )
    return population, refitted, filters, recruitment, shared, committee


@dataclass(frozen=True, slots=True)
class FittedExpectation:
    """A model of log10 MEPs and its way to amplitudes; fulfils `Fitted`."""

    model: "ExpectsLog10"
    n_parameters: int
    n_effective: int
    hat_trace: float
    smearing: Smearing

    def predict(self, data: PaperData, rows: I64) -> Predicted:
        """Return what is expected of rows."""
        expected = self.model.log10_uv(data, rows)
        return Predicted(self.smearing.amplitude_uv(expected), expected)


class ExpectsLog10(Protocol):
    """Whatever gives expected log10 MEPs (n, n_muscles) of rows."""

    def log10_uv(self, data: PaperData, rows: I64) -> F64:
        """Return them; the rows' MEPs are not looked at."""
        ...


@dataclass(frozen=True, slots=True)
class PopulationSystem:
    """The shipped features under a last layer learnt on the training rows."""

    name: str
    model_bytes: bytes
    """Not left out of the repr, which tells stored fits of one model from another's."""

    refits: bool = False
    """Whether features and prior are first refitted on the training rows, as `traind`
    does, and taken if they predict the last of them better."""

    def fit(self, data: PaperData, training: I64, progress: Progress) -> Fitted:
        """Learn; every row is predicted before it is learnt, for the smearing."""
        progress(self.name, 0, 1)
        order = np.random.default_rng(0).permutation(training)
        model_bytes = self._refitted(data, order) if self.refits else self.model_bytes
        network = OnnxPredictor(
            model_bytes, expected_hash=hashlib.sha256(model_bytes).hexdigest()
        )
        features = network.features(data.relative_efield[order])
        log10_uv = log10_meps(data, order)
        valid = np.ones(log10_uv.shape[1], np.bool_)
        posterior, said = first_posterior(network.prior), []
        for row, measured in zip(features, log10_uv, strict=True):
            said.append(predict(posterior, row[np.newaxis]).mean[0])
            posterior = learn(posterior, row, log10_uv=measured, valid=valid)
        amplitude_uv = data.amplitude_uv[order].astype(np.float64)
        progress(self.name, 1, 1)
        return FittedExpectation(
            model=LastLayer(network, posterior),
            n_parameters=posterior.latent_mean.size,
            n_effective=int(np.sum(np.abs(posterior.latent_mean) > 1e-3)),
            hat_trace=_hat_trace(posterior),
            smearing=learn_smearing(np.array(said), amplitude_uv),
        )

    def _refitted(self, data: PaperData, order: I64) -> bytes:
        log10_uv = log10_meps(data, order)
        trials = Trials(
            relative_efield=data.relative_efield[order],
            log10_uv=log10_uv,
            valid=np.ones(log10_uv.shape, np.bool_),
        )
        n_held_out = max(1, round(_HELD_OUT * len(order)))
        n_threads = torch.get_num_threads()
        found = refit(
            self.model_bytes,
            trials,
            n_held_out=n_held_out,
            seed=0,
            settings=RefitSettings(committee=False),
        )
        torch.set_num_threads(n_threads)  # a refit takes one; others go on with theirs
        better = found.candidate_score > found.incumbent_score
        return found.model_bytes if better else self.model_bytes


@dataclass(frozen=True, slots=True)
class RecruitmentSystem:
    """A drive learnt from the field's shape under a recruitment curve a muscle."""

    name: str
    head: HeadField = field(repr=False)
    settings: RecruitmentSettings = field(default_factory=RecruitmentSettings)
    has_direction: bool = True
    """Whether the field's vector is seen, or |E| alone."""

    def fit(self, data: PaperData, training: I64, progress: Progress) -> Fitted:
        """Learn drive, curves and both noises together."""
        progress(self.name, 0, 1)
        rows = FieldRows(self.head, data, training, has_direction=self.has_direction)
        seen, log10_uv = rows.of(data, training), log10_meps(data, training)
        model = fit_recruitment(seen, log10_uv, self.settings)
        progress(self.name, 1, 1)
        return _decoded(rows, model, data, training)


@dataclass(frozen=True, slots=True)
class SharedSystem:
    """Recruitment curves fitted once more, the pulses' excitability taken out."""

    name: str
    start: System
    """Of recruitment curves; fits once where it is `Remembered`."""

    settings: SharedSettings = field(default_factory=SharedSettings)

    def fit(self, data: PaperData, training: I64, progress: Progress) -> Fitted:
        """Learn from where the first fit of the same rows ended."""
        progress(self.name, 0, 1)
        first = self.start.fit(data, training, progress)
        if not isinstance(first, FittedRecruitment):
            raise TypeError(f"{self.start.name}: no recruitment curves to start from")
        seen, log10_uv = first.rows.of(data, training), log10_meps(data, training)
        model = share_excitability(first.model, seen, log10_uv, self.settings)
        progress(self.name, 1, 1)
        return _decoded(first.rows, model, data, training)


@dataclass(frozen=True, slots=True)
class FittedRecruitment:
    """A recruitment model on one subject; fulfils `Fitted`."""

    rows: FieldRows
    model: Recruited
    smearing: Smearing
    hat_trace: float = float("nan")

    @property
    def n_parameters(self) -> int:
        """All trained numbers."""
        return self.model.n_parameters

    @property
    def n_effective(self) -> int:
        """Trained numbers larger than 1e-3."""
        return self.model.n_effective

    def predict(self, data: PaperData, rows: I64) -> Predicted:
        """Return what is expected of rows.

        An amplitude is what the model's two noises give, corrected by how the training
        rows' own amplitudes differ from that.
        """
        expected = self.model.expected(self.rows.of(data, rows))
        log10_uv, model_uv = expected.log10_uv, expected.amplitude_uv
        return Predicted(self.smearing.amplitude_uv(log10_uv, model_uv), log10_uv)


@dataclass(frozen=True, slots=True)
class FilterSystem:
    """Spatial filters, neural response and a small trunk, from scratch."""

    name: str
    head: HeadField = field(repr=False)
    settings: SubjectNetSettings = field(default_factory=SubjectNetSettings)
    n_filters: int = 24
    has_direction: bool = True

    def fit(self, data: PaperData, training: I64, progress: Progress) -> Fitted:
        """Learn the ensemble's members side by side."""
        progress(self.name, 0, 1)
        rows = FieldRows(self.head, data, training, has_direction=self.has_direction)
        seen, log10_uv = rows.of(data, training), log10_meps(data, training)
        plan = FilterPlan(n_members=self.settings.n_members, n_filters=self.n_filters)
        filters = start_filters(self.head, rows, plan, np.random.default_rng(0))
        net = fit_subject_net(seen, log10_uv, filters, self.settings, seed=0)
        amplitude_uv = data.amplitude_uv[training].astype(np.float64)
        progress(self.name, 1, 1)
        return FittedExpectation(
            model=_FilterModel(rows, net),
            n_parameters=net.n_parameters,
            n_effective=net.n_effective,
            hat_trace=float("nan"),
            smearing=learn_smearing(net.log10_uv(seen), amplitude_uv),
        )


@dataclass(frozen=True, slots=True)
class LastLayer:
    """A network and what its last layer has learnt."""

    network: OnnxPredictor
    posterior: Posterior

    def log10_uv(self, data: PaperData, rows: I64) -> F64:
        """Return expected log10 MEPs (n, n_muscles)."""
        features = self.network.features(data.relative_efield[rows])
        return predict(self.posterior, features).mean


@dataclass(frozen=True, slots=True)
class _FilterModel:
    rows: FieldRows
    net: SubjectNet

    def log10_uv(self, data: PaperData, rows: I64) -> F64:
        return self.net.log10_uv(self.rows.of(data, rows))


def _decoded(
    rows: FieldRows, model: Recruited, data: PaperData, training: I64
) -> FittedRecruitment:
    """Return a model with its way to amplitudes, learnt from its training rows."""
    said = model.expected(rows.of(data, training))
    amplitude_uv = data.amplitude_uv[training].astype(np.float64)
    smearing = learn_smearing(said.log10_uv, amplitude_uv, said.amplitude_uv)
    return FittedRecruitment(rows, model, smearing)


def _hat_trace(posterior: Posterior) -> float:
    """Return how many of the latent numbers the training rows have fixed."""
    left = np.trace(posterior.latent_cov, axis1=1, axis2=2)  # of a prior variance of 1
    return float(np.sum(posterior.prior.n_latent - left))
