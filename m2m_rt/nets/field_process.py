"""A Gaussian process on the field's components, its settings by marginal likelihood."""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh
from scipy.optimize import minimize

from m2m_rt.units import F64

N_TUNED = 300
"""Rows, at most, that lengths and noise are tuned on; all rows are learnt from."""

N_PROCESS_COMPONENTS = 8

_LENGTH_AT_FIRST = 3.0
_LENGTH_SPREAD = 1.5
"""Of the natural log of a length: a wide prior, so that a useless component ends."""


@dataclass(frozen=True, slots=True)
class ProcessSettings:
    """What marginal likelihood chooses; a component is one of unit variance."""

    lengths: F64
    """(k,): of each component, common to all muscles."""

    signal: F64
    noise: F64
    """(n_muscles,): variances over that of the muscle's log10 MEPs."""


class Components:
    """Principal components of training fields, each of unit variance there."""

    def __init__(self, coefficients: F64, count: int) -> None:
        """Take them from coefficients (n, rank); at most `count`, fewer of few rows."""
        self.centre = coefficients.mean(axis=0)
        _, values, axes = np.linalg.svd(coefficients - self.centre, full_matrices=False)
        kept = min(count, int(np.sum(values > 1e-6 * values[0])))
        self.axes = axes[:kept].T / (values[:kept] / np.sqrt(len(coefficients)))

    def of(self, coefficients: F64) -> F64:
        """Return components (n, count)."""
        components: F64 = (coefficients - self.centre) @ self.axes
        return components


class FieldProcess:
    """One process a muscle about the muscle's own mean, RBF with a length a component.

    Muscles share the kernel's lengths, so one decomposition serves all of them.
    """

    def __init__(self, components: F64, log10_uv: F64, seed: int = 0) -> None:
        """Tune on training rows (n, k), (n, n_muscles), and learn them."""
        self.mean = log10_uv.mean(axis=0)
        """(n_muscles,): log10 µV far from all training rows."""
        sd = log10_uv.std(axis=0) + 1e-9
        standard = (log10_uv - self.mean) / sd
        order = np.random.default_rng(seed).permutation(len(components))[:N_TUNED]
        self.settings = tune(components[order], standard[order])
        values, vectors = _decompose(_kernel(components, components, self.settings))
        share = self.settings.signal * values[:, np.newaxis]  # (n, n_muscles)
        total = share + self.settings.noise
        weights = vectors @ ((vectors.T @ standard) / total)
        self.known = components
        self.pull = sd * self.settings.signal * weights
        """(n, n_muscles): what each training row adds, times its kernel."""
        inverse = vectors**2 @ (1.0 / total)  # diagonal of each muscle's inverse
        self.left_out_log10_uv = log10_uv - sd * weights / inverse
        """(n, n_muscles): each training row predicted from all the others."""
        self.hat_trace = float(np.sum(share / total) + log10_uv.shape[1])

    def log10_uv(self, components: F64) -> F64:
        """Return expected log10 MEPs (n, n_muscles)."""
        near = _kernel(components, self.known, self.settings)
        expected: F64 = self.mean + near @ self.pull
        return expected


def tune(components: F64, standard: F64) -> ProcessSettings:
    """Return the settings of greatest marginal likelihood of standardised MEPs."""
    n_components, n_muscles = components.shape[1], standard.shape[1]
    apart = [(column[:, None] - column) ** 2 for column in components.T]
    start = np.concatenate(
        (
            np.full(n_components, np.log(_LENGTH_AT_FIRST)),
            np.zeros(n_muscles),
            np.full(n_muscles, np.log(0.2)),
        )
    )
    bounds = [(-2, 5)] * n_components + [(-4, 6)] * n_muscles + [(-6, 1)] * n_muscles
    found = minimize(
        lambda at: _minus_log_evidence(at, apart, standard),
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=bounds,
        options={"maxiter": 40},
    )
    lengths, signal, noise = np.split(
        np.exp(found.x), (n_components, n_components + n_muscles)
    )
    return ProcessSettings(lengths, signal, noise)


def _minus_log_evidence(at: F64, apart: list[F64], standard: F64) -> tuple[float, F64]:
    """Return minus the log marginal likelihood and its slope, in log settings."""
    n_lengths, n_muscles = len(apart), standard.shape[1]
    shrink = np.exp(-2.0 * at[:n_lengths])
    signal, noise = np.exp(at[n_lengths:]).reshape(2, n_muscles)
    kernel = np.exp(-0.5 * sum(w * d for w, d in zip(shrink, apart, strict=True)))
    values, vectors = _decompose(kernel)
    share = signal * values[:, np.newaxis]
    total = share + noise
    turned = vectors.T @ standard
    solved = turned / total
    pull = (at[:n_lengths] - np.log(_LENGTH_AT_FIRST)) / _LENGTH_SPREAD
    value = 0.5 * float(np.sum(turned * solved) + np.sum(np.log(total)) + pull @ pull)
    weights = vectors @ solved
    spread = (vectors * (signal / total).sum(axis=1)) @ vectors.T
    by_kernel = 0.5 * (spread - (weights * signal) @ weights.T) * kernel
    by_length = [np.sum(by_kernel * d) * w for w, d in zip(shrink, apart, strict=True)]
    by_share = 0.5 * np.sum(share / total - share * solved**2, axis=0)
    by_noise = 0.5 * np.sum(noise / total - noise * solved**2, axis=0)
    slope = np.concatenate((by_length + pull / _LENGTH_SPREAD, by_share, by_noise))
    return value, slope


def _kernel(rows: F64, others: F64, settings: ProcessSettings) -> F64:
    """Return (n, n_others), 1 at no distance."""
    a, b = rows / settings.lengths, others / settings.lengths
    apart = np.sum(a**2, 1)[:, np.newaxis] + np.sum(b**2, 1) - 2.0 * a @ b.T
    kernel: F64 = np.exp(-0.5 * np.maximum(apart, 0.0))
    return kernel


def _decompose(kernel: F64) -> tuple[F64, F64]:
    values, vectors = eigh(kernel, driver="evd")
    return np.maximum(values, 0.0), vectors
