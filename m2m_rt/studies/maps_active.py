"""Active mapping on a recorded map, by the published protocol.

The truth is a noise-free RBF process through the square root of the combined map; it
answers queries on a 2 mm mesh, and the error is taken on a 0.5 mm mesh of its bounding
box (Faghihpirayesh et al., TNSRE 29:1679, 2021).
"""

from dataclasses import dataclass, replace

import msgspec
import numpy as np

from m2m_rt.adapters.motor_map_file import SubjectMaps
from m2m_rt.learning import (
    ActiveMap,
    ActiveSettings,
    spread_out,
)
from m2m_rt.studies.maps_data import MapStep
from m2m_rt.studies.maps_truth import Truth, in_parts
from m2m_rt.units import F64

TEST_SPACING_MM = 0.5
CANDIDATE_SPACING_MM = 2.0
N_START = 16
N_PULSES = 100
SCORE_EVERY = 4
"""Pulses between two scores; a score takes as long as several pulses."""

TRIAL_SPREAD_LOG10 = 0.25
"""Of noisy answers: in the middle of the 0.19 to 0.33 within a site."""

N_NOISY = 3
"""Runs with noisy answers, of different noise; their mean is told."""


@dataclass(frozen=True, slots=True)
class ActiveRun:
    """Error of the map after so many pulses."""

    pulses: tuple[int, ...]
    nmse: tuple[float, ...]
    queried_mm: F64
    """(n, 2): in the order of the queries, start included."""


@dataclass(frozen=True, slots=True)
class Protocol:
    """Everything of one subject's active mapping but the mapper."""

    truth: Truth
    start_mm: F64
    candidates_mm: F64
    test_mm: F64
    test_uv: F64
    trial_spread_log10: float = 0.0
    seed: int = 0


def protocol_of(subject: SubjectMaps, truth: Truth) -> Protocol:
    """Return start, candidates and test mesh of a subject."""
    low, high = truth.position_mm.min(axis=0), truth.position_mm.max(axis=0)
    test_mm = _mesh_mm(low, high, TEST_SPACING_MM)
    sites_mm = start_sites(subject)
    start = spread_out(sites_mm, N_START, np.random.default_rng(0))
    return Protocol(
        truth=truth,
        start_mm=sites_mm[start],
        candidates_mm=_mesh_mm(low, high, CANDIDATE_SPACING_MM),
        test_mm=test_mm,
        test_uv=truth.root_uv(test_mm) ** 2,
    )


def start_sites(subject: SubjectMaps) -> F64:
    """Return (n, 2) the RAND map's sites, or all where there is no such map."""
    chosen = [m for m in subject.maps if m.name == "RAND"] or list(subject.maps)
    return np.concatenate([m.position_mm[:, :2] for m in chosen])


def run_active(
    protocol: Protocol, settings: ActiveSettings, step: MapStep, label: str
) -> ActiveRun:
    """Return the error of the map as active mapping goes on."""
    mapper = ActiveMap(settings, protocol.candidates_mm)
    ask = _Answers(protocol)
    allowed = np.ones(len(protocol.candidates_mm), dtype=np.bool_)
    is_noisy = protocol.trial_spread_log10 > 0
    for site_mm in protocol.start_mm:
        mapper.learn(site_mm, ask.root_uv(site_mm))
    pulses, nmse = [len(mapper.root_uv)], [_nmse(mapper, protocol)]
    while pulses[-1] < N_PULSES and allowed.any():
        for _ in range(min(SCORE_EVERY, N_PULSES - pulses[-1], int(allowed.sum()))):
            row = mapper.next_query(allowed)
            allowed[row] = is_noisy  # a noise-free answer is not asked for twice
            site_mm = protocol.candidates_mm[row]
            mapper.learn(site_mm, ask.root_uv(site_mm))
        pulses.append(len(mapper.root_uv))
        nmse.append(_nmse(mapper, protocol))
        step(label, pulses[-1], N_PULSES)
    return ActiveRun(tuple(pulses), tuple(nmse), mapper.queried_mm)


def run_random(protocol: Protocol, settings: ActiveSettings) -> ActiveRun:
    """Return the same with sites drawn at random from the candidates."""
    mapper = ActiveMap(settings, protocol.candidates_mm)
    ask = _Answers(protocol)
    rows = np.random.default_rng(protocol.seed).permutation(len(mapper.candidates_mm))
    drawn_mm = protocol.candidates_mm[rows[: N_PULSES - len(protocol.start_mm)]]
    pulses, nmse = [], []
    for after_start, site_mm in enumerate(
        (*protocol.start_mm, *drawn_mm), 1 - len(protocol.start_mm)
    ):
        mapper.learn(site_mm, ask.root_uv(site_mm))
        if after_start >= 0 and after_start % SCORE_EVERY == 0:
            pulses.append(len(mapper.root_uv))
            nmse.append(_nmse(mapper, protocol))
    return ActiveRun(tuple(pulses), tuple(nmse), mapper.queried_mm)


def run_noisy(
    protocol: Protocol, settings: ActiveSettings, step: MapStep, label: str
) -> ActiveRun:
    """Return the mean error over runs whose answers are single noisy MEPs."""
    relative_sd = TRIAL_SPREAD_LOG10 * float(np.log(10.0)) / 2.0
    noisy = msgspec.structs.replace(settings, answer_relative_sd=relative_sd)
    runs = [
        run_active(
            replace(protocol, trial_spread_log10=TRIAL_SPREAD_LOG10, seed=seed),
            noisy,
            step,
            label,
        )
        for seed in range(N_NOISY)
    ]
    nmse = np.mean([run.nmse for run in runs], axis=0)
    return ActiveRun(runs[0].pulses, tuple(nmse.tolist()), runs[0].queried_mm)


class _Answers:
    """The truth, with a trial's noise if the protocol has any."""

    def __init__(self, protocol: Protocol) -> None:
        self._truth = protocol.truth
        self._spread = protocol.trial_spread_log10
        self._rng = np.random.default_rng(protocol.seed)

    def root_uv(self, site_mm: F64) -> float:
        root = abs(float(self._truth.root_uv(site_mm[np.newaxis])[0]))
        if not self._spread:
            return root
        # The root of an MEP that is off by a factor 10ᵉ is off by 10^(e/2).
        error = float(self._rng.normal(0.0, self._spread))
        return float(root * 10.0 ** (error / 2.0))


def _nmse(mapper: ActiveMap, protocol: Protocol) -> float:
    """Return |z − ẑ|² / |z|² over the test mesh."""
    parts = in_parts(protocol.test_mm)
    root = np.concatenate([mapper.estimate_root_uv(part) for part in parts])
    error = protocol.test_uv - root**2
    return float(error @ error / (protocol.test_uv @ protocol.test_uv))


def _mesh_mm(low: F64, high: F64, spacing_mm: float) -> F64:
    """Return (n, 2) a mesh from the lower corner, the upper edge left out."""
    x, y = np.meshgrid(
        np.arange(low[0], high[0], spacing_mm), np.arange(low[1], high[1], spacing_mm)
    )
    return np.column_stack((x.ravel(), y.ravel()))
