"""Active mapping on a recorded map, by the published protocol.

The truth is a noise-free RBF process through the square root of the combined map; it
answers queries on a 2 mm mesh, and the error is taken on a 0.5 mm mesh of its bounding
box (Faghihpirayesh et al., TNSRE 29:1679, 2021).
"""

from dataclasses import dataclass

import msgspec
import numpy as np
from scipy.linalg import cho_solve
from scipy.optimize import minimize_scalar

from m2m_rt.adapters.motor_map_file import CombinedMap, SubjectMaps
from m2m_rt.errors import DataError
from m2m_rt.learning import (
    ActiveMap,
    ActiveSettings,
    spread_out,
    squared_distance,
)
from m2m_rt.studies.maps_data import MapStep
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

_JITTER = 1e-10
_LENGTH_OVER_SPACING = (0.25, 4.0)
_N_LENGTHS = 25
SHIPPED_LENGTH_OVER_SPACING = 2.0 / 3.0
"""Where there is no other subject to learn the length from: an interpolated map varies
over the spacing of its own grid."""


@dataclass(frozen=True, slots=True)
class Truth:
    """A noise-free process through a combined map; answers any site."""

    position_mm: F64
    weights: F64
    length_mm: float

    def root_uv(self, points_mm: F64) -> F64:
        """Return (n,): the root of the MEP; its sign carries no meaning."""
        return np.concatenate(
            [
                _bell(part, self.position_mm, self.length_mm) @ self.weights
                for part in _in_parts(points_mm)
            ]
        )


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


def fit_truth(combined: CombinedMap, length_mm: float | None = None) -> Truth:
    """Return the truth, its length given or by a robust fit.

    The fit takes the amplitude that is best at each length in closed form, and looks
    over all lengths that the sites' spacing can show. A search over both at once runs
    to long lengths, where the covariance is singular and its likelihood means nothing.

    Raises
    ------
    DataError
        If the covariance is singular at the length.
    """
    root = np.sqrt(combined.mep_p2p_uv)
    if length_mm is None:
        length_mm = _best_length_mm(combined.position_mm, root)
    try:
        factor = _factor(combined.position_mm, length_mm)
    except np.linalg.LinAlgError as err:
        raise DataError(
            f"combined map: sites {_spacing_mm(combined.position_mm):.3g} mm apart "
            f"make a length of {length_mm:.3g} mm singular; expected a shorter one, "
            "and no site twice"
        ) from err
    return Truth(combined.position_mm, cho_solve((factor, True), root), length_mm)


def shipped_length_mm(combined: CombinedMap) -> float:
    """Return the mapper's length where no other subject can tell it."""
    return SHIPPED_LENGTH_OVER_SPACING * _spacing_mm(combined.position_mm)


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
        for _ in range(min(SCORE_EVERY, N_PULSES - pulses[-1])):
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
    for site_mm in (*protocol.start_mm, *drawn_mm):
        mapper.learn(site_mm, ask.root_uv(site_mm))
        n = len(mapper.root_uv)
        if n >= len(protocol.start_mm) and (n - len(protocol.start_mm)) % 4 == 0:
            pulses.append(n)
            nmse.append(_nmse(mapper, protocol))
    return ActiveRun(tuple(pulses), tuple(nmse), mapper.queried_mm)


def run_noisy(
    protocol: Protocol, settings: ActiveSettings, step: MapStep, label: str
) -> ActiveRun:
    """Return the mean error over runs whose answers are single noisy MEPs."""
    relative_sd = TRIAL_SPREAD_LOG10 * float(np.log(10.0)) / 2.0
    noisy = msgspec.structs.replace(settings, answer_relative_sd=relative_sd)
    runs = [
        run_active(_with_noise(protocol, TRIAL_SPREAD_LOG10, seed), noisy, step, label)
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


def _with_noise(protocol: Protocol, spread_log10: float, seed: int) -> Protocol:
    return Protocol(
        protocol.truth,
        protocol.start_mm,
        protocol.candidates_mm,
        protocol.test_mm,
        protocol.test_uv,
        spread_log10,
        seed,
    )


def _nmse(mapper: ActiveMap, protocol: Protocol) -> float:
    """Return |z − ẑ|² / |z|² over the test mesh."""
    parts = _in_parts(protocol.test_mm)
    root = np.concatenate([mapper.estimate_root_uv(part) for part in parts])
    error = protocol.test_uv - root**2
    return float(error @ error / (protocol.test_uv @ protocol.test_uv))


def _mesh_mm(low: F64, high: F64, spacing_mm: float) -> F64:
    """Return (n, 2) a mesh from the lower corner, the upper edge left out."""
    x, y = np.meshgrid(
        np.arange(low[0], high[0], spacing_mm), np.arange(low[1], high[1], spacing_mm)
    )
    return np.column_stack((x.ravel(), y.ravel()))


def _best_length_mm(position_mm: F64, root_uv: F64) -> float:
    spacing = _spacing_mm(position_mm)
    shortest, longest = (spacing * factor for factor in _LENGTH_OVER_SPACING)
    lengths = np.geomspace(shortest, longest, _N_LENGTHS)
    losses = [_profile_loss(position_mm, root_uv, length) for length in lengths]
    best = int(np.argmin(losses))
    around = lengths[max(best - 1, 0)], lengths[min(best + 1, len(lengths) - 1)]
    found = minimize_scalar(
        lambda log: _profile_loss(position_mm, root_uv, float(np.exp(log))),
        bounds=np.log(around),
        method="bounded",
        options={"xatol": 1e-4},
    )
    return float(np.exp(found.x))


def _profile_loss(position_mm: F64, root_uv: F64, length_mm: float) -> float:
    """Return minus the log likelihood at the amplitude that is best for a length."""
    try:
        factor = _factor(position_mm, length_mm)
    except np.linalg.LinAlgError:
        return float("inf")
    n = len(root_uv)
    variance = float(root_uv @ cho_solve((factor, True), root_uv)) / n
    if not variance > 0:
        return float("inf")
    return 0.5 * n * float(np.log(variance)) + float(np.log(np.diag(factor)).sum())


def _factor(position_mm: F64, length_mm: float) -> F64:
    near = _bell(position_mm, position_mm, length_mm)
    near[np.diag_indices_from(near)] += _JITTER
    return np.asarray(np.linalg.cholesky(near), dtype=np.float64)


def _spacing_mm(position_mm: F64) -> float:
    """Return the median distance to the nearest other site."""
    apart2 = squared_distance(position_mm, position_mm)
    apart2[apart2 < 1e-12] = np.inf  # itself, and sites given twice
    return float(np.median(np.sqrt(apart2.min(axis=1))))


def _bell(a_mm: F64, b_mm: F64, length_mm: float) -> F64:
    return np.asarray(np.exp(-0.5 * squared_distance(a_mm, b_mm) / length_mm**2))


def _in_parts(points_mm: F64) -> list[F64]:
    """Return the points in pieces small enough for a kernel matrix of each."""
    return np.array_split(points_mm, max(1, len(points_mm) // 4000))
