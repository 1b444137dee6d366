"""Has something changed at once? A muscle's gain, or where the head is taken to be.

Each change that is known in form has a running sum of log likelihood ratios against "no
change" (CUSUM), which starts anew whenever it falls to nothing. The last layer goes on
learning, and learns the change away, so each sum keeps what has been absorbed since it
started (Willsky and Jones, IEEE TAC 21:108, 1976). What a trial's noise shares
between muscles is taken out under either hypothesis, and errors are Student-t, so that
one odd trial is no change.
"""

from dataclasses import dataclass

import numpy as np

from m2m_rt.units import F64


@dataclass(frozen=True, slots=True)
class TrialErrors:
    """One trial against its prediction, and how the last layer will learn from it."""

    error: F64
    """(n_muscles,): measured minus predicted, log10 µV; 0 where not valid."""

    weight: F64
    """(n_muscles,): 1 over the variance that is the muscle's own; 0 where not valid."""

    shared: F64
    """(n_muscles, n_shared): loadings on unit normals that muscles share."""

    loading: F64
    """(n_muscles, n_latent)"""

    gain: F64
    """(n_muscles, n_latent): the latent mean moves by this times the error."""

    reach: F64
    """(n_muscles,): how the prediction moves with log10 of what is evoked."""

    own_gain: F64
    """(n_muscles,): a muscle's gain moves by this times its error, if one was found to
    have changed; else 0."""

    state_gain: F64
    """(n_muscles,): excitability moves by this times the errors."""

    state_keep: float
    """What is left of a move of excitability at the next trial."""


@dataclass(frozen=True, slots=True)
class Sums:
    """Running sums of some hypotheses; never changed in place."""

    statistic: F64
    """(n_hypotheses,), natural log."""

    absorbed: F64
    """(n_hypotheses, n_muscles, n_latent): of the latent mean, since its start."""

    absorbed_gain: F64
    """(n_hypotheses, n_muscles): of the muscles' own gains."""

    absorbed_state: F64
    """(n_hypotheses,): of excitability."""

    age: F64
    """(n_hypotheses,): trials since its start."""


def no_sums(n_hypotheses: int, n_muscles: int, n_latent: int) -> Sums:
    """Return sums that have just started."""
    return Sums(
        statistic=np.zeros(n_hypotheses),
        absorbed=np.zeros((n_hypotheses, n_muscles, n_latent)),
        absorbed_gain=np.zeros((n_hypotheses, n_muscles)),
        absorbed_state=np.zeros(n_hypotheses),
        age=np.zeros(n_hypotheses),
    )


def add_trial(
    sums: Sums, trial: TrialErrors, effect: F64, dof: float, max_age: float = 40.0
) -> Sums:
    """Return the sums after a trial.

    Parameters
    ----------
    sums
        Before it.
    trial
        Its errors.
    effect
        (n_hypotheses, n_muscles): by how much each change moves the answers.
    dof
        Of the errors' Student-t.
    """
    absorbed = np.einsum("hml,ml->hm", sums.absorbed, trial.loading)
    shared = sums.absorbed_state[:, np.newaxis]
    absorbed += (shared + sums.absorbed_gain) * trial.reach
    seen = effect - absorbed  # (n_hypotheses, n_muscles)
    ratio = _log_density(trial, trial.error - seen, dof)
    ratio -= _log_density(trial, trial.error[np.newaxis], dof)
    statistic = np.maximum(sums.statistic + ratio, 0.0)
    statistic = np.where(sums.age >= max_age, 0.0, statistic)
    alive = statistic > 0.0
    moved = trial.gain * seen[:, :, np.newaxis]  # (n_hypotheses, n_muscles, n_latent)
    state = sums.absorbed_state + seen @ trial.state_gain
    return Sums(
        statistic=statistic,
        absorbed=(sums.absorbed + moved) * alive[:, np.newaxis, np.newaxis],
        absorbed_gain=(sums.absorbed_gain + trial.own_gain * seen)
        * alive[:, np.newaxis],
        absorbed_state=trial.state_keep * state * alive,
        age=(sums.age + 1.0) * alive,
    )


def _log_density(trial: TrialErrors, error: F64, dof: float) -> F64:
    """Return log densities (n,), up to a constant, of errors (n, n_muscles).

    The shared part takes the value that explains the errors best.
    """
    weighed = trial.shared * trial.weight[:, np.newaxis]
    precision = np.eye(trial.shared.shape[1]) + trial.shared.T @ weighed
    common = np.linalg.solve(precision, (error @ weighed).T).T  # (n, n_shared)
    own = error - common @ trial.shared.T
    surprise = np.log1p(own**2 * (trial.weight / dof)).sum(axis=1)
    return np.asarray(-0.5 * ((dof + 1.0) * surprise + np.sum(common**2, axis=1)))
